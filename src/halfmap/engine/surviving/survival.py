"""A run outlives its ranks: those that are left begin again where its files and parts end.

A layer around a whole run, which knows nothing of it: where MPI reports the loss of ranks (see
`halfmap.parallel.faults`), every survivor leaves what it was doing by an exception, all agree on
what has become of the run, shrink the world, and attempt the run again.
"""

import gc
import socket
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass

from mpi4py import MPI

from halfmap.engine.surviving.pulse import Pulse
from halfmap.errors import CollectiveError, HalfmapError
from halfmap.parallel.collectives import out_of_memory
from halfmap.parallel.faults import (
    ALL_WELL,
    UNDISTURBED,
    Circle,
    LostRanksError,
    agreed,
    losses_known,
    revoke,
    survivors,
)
from halfmap.parallel.halves import LEADER

EXIT_CODE = 0xFF
"""Bits of a verdict that hold it."""


@dataclass(frozen=True, slots=True)
class Presence:
    """A rank that answers a roll call."""

    number: int
    """In the world that the run began with."""
    host: str
    """Empty before it has told."""
    begun: bool
    """Whether it knows that the run has begun: that files under its root are the run's own."""


@dataclass(frozen=True, slots=True)
class Situation:
    """What an attempt at a run finds."""

    world: MPI.Intracomm
    lost: tuple[Presence, ...]
    """Since the attempt before."""
    begun: bool
    """Whether any rank that is left knows that the run has begun."""


Attempt = Callable[[Situation, Callable[[], None]], None]
"""Runs from where the files end, and calls its second argument when the run has begun."""
Watch = Callable[[MPI.Intracomm, int], Pulse]
"""Lets the ranks of a world be watched; the number is that of this rank when the run began."""


@dataclass(frozen=True, slots=True)
class Ending:
    """How a run has ended, the same on all ranks that live."""

    exit_code: int
    leads: bool
    """Whether this rank is the one that says so."""


def survive(attempt: Attempt, watch: Watch, world: MPI.Intracomm) -> Ending:
    """Attempt a run until it has ended with all its ranks that live. Collective."""
    circle, run = Circle.of_world(world), _Run(attempt, watch, world)
    while True:
        verdict = agreed(circle, run.verdict(circle))
        if verdict is not None:
            code = 0 if verdict & ALL_WELL else verdict & EXIT_CODE or CollectiveError.exit_code
            if code or verdict & UNDISTURBED:
                run.stop_watch()
                return Ending(code, circle.rank == LEADER)
        circle = survivors(circle)
        gc.collect()  # what the attempt held


class _Run:
    """The attempts at a run, on one rank."""

    def __init__(self, attempt: Attempt, watch: Watch, world: MPI.Intracomm) -> None:
        self.attempt, self.watch, self.number = attempt, watch, world.rank
        self.pulse: Pulse | None = None
        self.begun = False
        self.roll = tuple(Presence(number, "", begun=False) for number in range(world.size))

    def verdict(self, circle: Circle) -> int:
        """Attempt the run, and return what became of it on this rank."""
        try:
            with losses_known(circle):
                self.attempt(self._situation(circle), self._begin)
        except LostRanksError:
            return ALL_WELL | EXIT_CODE
        except HalfmapError as error:
            if error.everywhere:
                _say(f"halfmap: {error}" if circle.rank == LEADER else "")
                return UNDISTURBED | error.exit_code
            code, text = error.exit_code, f"halfmap: rank {self.number}: {error}"
        except MemoryError as error:
            code = CollectiveError.exit_code
            text = f"halfmap: rank {self.number}: {out_of_memory(error)}"
        except Exception:  # a mistake of ours: say where
            code, text = CollectiveError.exit_code, traceback.format_exc()
        else:
            return UNDISTURBED | ALL_WELL | EXIT_CODE
        _say(text)
        revoke(circle)  # the others would wait for this rank
        return UNDISTURBED | code

    def stop_watch(self) -> None:
        """Be watched no more."""
        if self.pulse is not None:
            self.pulse.close()
            self.pulse = None

    def _begin(self) -> None:
        self.begun = True

    def _situation(self, circle: Circle) -> Situation:
        """Call the roll, and have the present watched. Collective."""
        here = Presence(self.number, socket.gethostname(), self.begun)
        before, roll = self.roll, tuple(circle.allgather(here))
        self.roll = roll
        present = {presence.number for presence in roll}
        lost = tuple(presence for presence in before if presence.number not in present)
        pulse = self.watch(circle, self.number)
        self.stop_watch()  # not before: who stops in between is missed by nobody
        self.pulse = pulse
        return Situation(circle, lost, any(presence.begun for presence in roll))


def lost_text(lost: tuple[Presence, ...], n_left: int) -> str:
    """Say who was lost.

    >>> lost_text((Presence(2, "n1", True),), 3)
    'rank 2 on n1 was lost: the other 3 go on'
    """
    on_hosts = ((f"{rank.number}", f" on {rank.host}" if rank.host else "") for rank in lost)
    names = ", ".join(map("".join, on_hosts))
    many = len(lost) > 1
    left = f"the other {n_left} go on" if n_left > 1 else "the one that is left goes on"
    return f"rank{'s' if many else ''} {names} {'were' if many else 'was'} lost: {left}"


def _say(text: str) -> None:
    if text:
        sys.stderr.write(f"{text.rstrip()}\n")
        sys.stderr.flush()
