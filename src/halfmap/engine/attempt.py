"""One attempt at a run, from where its files end to the marker that says that it is over."""

import shlex
import time
from collections.abc import Callable
from contextlib import closing

from mpi4py import MPI
from threadpoolctl import threadpool_limits

from halfmap.config.command_line import Request
from halfmap.engine.job import Job
from halfmap.engine.plan import dry_run
from halfmap.engine.refine import refine
from halfmap.engine.results import write_iteration
from halfmap.engine.single_expectation import locate_particles
from halfmap.engine.starting.continuation import continued_run
from halfmap.engine.starting.map_masks import write_resampled
from halfmap.engine.starting.resumption import mark_finished, taken_up, unmark
from halfmap.engine.starting.start import new_run
from halfmap.engine.telling.console import Console
from halfmap.engine.telling.progress import announce, finish
from halfmap.io.run_names import RunNames
from halfmap.parallel.collectives import all_or_none, from_root
from halfmap.parallel.halves import LEADER


def begin_or_resume(request: Request, world: MPI.Intracomm, begin: Callable[[], None]) -> None:
    """Run what was asked for or, with ``--resume``, what is left of it. Collective.

    Parameters
    ----------
    begin
        Called when the files under the root of the run are its own.

    Raises
    ------
    HalfmapError
        That all ranks know of, or one alone.
    """
    with threadpool_limits(1):  # threads are over units; BLAS must not add its own
        _begin_or_resume(request, world, begin)


def _begin_or_resume(request: Request, world: MPI.Intracomm, begin: Callable[[], None]) -> None:
    options = request.options
    if not options.resume:
        _run(request, world, begin)
        return
    left = from_root(lambda: taken_up(request), world, LEADER)
    if left is not None:
        _run(left, world, begin)
    elif world.rank == LEADER:
        Console(options.verbosity).notice(
            f"the run {options.output_root} has finished: nothing is left to do"
        )


def _run(request: Request, world: MPI.Intracomm, begin: Callable[[], None]) -> None:
    start, options = time.monotonic(), request.options
    command = shlex.join(["halfmap", "refine", *request.words])
    if options.dry_run:
        dry_run(options, command, request.notices, world)
        return
    is_new = options.continue_from is None
    job, state = (new_run if is_new else continued_run)(options, command, world)
    begin()
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
