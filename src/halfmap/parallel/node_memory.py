"""Arrays that the ranks of a node hold once, in a shared-memory window."""

from collections.abc import Sequence
from types import TracebackType

import numpy as np
from mpi4py import MPI
from numpy import ndarray as Array
from numpy.typing import DTypeLike


class NodeArrays:
    """Shared arrays of one node; a context, because MPI windows must be freed by all together.

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

    def empty(self, shape: Sequence[int], dtype: DTypeLike) -> Array:
        """Return an uninitialised array that all ranks of the node see. Collective."""
        if self.node.size == 1:
            return np.empty(shape, dtype)
        n_bytes = int(np.prod(shape, dtype=np.int64)) * np.dtype(dtype).itemsize
        mine = n_bytes if self.node.rank == 0 else 0
        window = MPI.Win.Allocate_shared(mine, 1, comm=self.node)
        self._windows.append(window)
        memory, _ = window.Shared_query(0)
        return np.asarray(memory).view(dtype).reshape(shape)

    def share(self, array: Array | None, shape: Sequence[int], dtype: DTypeLike) -> Array:
        """Return a shared copy of node rank 0's ``array``. Collective."""
        if self.node.size == 1 and array is not None:
            return array
        copy = self.empty(shape, dtype)
        if self.node.rank == 0:
            assert array is not None
            copy[...] = array
        self.node.Barrier()
        return copy

    def my_block(self, n_items: int) -> slice:
        """Return this rank's share of work on ``n_items`` that the node does together."""
        rank, size = self.node.rank, self.node.size
        return slice(n_items * rank // size, n_items * (rank + 1) // size)
