"""``halfmap refine``: parse, hand over, exit code."""

import os
from collections.abc import Sequence

from halfmap.cli.main import launcher_rank, launcher_rank_on_node
from halfmap.engine.surviving.birth import Birth, load_mpi, mpi_is_loaded, watched_birth
from halfmap.parallel.launcher import reports_losses


def run(argv: list[str]) -> int:
    """Refine; see ``halfmap refine --help``."""
    # Before numpy is loaded: its BLAS reads them once. Threads are halfmap's own (--j).
    for variable in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(variable, "1")
    numbers = launcher_rank(os.environ), launcher_rank_on_node(os.environ)
    # Others than Open MPI's launcher with fault tolerance end all ranks when one has died.
    waits_for_all = reports_losses(os.environ) and not mpi_is_loaded()
    with watched_birth(numbers if waits_for_all else None) as birth:
        return _refine(argv, birth)


def _refine(argv: list[str], birth: Birth) -> int:
    from halfmap.config.command_line import parse
    from halfmap.engine.pipeline_control import Followed, followed
    from halfmap.io.optimisation_set import files_of_set

    # Who follows the job is to hear of options that cannot be understood, too.
    job = Followed(_word_after("--pipeline_control", argv))
    with followed(job, speaks=launcher_rank(os.environ) == 0):
        request = parse(argv, files_of_set)
        job.folder = request.options.pipeline_control
        birth.within(request.options.stall_seconds)
        load_mpi()
        birth.is_up()
        from halfmap.engine.program import run_refinement

        job.exit_code = run_refinement(request)
    return job.exit_code


def _word_after(option: str, argv: Sequence[str]) -> str:
    places = [i for i, word in enumerate(argv[:-1]) if word == option]
    return argv[places[-1] + 1] if places else ""
