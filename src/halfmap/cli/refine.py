"""``halfmap refine``: parse, hand over, exit code."""

import os


def run(argv: list[str]) -> int:
    """Refine; see ``halfmap refine --help``."""
    # Before numpy is loaded: its BLAS reads them once. Threads are halfmap's own (--j).
    for variable in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(variable, "1")
    from halfmap.config.command_line import parse
    from halfmap.io.optimisation_set import files_of_set

    request = parse(argv, files_of_set)
    from halfmap.engine.program import run_refinement

    return run_refinement(request)
