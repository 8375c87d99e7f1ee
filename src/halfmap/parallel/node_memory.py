"""Arrays that the ranks of a node hold once.

A nameless file in memory, which each rank of the node maps. Unlike a window of MPI it needs nothing
of the others when a rank has died, is gone with the last process that maps it however that ends,
and is not limited by the size of ``/dev/shm`` (64 MB in many containers). Where ranks cannot open
it (another system than Linux, a container for each rank), every rank holds a copy of its own.
"""

import contextlib
import mmap
import os
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

import numpy as np
from mpi4py import MPI
from numpy import ndarray as Array
from numpy.typing import DTypeLike

from halfmap.parallel.collectives import broadcast, share, wait_for_all


class NodeArrays:
    """Arrays of one node; a context, because their memory is given back by all together.

    Every rank of ``node`` asks for the same arrays in the same order. A rank alone gets
    ordinary memory. With a ``folder`` the arrays are nameless files there: the system keeps of
    them in memory what it has room for.
    """

    def __init__(
        self, node: MPI.Intracomm, folder: Path | None = None, *, can_vacate: bool = False
    ) -> None:
        self.node, self._folder = node, folder
        self._may_be_private = node.size == 1 and folder is None and not can_vacate
        self._maps: list[mmap.mmap] = []
        self._shared: set[int] = set()
        """Addresses of the arrays that all ranks see."""

    def __enter__(self) -> "NodeArrays":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is None:  # after an error the others may never come
            self.vacate()

    def vacate(self) -> None:
        """Give back the memory, also of arrays that are still known by name: zeros. Collective.

        That of a rank alone is given back only if this was announced (``can_vacate``).
        """
        if not self._maps:
            return
        self.node.Barrier()
        if self.node.rank == 0:
            for shared in self._maps:
                shared.madvise(mmap.MADV_REMOVE)
        self.node.Barrier()

    def empty(self, shape: Sequence[int], dtype: DTypeLike) -> tuple[Array, slice]:
        """Return an uninitialised array, and the part of its rows that this rank is to fill.

        Collective. When the rows are filled, wait for the others: ``node.Barrier()``.
        """
        n_bytes = int(np.prod(shape, dtype=np.int64)) * np.dtype(dtype).itemsize
        shared = None if self._may_be_private else self._mapped(n_bytes)
        if shared is None:
            return np.empty(shape, dtype), slice(0, shape[0])
        rank, size = self.node.rank, self.node.size
        rows = slice(shape[0] * rank // size, shape[0] * (rank + 1) // size)
        array = np.frombuffer(shared, dtype, n_bytes // np.dtype(dtype).itemsize).reshape(shape)
        self._shared.add(array.ctypes.data)
        return array, rows

    def zeros(self, shape: Sequence[int], dtype: DTypeLike) -> Array:
        """Return an array of zeros, if possible the same on all ranks. Collective."""
        array, _ = self.empty(shape, dtype)
        return array if self.shares(array) else np.zeros(shape, dtype)

    def shares(self, array: Array) -> bool:
        """Whether an array of ours is a file, which all ranks see."""
        return array.ctypes.data in self._shared

    def lock_file(self) -> int | None:
        """Return a descriptor of one file on all ranks, to be locked; None if alone. Collective."""
        own = _nameless_file(1, None) if self.node.rank == 0 else None
        place = share(None if own is None else (os.getpid(), own, _identity(own)), self.node)
        seen = own if self.node.rank == 0 else _opened(place)
        self.node.Barrier()
        return seen

    def share(
        self, array: Array | None, shape: Sequence[int], dtype: DTypeLike, root: int = 0
    ) -> Array:
        """Return the ``array`` of one rank of the node on every other. Collective."""
        if self.node.size == 1 and array is not None:
            return array
        copy, _ = self.empty(shape, dtype)
        if self.node.rank == root:
            assert array is not None
            copy[...] = array
        self.complete(copy, root)
        return copy

    def complete(self, array: Array, root: int) -> None:
        """Wait until an array of `empty` that one rank has filled is there on all. Collective."""
        wait_for_all(self.node)
        if not self.shares(array):  # each rank has its own
            broadcast(array, self.node, root)

    def _mapped(self, n_bytes: int) -> mmap.mmap | None:
        """Return memory that all ranks of the node see; None if any cannot. Collective."""
        file = open_on_node(self.node, max(1, n_bytes), self._folder)
        if file is None:
            return None
        shared = mmap.mmap(file, max(1, n_bytes))
        os.close(file)  # the map keeps it
        self._maps.append(shared)
        return shared


def open_on_node(node: MPI.Intracomm, n_bytes: int, folder: Path | None = None) -> int | None:
    """Open a new nameless file on all ranks of a node; None if any cannot. Collective.

    Parameters
    ----------
    folder
        On the disc that takes it; memory does if there is none.
    """
    own = _nameless_file(n_bytes, folder) if node.rank == 0 else None
    place = share(None if own is None else (os.getpid(), own, _identity(own)), node)
    seen = own if node.rank == 0 else _opened(place)
    all_have_it = node.allreduce(seen is not None, op=MPI.LAND)
    if seen is not None and not all_have_it:
        os.close(seen)
    return seen if all_have_it else None


Identity = tuple[int, int]
"""Device and number of a file: process numbers mean something else in another container."""


def _nameless_file(size: int, folder: Path | None) -> int | None:
    try:
        if folder is None:
            file = os.memfd_create("halfmap")
            os.ftruncate(file, size)
        else:
            file = os.open(folder, os.O_TMPFILE | os.O_RDWR, 0o600)
            os.posix_fallocate(file, 0, size)  # a full disc is seen here, not when it is written
    except (AttributeError, OSError):  # not Linux, or not allowed
        return None
    return file


def _opened(place: tuple[int, int, Identity] | None) -> int | None:
    """Open the file of another process; None if that is not possible."""
    if place is None:
        return None
    process, number, identity = place
    with contextlib.suppress(OSError):
        file = os.open(f"/proc/{process}/fd/{number}", os.O_RDWR)
        if _identity(file) == identity:
            return file
        os.close(file)
    return None


def _identity(file: int) -> Identity:
    status = os.fstat(file)
    return status.st_dev, status.st_ino
