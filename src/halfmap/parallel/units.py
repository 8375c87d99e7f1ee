"""Work units and who holds them: the leader's book. Pure bookkeeping, no MPI.

The cut depends on the data, never on the ranks; what a unit yields depends on the unit and
the model only. So it does not matter who computes it, or when.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Int
from numpy import ndarray as Array

SMALLEST_UNIT, LARGEST_UNIT = 8, 32
"""Particles. Fewer make slow matrix products, more make the last unit a long wait."""

UNITS_PER_HALF = 32
"""Wanted at least, while units stay above the smallest size: work for many ranks."""


@dataclass(frozen=True, slots=True)
class Unit:
    """Particles of one half that are computed together."""

    number: int
    half: int
    rows: Int[Array, " particle"]


def cut_units(
    half: Int[Array, " particle"], optics_group: Int[Array, " particle"]
) -> tuple[Unit, ...]:
    """Cut every half-set into units, particles of one optics group together where possible."""
    units: list[Unit] = []
    for this_half in np.unique(half):
        rows = np.flatnonzero(half == this_half)
        rows = rows[np.argsort(optics_group[rows], kind="stable")]
        size = int(np.clip(-(-len(rows) // UNITS_PER_HALF), SMALLEST_UNIT, LARGEST_UNIT))
        pieces = np.array_split(rows, -(-len(rows) // size))
        first = len(units)
        units.extend(Unit(first + i, int(this_half), piece) for i, piece in enumerate(pieces))
    return tuple(units)


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
