"""Summing the integers of a half-set from files: checkpoints, or the parts of all ranks.

Where ranks share a disc but no fast network, or some of the sums were computed by ranks that are
gone. What is read is added piece by piece: a file is never held as a whole.
"""

from collections.abc import Iterable, Iterator
from typing import Protocol

from jaxtyping import Int64
from mpi4py import MPI
from numpy import ndarray as Array

from halfmap.model.sums import ExpectationSums


class StoredSums(Protocol):
    """Sums of some units in a file (`halfmap.io.parts.Part`)."""

    @property
    def noise(self) -> Int64[Array, "optics shell"]:
        """Residual power."""

    @property
    def directions(self) -> Int64[Array, "class direction"]:
        """Posterior weight of each direction."""

    def pieces(self, class_index: int) -> Iterator[tuple[slice, Int64[Array, "voxel 3"]]]:
        """Yield the voxels of a class and where they belong."""


def add_stored(sums: ExpectationSums, stored: Iterable[StoredSums], comm: MPI.Intracomm) -> None:
    """Add stored sums to those of this rank, in place.

    Each rank adds the classes whose maps it makes, and rank 0 noise and directions: where
    `halfmap.parallel.reduce_network.reduce_sums` leaves the totals. No messages are sent.
    """
    for part in stored:
        for k in range(comm.rank, len(sums.volume), comm.size):
            for rows, values in part.pieces(k):
                sums.volume[k, rows] += values
        if comm.rank == 0:
            sums.noise[...] += part.noise
            sums.directions[...] += part.directions
