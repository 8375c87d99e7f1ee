"""``halfmap reconstruct``: parse, hand over, exit code."""

import os
import shutil
import sys
import traceback

WIDEST_HELP = 110


def run(argv: list[str]) -> int:
    """Reconstruct; see ``halfmap reconstruct --help``."""
    # Before numpy is loaded: its BLAS reads them once. Threads are halfmap's own (--threads).
    for variable in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(variable, "1")
    from halfmap.config.reconstruction.options import parse_reconstruct, reconstruct_help

    if {"--help", "-h"} & set(argv):
        sys.stdout.write(reconstruct_help(min(shutil.get_terminal_size().columns, WIDEST_HELP)))
        return 0
    from halfmap.engine.reconstruction.judging import judged

    request = parse_reconstruct(argv, judged)
    from mpi4py import MPI

    from halfmap.engine.reconstruction.reconstruct import reconstruct
    from halfmap.errors import HalfmapError

    try:
        reconstruct(request, MPI.COMM_WORLD)
    except HalfmapError as error:
        if error.everywhere or MPI.COMM_WORLD.size == 1:
            raise  # the command line says it, once
        return _end_all(f"halfmap: rank {MPI.COMM_WORLD.rank}: {error}\n", error.exit_code)
    except Exception:  # a mistake of ours: say where
        if MPI.COMM_WORLD.size == 1:
            raise
        return _end_all(traceback.format_exc(), 4)
    return 0


def _end_all(text: str, exit_code: int) -> int:
    """Say what only this rank knows, and end the others, who would wait for it for ever."""
    from mpi4py import MPI

    sys.stderr.write(text)
    sys.stderr.flush()
    MPI.COMM_WORLD.Abort(exit_code)
    return exit_code
