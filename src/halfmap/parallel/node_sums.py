"""A copy of the sums of a half-set, which some ranks of a node add to.

Where memory is short the ranks of a node share copies. They add slab by slab under locks of the
system, which are let go of when their holder dies; what a dead rank had begun to add stays marked,
and such a copy is never used again. Integers: who adds first does not matter.
"""

import fcntl
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np
from jaxtyping import Int64
from mpi4py import MPI
from numpy import ndarray as Array

from halfmap.model.sums import ExpectationSums
from halfmap.parallel.collectives import share
from halfmap.parallel.node_memory import NodeArrays

GATE, FIRST_SLAB = 0, 1
"""Bytes of the lock file: who adds shares the first, who needs whole units has it alone."""


class SpoiltError(Exception):
    """A unit was added in part: its rank died, or it did not fit."""


class NodeVolumes(NamedTuple):
    """The volumes of all copies of the sums of a half on a node."""

    of_copies: tuple[Int64[Array, "class voxel 3"], ...]
    own: Int64[Array, "class voxel 3"]
    """That to which this rank adds."""


def volumes_of_node(
    shape: tuple[int, ...], n_copies: int, memory: NodeArrays
) -> NodeVolumes | None:
    """Make volumes of zeros that all ranks of a half on a node see. Collective.

    Parameters
    ----------
    n_copies
        How many; ranks are dealt to them in blocks (`copy_of`).
    memory
        Of these ranks.

    Returns
    -------
    volumes
        None where ranks do not see each other's memory.
    """
    made = tuple(memory.zeros(shape, np.int64) for _ in range(n_copies))
    node = memory.node
    if node.size > 1 and not all(memory.shares(volume) for volume in made):
        return None
    return NodeVolumes(made, made[copy_of(node.rank, node.size, n_copies)])


def copy_of(rank: int, n_ranks: int, n_copies: int) -> int:
    """Return to which copy a rank of a node adds.

    >>> [copy_of(rank, 5, 2) for rank in range(5)]
    [0, 0, 0, 1, 1]
    """
    return rank * n_copies // n_ranks


class SharedSums:
    """Sums, which units they hold, and the locks. Made, and let go of, by all ranks together."""

    def __init__(
        self,
        shapes: Sequence[tuple[int, ...]],
        n_units: int,
        memory: NodeArrays,
        rank: int,
        volumes: NodeVolumes | None = None,
    ) -> None:
        """Make a copy of zeros. Collective over ``memory.node``.

        Parameters
        ----------
        shapes
            Of the arrays of `ExpectationSums`.
        n_units
            Of the iteration.
        memory
            Of the ranks that share the copy.
        rank
            This one's, in the half's team.
        volumes
            If made before (`volumes_of_node`).
        """
        node = memory.node
        volume = memory.zeros(shapes[0], np.int64) if volumes is None else volumes.own
        small = (memory.zeros(shape, np.int64) for shape in shapes[1:])
        self.sums = ExpectationSums(volume, *small)
        self.of_node = () if volumes is None else volumes.of_copies
        """The volumes of all copies on this node, where its ranks see them."""
        self._summed = memory.zeros((n_units,), np.uint8)
        self._adding = memory.zeros((node.size,), np.uint8)
        self._lock_file = memory.lock_file() if memory.shares(self._summed) else None
        together = node if memory.shares(self._summed) else MPI.COMM_SELF
        self._rank = together.rank
        self.keeper = share(rank, together)
        """The rank of the team that speaks for this copy."""
        self.is_keeper = together.rank == 0

    @contextmanager
    def adding(self, unit: int) -> Iterator[None]:
        """Mark that a unit is being added; while it is, nobody has the sums as a whole."""
        with self._locked(GATE, fcntl.LOCK_SH):
            self._adding[self._rank] += 1
            yield
            self._summed[unit] = 1  # not after an error: its mark stays, whatever is added later
            self._adding[self._rank] -= 1

    @contextmanager
    def slab(self, number: int) -> Iterator[None]:
        """Lock a slab of the volumes."""
        with self._locked(FIRST_SLAB + number, fcntl.LOCK_EX):
            yield

    @contextmanager
    def whole(self) -> Iterator[None]:
        """Have the sums of whole units, while nobody adds.

        Raises
        ------
        SpoiltError
            If they hold part of a unit.
        """
        with self._locked(GATE, fcntl.LOCK_EX):
            if self._adding.any():
                raise SpoiltError
            yield

    @property
    def units(self) -> list[int]:
        """Numbers of the units in the sums."""
        return [int(number) for number in np.flatnonzero(self._summed)]

    @contextmanager
    def _locked(self, byte: int, kind: int) -> Iterator[None]:
        if self._lock_file is None:
            yield
            return
        fcntl.lockf(self._lock_file, kind, 1, byte)
        try:
            yield
        finally:
            fcntl.lockf(self._lock_file, fcntl.LOCK_UN, 1, byte)

    def __del__(self) -> None:
        file: int | None = getattr(self, "_lock_file", None)
        if file is not None:
            os.close(file)
