"""A refinement from the first to the last line: what ``halfmap refine`` runs on every rank."""

import sys
import time
import traceback
from collections.abc import Sequence

from mpi4py import MPI
from threadpoolctl import threadpool_limits

from halfmap.config.options import RefineOptions
from halfmap.engine.continuation import continued_run
from halfmap.engine.refine import refine
from halfmap.engine.results import announce, finish, write_iteration
from halfmap.engine.start import new_run
from halfmap.errors import CollectiveError, HalfmapError


def run_refinement(options: RefineOptions, command: str, notices: Sequence[str]) -> int:
    """Run a new or a continued refinement and return the exit code. Collective.

    Parameters
    ----------
    options
        As resolved from the command line.
    command
        The command line as it was typed.
    notices
        Lines to be said before the run starts.
    """
    world = MPI.COMM_WORLD
    try:
        with threadpool_limits(1):  # threads are over units; BLAS must not add its own
            _run(options, command, notices, world)
    except HalfmapError as error:
        return _give_up(error, world)
    except Exception:  # a mistake of ours: say where, and do not leave the other ranks waiting
        traceback.print_exc()
        if world.size > 1:
            world.Abort(CollectiveError.exit_code)
        return CollectiveError.exit_code
    return 0


def _run(
    options: RefineOptions, command: str, notices: Sequence[str], world: MPI.Intracomm
) -> None:
    start = time.monotonic()
    is_new = options.continue_from is None
    job, state = (new_run if is_new else continued_run)(options, command, world)
    for notice in notices:
        job.console.notice(notice)
    announce(job, state)
    if is_new:
        write_iteration(job, state, {})
    finish(job, refine(job, state), time.monotonic() - start)


def _give_up(error: HalfmapError, world: MPI.Intracomm) -> int:
    """Say once what is wrong; end the other ranks too if they do not know."""
    if not error.everywhere or world.rank == 0:
        print(f"halfmap: {error}", file=sys.stderr, flush=True)  # noqa: T201
    if not error.everywhere and world.size > 1:
        world.Abort(error.exit_code)
    return error.exit_code
