"""``halfmap refine``: parse, hand over, exit code."""

import faulthandler
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from halfmap.cli.main import launcher_rank


def run(argv: list[str]) -> int:
    """Refine; see ``halfmap refine --help``."""
    # Before numpy is loaded: its BLAS reads them once. Threads are halfmap's own (--j).
    for variable in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(variable, "1")
    from halfmap.config.command_line import parse
    from halfmap.engine.pipeline_control import Followed, followed
    from halfmap.io.optimisation_set import files_of_set

    # Who follows the job is to hear of options that cannot be understood, too.
    job = Followed(_word_after("--pipeline_control", argv))
    with followed(job, speaks=launcher_rank(os.environ) == 0):
        request = parse(argv, files_of_set)
        job.folder = request.options.pipeline_control
        with _starting_within(request.options.stall_seconds):
            from halfmap.engine.program import run_refinement  # which starts MPI

        job.exit_code = run_refinement(request)
    return job.exit_code


@contextmanager
def _starting_within(limit_s: float) -> Iterator[None]:
    """End this process if MPI does not start in time.

    Where it survives the loss of ranks, it waits for ever for one that died before it was up.
    """
    from halfmap.parallel.launcher import reports_losses

    if limit_s > 0.0 and reports_losses(os.environ):
        faulthandler.dump_traceback_later(limit_s, exit=True)
    try:
        yield
    finally:
        faulthandler.cancel_dump_traceback_later()


def _word_after(option: str, argv: Sequence[str]) -> str:
    places = [i for i, word in enumerate(argv[:-1]) if word == option]
    return argv[places[-1] + 1] if places else ""
