"""A refinement from the first to the last line: what ``halfmap refine`` runs on every rank."""

import os
import sys
import traceback
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from functools import partial
from typing import NoReturn

from mpi4py import MPI

from halfmap.config.command_line import Request
from halfmap.engine.keeping.signals import stopping_on_signals
from halfmap.engine.pipeline_control import mark
from halfmap.engine.surviving.pulse import Pulse
from halfmap.engine.surviving.survival import Ending, Situation, lost_text, survive
from halfmap.engine.telling.console import Console
from halfmap.errors import CollectiveError, HalfmapError
from halfmap.parallel.collectives import out_of_memory
from halfmap.parallel.faults import Circle
from halfmap.parallel.halves import LEADER
from halfmap.parallel.launcher import reports_losses


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
    with stopping_on_signals():
        if reports_losses(os.environ):
            ending = survive(partial(_attempt, request), partial(_watched, request), world)
            _leave(request, ending)
        return _run_or_end_all(request, world)


def _leave(request: Request, ending: Ending) -> NoReturn:
    """End this process without MPI's leave.

    After a loss, which may come at the last moment, finalising would wait for ever.
    """
    if ending.leads:
        mark(request.options.pipeline_control, ending.exit_code)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(ending.exit_code)


def _watched(request: Request, world: MPI.Intracomm, number: int) -> Pulse:
    """Let the ranks be watched. Collective."""
    options = request.options
    then = "the others go on" if reports_losses(os.environ) else "go on with --resume"
    limit_s = options.stall_seconds if world.size > 1 else 0.0
    return Pulse(world, number, limit_s, (str(options.output_root), then))


def _attempt(request: Request, situation: Situation, begin: Callable[[], None]) -> None:
    """Run, or go on without the ranks that were lost."""
    world = situation.world
    if situation.lost and world.rank == LEADER:
        text = lost_text(situation.lost, world.size)
        Console(request.options.verbosity).warning(text)
    if situation.lost and situation.begun:
        request = replace(request, notices=())  # they have been said
        options = request.options.model_copy(update={"resume": True})
        request = replace(request, options=options)
    _begin_or_resume(request, world, begin)


def _begin_or_resume(request: Request, world: MPI.Intracomm, begin: Callable[[], None]) -> None:
    # Loaded here: the ranks are watched already, and may stall where a disc does not answer.
    from halfmap.engine.attempt import begin_or_resume

    begin_or_resume(request, world, begin)


def _run_or_end_all(request: Request, world: MPI.Intracomm) -> int:
    circle, control = Circle.of_world(world), request.options.pipeline_control
    try:
        with closing(_watched(request, circle, world.rank)):
            _begin_or_resume(request, circle, lambda: None)
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


def _end_all(text: str, exit_code: int, world: MPI.Intracomm) -> int:
    """Say what only this rank knows, and end the others, who would wait for it for ever."""
    sys.stderr.write(f"{text.rstrip()}\n")
    sys.stderr.flush()
    if world.size > 1:
        world.Abort(exit_code)
    return exit_code
