"""Work units and who holds them: the leader's book. Pure bookkeeping, no MPI.

The cut depends on the data, never on the ranks; what a unit yields depends on the unit and
the model only. So it does not matter who computes it, or when.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from jaxtyping import Int
from numpy import ndarray as Array

SMALLEST_UNIT, LARGEST_UNIT = 8, 32
"""Particles. Fewer make slow matrix products, more make the last unit a long wait."""

UNITS_PER_HALF = 32
"""Wanted at least, while units stay above the smallest size: work for many ranks."""


@dataclass(frozen=True, slots=True)
class Unit:
    """Particles of one half and one image geometry that are computed together."""

    number: int
    half: int
    geometry: int
    rows: Int[Array, " particle"]


def cut_units(half: Int[Array, " particle"], geometry: Int[Array, " particle"]) -> tuple[Unit, ...]:
    """Cut every half-set into units of images of one geometry.

    Optics groups do not matter, so that splitting one leaves all sums as they are.
    """
    pieces: list[tuple[int, int, Int[Array, " particle"]]] = []
    for this_half in np.unique(half):
        rows = np.flatnonzero(half == this_half)
        size = int(np.clip(-(-len(rows) // UNITS_PER_HALF), SMALLEST_UNIT, LARGEST_UNIT))
        for kind in np.unique(geometry[rows]):
            own = rows[geometry[rows] == kind]
            cut = np.array_split(own, -(-len(own) // size))
            pieces.extend((int(this_half), int(kind), piece) for piece in cut)
    return tuple(Unit(number, *piece) for number, piece in enumerate(pieces))


def renumbered(units: Sequence[Unit]) -> tuple[Unit, ...]:
    """Return some units with numbers that count from zero: a lease book of their own."""
    return tuple(replace(unit, number=number) for number, unit in enumerate(units))


@dataclass
class LeaseBook:
    """Which units wait, who holds which, which are done."""

    units: Sequence[Unit]
    holder: dict[int, int] = field(default_factory=dict)
    """Worker that holds each leased unit."""
    done: set[int] = field(default_factory=set)
    _waiting: dict[int, deque[Unit]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for unit in self.units:
            self._waiting.setdefault(unit.half, deque()).append(unit)

    def lease(self, worker: int, halves: Sequence[int]) -> Unit | None:
        """Give ``worker`` a unit of one of its halves: of the one that has most left."""
        queues = [self._waiting[half] for half in halves if self._waiting.get(half)]
        if not queues:
            return None
        unit = max(queues, key=len).popleft()
        self.holder[unit.number] = worker
        return unit

    def finish(self, number: int, worker: int) -> None:
        """Count a unit as done: its particles' results have come back."""
        if self.holder.get(number) != worker:
            raise RuntimeError(f"worker {worker} finished unit {number}, which it does not hold")
        del self.holder[number]
        self.done.add(number)

    @property
    def complete(self) -> bool:
        """Whether every unit is done."""
        return len(self.done) == len(self.units)
