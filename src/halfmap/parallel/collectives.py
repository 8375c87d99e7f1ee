"""Moving arrays and decisions between ranks. No science."""

import socket
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import numpy as np
from mpi4py import MPI
from numpy import ndarray as Array

from halfmap.errors import CollectiveError, HalfmapError

SHORTEST_PAUSE, POLL_SECONDS = 1e-4, 0.02
CHUNK_BYTES = 16 * 2**20
"""Messages are cut: smaller pieces pipeline better, and counts stay far below 2^31."""

MESSAGE_BYTES = 60 * 2**10
"""Between two ranks: what is sent at once, without waiting for the other, who may have died."""

T = TypeVar("T")


def broadcast(array: Array, comm: MPI.Intracomm, root: int = 0) -> None:
    """Overwrite ``array`` on every rank by the root's. Collective; in place, in chunks."""
    flat = array.reshape(-1, copy=False).view(np.uint8)
    for start in range(0, flat.size, CHUNK_BYTES):
        comm.Bcast(flat[start : start + CHUNK_BYTES], root=root)


def hand_over(array: Array, comm: MPI.Intracomm, source: int, target: int) -> None:
    """Overwrite the target's ``array`` by the source's; the others do nothing. In chunks."""
    if source == target or comm.rank not in (source, target):
        return
    flat = array.reshape(-1, copy=False).view(np.uint8)
    for start in range(0, flat.size, MESSAGE_BYTES):
        chunk = flat[start : start + MESSAGE_BYTES]
        if comm.rank == source:
            comm.Send(chunk, dest=target)
        else:
            comm.Recv(chunk, source=source)


def share(value: T | None, comm: MPI.Intracomm, root: int = 0) -> T:
    """Return the root's ``value`` (small: it is pickled) on every rank. Collective."""
    shared: T = comm.bcast(value, root=root)
    return shared


def from_root(make: Callable[[], T], comm: MPI.Intracomm, root: int = 0) -> T:
    """Run ``make`` on the root and return its result, or raise its error, on every rank.

    Collective. What the root finds wrong in a file is thereby one error of all ranks.
    """
    result: T | None = None
    error: HalfmapError | None = None
    if comm.rank == root:
        try:
            result = make()
        except HalfmapError as caught:
            error = caught
    failure, value = share((error, result), comm, root)
    if failure is not None:
        failure.everywhere = True
        raise failure
    return value  # type: ignore[return-value]  # T itself may be None


@contextmanager
def all_or_none(comm: MPI.Intracomm, what: str, *, asleep: bool = False) -> Iterator[None]:
    """Turn a failure of local work on any rank into a failure on every rank.

    Collective. Without it the ranks that succeeded would wait for ever, in the next
    collective, for the one that did not. The block itself must not communicate.

    Parameters
    ----------
    what
        What the block does, for the message.
    asleep
        Whether those that are ready leave their cores to programs that others wait for.

    Raises
    ------
    CollectiveError
        On all ranks, naming the first that failed; its exit code is that rank's.
    """
    error: Exception | None = None
    try:
        yield
    except Exception as caught:  # reported below, on all ranks
        error = caught
    report = None if error is None else describe(error)
    if asleep:
        wait_for_all(comm)
    failed = {rank: r for rank, r in enumerate(comm.allgather(report)) if r}
    if failed:
        rank, report = next(iter(failed.items()))
        raise failure_of(what, rank if comm.size > 1 else None, report) from error


def wait_for_all(comm: MPI.Intracomm) -> None:
    """Wait until all ranks are here, and leave the cores to those that are not. Collective.

    For where one rank may work for long while others wait: a barrier of MPI would keep them busy.
    """
    arrived, pause = comm.Ibarrier(), SHORTEST_PAUSE
    while not arrived.Test():
        time.sleep(pause)
        pause = min(2.0 * pause, POLL_SECONDS)


def describe(error: Exception) -> tuple[str, int]:
    """Return what to tell the other ranks of an error: its message and exit code.

    A mistake of ours is shown where it happened: the message alone would not do.
    """
    if isinstance(error, HalfmapError):
        return str(error), error.exit_code
    if isinstance(error, MemoryError):
        return out_of_memory(error), CollectiveError.exit_code
    traceback.print_exception(error)
    return f"{type(error).__name__}: {error}", CollectiveError.exit_code


def out_of_memory(error: MemoryError) -> str:
    """Say where memory was wanted, and how to want less of it."""
    return (
        f"no memory is left on {socket.gethostname()}: {error}. Start fewer ranks on each node, "
        "with more threads each (--j), or use nodes with more memory"
    )


def failure_of(what: str, rank: int | None, report: tuple[str, int]) -> CollectiveError:
    """Return the error that all ranks raise because one of them failed.

    ``rank`` is None where it says nothing: there is only one, or all would find the same.
    """
    message, exit_code = report
    failure = CollectiveError(
        message if rank is None else f"{what} failed on rank {rank}: {message}"
    )
    failure.exit_code = exit_code
    return failure
