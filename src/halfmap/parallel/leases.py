"""Handing out units on request and taking back their results.

The leader polls with a short sleep, so that it does not take a core from the workers. A
worker keeps one unit ahead of its threads, so that it does not wait for the leader. An
error on one rank reaches the leader with the worker's next message, every other worker
with the leader's next answer or, if it has left already, with the verdict at the end, and is
raised by all.
"""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Any, Protocol

from mpi4py import MPI

from halfmap.errors import HalfmapError
from halfmap.parallel.collectives import describe, failure_of, share
from halfmap.parallel.faults import LostRanksError, losses_known
from halfmap.parallel.halves import LEADER, Ranks
from halfmap.parallel.units import LeaseBook, Unit

POLL_SECONDS = 5e-4
TO_LEADER, TO_WORKER = 11, 12


@dataclass(frozen=True, slots=True)
class Finished:
    """A unit's results on their way to the leader (a few kilobytes)."""

    number: int
    result: Any


@dataclass(frozen=True, slots=True)
class Failed:
    """The reason why a rank, or the whole run (None), cannot go on: message and exit code."""

    rank: int | None
    report: tuple[str, int]


class Leaving:
    """Said by a worker that has nothing left to send."""


class StoppedError(Exception):
    """Raised in a worker that hears of a failure; the verdict says which."""


Accept = Callable[[Unit, Any], None]
Compute = Callable[[Unit], Any]


class Desk(Protocol):
    """Where a worker exchanges a result for the next unit."""

    def exchange(self, finished: Finished | None) -> Unit | None:
        """Hand in a result (or none yet) and return the next unit, None when all are out."""

    def leave(self, failure: Failed | None) -> None:
        """Say that no more will come, and raise the failure of any rank. Collective."""


class LocalDesk:
    """The desk of a rank that leads and works."""

    def __init__(self, book: LeaseBook, halves: Sequence[int], accept: Accept) -> None:
        self.book, self.halves, self.accept = book, halves, accept

    def exchange(self, finished: Finished | None) -> Unit | None:
        """See `Desk.exchange`."""
        if finished is not None:
            self.book.finish(finished.number, LEADER)
            self.accept(self.book.units[finished.number], finished.result)
        return self.book.lease(LEADER, self.halves)

    def leave(self, failure: Failed | None) -> None:
        """See `Desk.leave`."""
        if failure is not None:
            raise failure_of("expectation", None, failure.report)


class RemoteDesk:
    """The desk of a worker: messages to the leader."""

    def __init__(self, units: Sequence[Unit], world: MPI.Intracomm) -> None:
        self.units, self.world = units, world
        self._stopped = False

    def exchange(self, finished: Finished | None) -> Unit | None:
        """See `Desk.exchange`."""
        with losses_known(self.world):
            self.world.send(finished, dest=LEADER, tag=TO_LEADER)
            answer: int | Failed | None = self.world.recv(source=LEADER, tag=TO_WORKER)
        if isinstance(answer, Failed):
            self._stopped = True
            raise StoppedError
        return None if answer is None else self.units[answer]

    def leave(self, failure: Failed | None) -> None:
        """See `Desk.leave`."""
        with losses_known(self.world):
            if not self._stopped:
                self.world.send(failure or Leaving(), dest=LEADER, tag=TO_LEADER)
            _raise_verdict(None, self.world)


def _raise_verdict(failure: Failed | None, world: MPI.Intracomm) -> None:
    """Tell all ranks of the leader's ``failure``, and raise it if there is one. Collective.

    Without it a worker that left before another failed would go on alone.
    """
    verdict = share(failure, world, LEADER)
    if verdict is not None:
        raise failure_of("expectation", verdict.rank, verdict.report)


def lead(
    book: LeaseBook, ranks: Ranks, accept: Accept, idle: Callable[[], None] = lambda: None
) -> None:
    """Serve the workers until all have left. Only on the leader, beside `work` elsewhere.

    Parameters
    ----------
    book
        The units.
    ranks
        Who works for which half.
    accept
        Called with each unit and its result, in the order of arrival.
    idle
        Called when nobody asks.

    Raises
    ------
    CollectiveError
        When any rank failed; the workers raise the same.
    LostRanksError
        When any rank has died, if MPI survives that.
    """
    with losses_known(ranks.world):
        _serve(book, ranks, accept, idle)


def _serve(book: LeaseBook, ranks: Ranks, accept: Accept, idle: Callable[[], None]) -> None:
    world, failure = ranks.world, None
    present = {rank for rank, halves in enumerate(ranks.served) if halves}
    status = MPI.Status()
    while present:
        if not world.Iprobe(tag=TO_LEADER, status=status):
            idle()
            time.sleep(POLL_SECONDS)
            continue
        worker = status.Get_source()
        message = world.recv(source=worker, tag=TO_LEADER)
        if isinstance(message, Leaving | Failed):
            present.discard(worker)
            failure = failure or (message if isinstance(message, Failed) else None)
            continue
        if message is not None and failure is None:
            failure = _book_in(book, worker, message, accept)
        if failure is None:
            unit = book.lease(worker, ranks.served[worker])
            world.send(None if unit is None else unit.number, dest=worker, tag=TO_WORKER)
        else:
            present.discard(worker)
            world.send(failure, dest=worker, tag=TO_WORKER)
    _raise_verdict(failure, world)


def _book_in(book: LeaseBook, worker: int, message: Finished, accept: Accept) -> Failed | None:
    try:
        book.finish(message.number, worker)
        accept(book.units[message.number], message.result)
    except HalfmapError as error:  # told to the workers, raised by `lead`
        return Failed(None, describe(error))
    except Exception as error:
        return Failed(LEADER, describe(error))
    return None


def work(
    desk: Desk,
    compute: Compute,
    rank: int,
    n_threads: int,
    announce: Callable[[Unit], None] = lambda _: None,
) -> None:
    """Compute units, ``n_threads`` at a time, until none is left.

    Parameters
    ----------
    announce
        Called with each unit before it waits for a thread that computes it.

    Raises
    ------
    CollectiveError
        When this or any other rank failed.
    LostRanksError
        When any rank has died, if MPI survives that.
    """
    failure: Failed | None = None
    with ThreadPoolExecutor(n_threads, thread_name_prefix="unit") as pool:

        def submit(unit: Unit) -> Future[Any]:
            announce(unit)
            return pool.submit(compute, unit)

        try:
            _keep_busy(desk, submit, n_threads)
        except StoppedError:
            pool.shutdown(cancel_futures=True)
        except LostRanksError:
            pool.shutdown(cancel_futures=True)  # what has begun is computed: it can be kept
            raise
        except Exception as error:  # told to the leader below, raised by all
            pool.shutdown(cancel_futures=True)
            failure = Failed(rank, describe(error))
    desk.leave(failure)


def _keep_busy(desk: Desk, submit: Callable[[Unit], Future[Any]], n_threads: int) -> None:
    pending: dict[Future[Any], Unit] = {}

    def take(finished: Finished | None) -> bool:
        unit = desk.exchange(finished)
        if unit is not None:
            pending[submit(unit)] = unit
        return unit is not None

    while len(pending) <= n_threads and take(None):
        pass
    while pending:
        for future in wait(pending, return_when=FIRST_COMPLETED).done:
            unit = pending.pop(future)
            take(Finished(unit.number, future.result()))
