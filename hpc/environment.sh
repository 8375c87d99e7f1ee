# Sourced by the scripts beside it: a virtual environment with an MPI from PyPI, nothing else.
# Works where only Python 3.11 (or later) is there. HALFMAP_VENV and PYTHON name others.

set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

VENV=${HALFMAP_VENV:-.venv}
PYTHON=${PYTHON:-python3}

install() {  # install EXTRAS: once; again only when pyproject.toml has changed
    if ! "$PYTHON" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
        echo "found $("$PYTHON" --version), expected Python 3.11 or later; name one: PYTHON=python3.12 bash $0" >&2
        exit 1
    fi
    [ -x "$VENV/bin/python" ] || "$PYTHON" -m venv "$VENV"
    local stamp="$VENV/halfmap-$1"
    if [ ! -f "$stamp" ] || [ pyproject.toml -nt "$stamp" ]; then
        echo "installing halfmap[$1] into $VENV"
        "$VENV/bin/python" -m pip install --quiet --upgrade pip
        "$VENV/bin/python" -m pip install --quiet --editable ".[$1]"
        touch "$stamp"
    fi
    VENV=$(cd "$VENV" && pwd)
    export PATH="$VENV/bin:$PATH"
}

# Open MPI asks before it runs as root (containers do) and before it puts more ranks than cores on
# a machine. Its plain transports start a second faster than probing for fast networks: right on
# one machine, wrong on a cluster, where none of this is set.
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
export PRTE_ALLOW_RUN_AS_ROOT=1 PRTE_ALLOW_RUN_AS_ROOT_CONFIRM=1
export PRTE_MCA_rmaps_default_mapping_policy=:oversubscribe
export OMPI_MCA_pml=ob1 OMPI_MCA_btl=self,sm,tcp OMPI_MCA_osc=^ucx
# Threads are halfmap's own (--j).
export OPENBLAS_NUM_THREADS=1 OMP_NUM_THREADS=1
