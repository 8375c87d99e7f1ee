"""One at a time on each node."""

import fcntl
import os
import tempfile
import threading
from types import TracebackType

from mpi4py import MPI

from halfmap.parallel.collectives import share
from halfmap.parallel.faults import node_of


class NodeTurn:
    """A context that one thread of one rank of a node is in at a time.

    Made by all ranks of ``world`` together. The turn of a rank that dies goes to the next. Where
    ranks of a node cannot open the same file (a container for each), each takes turns with its own
    threads only.
    """

    def __init__(self, world: MPI.Intracomm) -> None:
        self._among_threads = threading.Lock()
        node = node_of(world)
        name = None
        if node.rank == 0:
            self._file, name = tempfile.mkstemp(prefix="halfmap-turn-")
        path = share(name, node)
        if node.rank > 0:
            self._file = _opened(path)
        node.Barrier()
        if node.rank == 0:
            os.unlink(path)  # noqa: PTH108  # all have it open, and nothing is left behind
        node.Free()

    def __enter__(self) -> None:
        self._among_threads.acquire()
        fcntl.flock(self._file, fcntl.LOCK_EX)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        fcntl.flock(self._file, fcntl.LOCK_UN)
        self._among_threads.release()


def _opened(path: str) -> int:
    try:
        return os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        with tempfile.TemporaryFile() as own:
            return os.dup(own.fileno())
