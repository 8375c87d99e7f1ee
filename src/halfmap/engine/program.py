"""A refinement from the first to the last line: what ``halfmap refine`` runs on every rank."""

import shlex
import sys
import time
import traceback
from contextlib import closing

from mpi4py import MPI
from threadpoolctl import threadpool_limits

from halfmap.config.command_line import Request
from halfmap.engine.console import Console
from halfmap.engine.continuation import continued_run
from halfmap.engine.job import Job
from halfmap.engine.map_masks import write_resampled
from halfmap.engine.pipeline_control import mark
from halfmap.engine.plan import dry_run
from halfmap.engine.progress import announce, finish
from halfmap.engine.refine import refine
from halfmap.engine.results import write_iteration
from halfmap.engine.resumption import mark_finished, taken_up, unmark
from halfmap.engine.signals import stopping_on_signals
from halfmap.engine.single_expectation import locate_particles
from halfmap.engine.start import new_run
from halfmap.errors import CollectiveError, HalfmapError
from halfmap.io.run_names import RunNames
from halfmap.parallel.collectives import all_or_none, from_root, out_of_memory
from halfmap.parallel.halves import LEADER


def run_refinement(request: Request) -> int:
    """Run a new or a continued refinement and return the exit code. Collective.

    Parameters
    ----------
    request
        What the command line asks for.

    Raises
    ------
    HalfmapError
        That all ranks know of. What one rank alone knows is said here, and ends all.
    """
    world = MPI.COMM_WORLD
    control = request.options.pipeline_control
    try:
        # Threads are over units; BLAS must not add its own.
        with stopping_on_signals(), threadpool_limits(1):
            _begin_or_resume(request, world)
    except HalfmapError as error:
        if error.everywhere or world.size == 1:
            raise  # the command line says it, once
        mark(control, error.exit_code)
        return _end_all(f"halfmap: rank {world.rank}: {error}", error.exit_code, world)
    except MemoryError as error:
        text = f"halfmap: rank {world.rank}: {out_of_memory(error)}"
        mark(control, CollectiveError.exit_code)
        return _end_all(text, CollectiveError.exit_code, world)
    except Exception:  # a mistake of ours: say where
        mark(control, CollectiveError.exit_code)
        return _end_all(traceback.format_exc(), CollectiveError.exit_code, world)
    return 0


def _begin_or_resume(request: Request, world: MPI.Intracomm) -> None:
    """Run what was asked for or, with ``--resume``, what is left of it."""
    options = request.options
    if not options.resume:
        _run(request, world)
        return
    left = from_root(lambda: taken_up(request), world, LEADER)
    if left is not None:
        _run(left, world)
    elif world.rank == LEADER:
        Console(options.verbosity).notice(
            f"the run {options.output_root} has finished: nothing is left to do (--resume)"
        )


def _run(request: Request, world: MPI.Intracomm) -> None:
    start, options = time.monotonic(), request.options
    command = shlex.join(["halfmap", "refine", *request.words])
    if options.dry_run:
        dry_run(options, command, request.notices, world)
        return
    is_new = options.continue_from is None
    job, state = (new_run if is_new else continued_run)(options, command, world)
    unmark(job)
    for notice in request.notices:
        job.console.notice(notice)
    announce(job, state)
    if options.skip_maximisation:
        with job.staging:
            locate_particles(job, state)
    else:
        _write_masks(job)
        if is_new:
            write_iteration(job, state, None)
        with closing(job.priors), job.staging:
            state = refine(job, state)
        finish(job, state, time.monotonic() - start)
    mark_finished(job, state)


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
