"""A refinement from the first to the last line: what ``halfmap refine`` runs on every rank."""

import sys
import time
import traceback
from collections.abc import Sequence
from contextlib import closing

from mpi4py import MPI
from threadpoolctl import threadpool_limits

from halfmap.config.options import RefineOptions
from halfmap.engine.continuation import continued_run
from halfmap.engine.job import Job
from halfmap.engine.map_masks import write_resampled
from halfmap.engine.progress import announce, finish
from halfmap.engine.refine import refine
from halfmap.engine.results import write_iteration
from halfmap.engine.single_expectation import locate_particles
from halfmap.engine.start import new_run
from halfmap.errors import CollectiveError, HalfmapError
from halfmap.io.run_names import RunNames
from halfmap.parallel.collectives import all_or_none, out_of_memory


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

    Raises
    ------
    HalfmapError
        That all ranks know of. What one rank alone knows is said here, and ends all.
    """
    world = MPI.COMM_WORLD
    try:
        with threadpool_limits(1):  # threads are over units; BLAS must not add its own
            _run(options, command, notices, world)
    except HalfmapError as error:
        if error.everywhere or world.size == 1:
            raise  # the command line says it, once
        return _end_all(f"halfmap: rank {world.rank}: {error}", error.exit_code, world)
    except MemoryError as error:
        text = f"halfmap: rank {world.rank}: {out_of_memory(error)}"
        return _end_all(text, CollectiveError.exit_code, world)
    except Exception:  # a mistake of ours: say where
        return _end_all(traceback.format_exc(), CollectiveError.exit_code, world)
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
    if options.skip_maximisation:
        locate_particles(job, state)
        return
    _write_masks(job)
    if is_new:
        write_iteration(job, state, None)
    with closing(job.priors):
        finish(job, refine(job, state), time.monotonic() - start)


def _write_masks(job: Job) -> None:
    with all_or_none(job.ranks.world, "writing the masks"):
        if job.ranks.world.rank == job.ranks.roots[0]:  # the leader need not have them
            names = RunNames(str(job.options.output_root))
            write_resampled(job.masks, names, job.pixel_size_A)


def _end_all(text: str, exit_code: int, world: MPI.Intracomm) -> int:
    """Say what only this rank knows, and end the others, who would wait for it for ever."""
    sys.stderr.write(f"{text.rstrip()}\n")
    sys.stderr.flush()
    if world.size > 1:
        world.Abort(exit_code)
    return exit_code
