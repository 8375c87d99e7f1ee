"""Sums of voxels that only the outermost tails of kernels reach, with the range of floating point.

The integers of a run resolve weights down to about 1e-11; beside a missing wedge, or beyond
Nyquist, a Gaussian may be as small as 1e-38, and the mean that it weights still counts. What a
unit adds to such a voxel is listed besides, at a level: multiplied by a power of two that brings
its weight between `FAINT` and that many bits more. Levels are added up apart. A voxel whose total
weight reaches `FAINT` in the integers of the run needs no list, so that what is listed of it may be
dropped at any time: weights are positive. So the result depends on no order here, either.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Float64, Int, Int64
from numpy import ndarray as Array

FAINT = 2.0**23
"""Weights of less than that, as integers, are too coarse."""
HEADROOM_BITS = 12
"""How much the ratio of signal to weight may exceed that of the slices that were looked at."""
INTEGER_BITS = 62
LEVELS = 256
"""Room for them in a key."""


class FaintLimits(NamedTuple):
    """How faint voxels are listed."""

    limit: float
    """Weight, as an integer, below which a voxel is faint; 0 if none is listed."""
    bits: int
    """From level to level."""


def faint_limits(n_units: int, *, positive: bool) -> FaintLimits:
    """Return how voxels are listed in a run of so many units.

    Where weights may be negative none is: they may cancel.
    """
    bits = INTEGER_BITS - 23 - HEADROOM_BITS - max(n_units - 1, 1).bit_length()
    return FaintLimits(FAINT if positive else 0.0, max(bits, 8))


class FixedPoint(NamedTuple):
    """How the values of a unit become integers."""

    scale: tuple[float, float]
    """Of signal and weight."""
    largest: float
    """Integer that a unit may add to any sum."""
    faint: FaintLimits


@dataclass(frozen=True, slots=True)
class FaintSums:
    """Entries, one for each voxel and level, sorted."""

    key: Int[Array, " entry"]
    """Voxel * `LEVELS` + level."""
    values: Int64[Array, "entry 3"]
    """Real part, imaginary part, weight."""

    @classmethod
    def none(cls) -> "FaintSums":
        """Return no entries."""
        return cls(np.zeros(0, np.int64), np.zeros((0, 3), np.int64))

    def __add__(self, other: "FaintSums") -> "FaintSums":
        key = np.concatenate([self.key, other.key])
        if not len(key):
            return self
        order = np.argsort(key, kind="stable")
        key, values = key[order], np.concatenate([self.values, other.values])[order]
        first = np.flatnonzero(np.concatenate([[True], key[1:] != key[:-1]]))
        return FaintSums(key[first], np.add.reduceat(values, first, axis=0))

    def without_bright(self, volume: Int64[Array, "voxel 3"]) -> "FaintSums":
        """Drop the entries of voxels that the integers of the run resolve."""
        keep = volume[self.key // LEVELS, 2] < FAINT
        return FaintSums(self.key[keep], self.values[keep])


def resolved(faint: FaintSums, bits: int) -> tuple[Int[Array, " voxel"], Float64[Array, "voxel 3"]]:
    """Return the voxels that have entries, and their sums over all levels, in units of the run."""
    voxel, place = np.unique(faint.key // LEVELS, return_inverse=True)
    factor = np.exp2(-float(bits) * (faint.key % LEVELS))
    total = np.zeros((len(voxel), 3))
    np.add.at(total, place, faint.values * factor[:, None])
    return voxel, total
