"""Arrays that the ranks of a node hold once, in a shared-memory window.

Where the node's shared memory is too small (containers often have 64 MB), every rank holds a
copy of its own: slower to fill, but a window that does not fit kills the process that touches it.
"""

import shutil
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

import numpy as np
from mpi4py import MPI
from numpy import ndarray as Array
from numpy.typing import DTypeLike

from halfmap.parallel.collectives import broadcast, share

SHARED_MEMORY = Path("/dev/shm")
MARGIN = 0.9
"""Part of the free shared memory that one array may take."""


class NodeArrays:
    """Arrays of one node; a context, because MPI windows must be freed by all together.

    Every rank of ``node`` asks for the same arrays in the same order. A rank alone gets
    ordinary memory.
    """

    def __init__(self, node: MPI.Intracomm) -> None:
        self.node = node
        self._windows: list[MPI.Win] = []

    def __enter__(self) -> "NodeArrays":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is None:  # after an error the others may never come to free with us
            for window in self._windows:
                window.Free()

    def empty(self, shape: Sequence[int], dtype: DTypeLike) -> tuple[Array, slice]:
        """Return an uninitialised array, and the part of its rows that this rank is to fill.

        Collective. When the rows are filled, wait for the others: ``node.Barrier()``.
        """
        n_bytes = int(np.prod(shape, dtype=np.int64)) * np.dtype(dtype).itemsize
        if self.node.size == 1 or not self._has_room(n_bytes):
            return np.empty(shape, dtype), slice(0, shape[0])
        rank, size = self.node.rank, self.node.size
        rows = slice(shape[0] * rank // size, shape[0] * (rank + 1) // size)
        return self._window(shape, dtype, n_bytes), rows

    def share(
        self, array: Array | None, shape: Sequence[int], dtype: DTypeLike, root: int = 0
    ) -> Array:
        """Return the ``array`` of one rank of the node on every other. Collective."""
        if self.node.size == 1 and array is not None:
            return array
        n_windows = len(self._windows)
        copy, _ = self.empty(shape, dtype)
        if self.node.rank == root:
            assert array is not None
            copy[...] = array
        if len(self._windows) == n_windows:  # not one array: each rank has its own
            broadcast(copy, self.node, root)
        self.node.Barrier()
        return copy

    def _has_room(self, n_bytes: int) -> bool:
        room: bool | None = None
        if self.node.rank == 0:
            known = SHARED_MEMORY.is_dir()
            room = not known or n_bytes < MARGIN * shutil.disk_usage(SHARED_MEMORY).free
        return share(room, self.node)

    def _window(self, shape: Sequence[int], dtype: DTypeLike, n_bytes: int) -> Array:
        mine = n_bytes if self.node.rank == 0 else 0
        window = MPI.Win.Allocate_shared(mine, 1, comm=self.node)
        self._windows.append(window)
        memory, _ = window.Shared_query(0)
        return np.asarray(memory).view(dtype).reshape(shape)
