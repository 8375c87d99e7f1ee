"""The scale at which the sums of a direct reconstruction are held as integers.

One power of two for the signal and one for the weight. They are chosen from some slices so that
all would fit that are not `BRIGHTEST` times larger; every unit is checked.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from numpy import ndarray as Array

from halfmap.kernels.insertion_protocol import Slices
from halfmap.model.exact import LIMIT
from halfmap.model.insertion_kernel import InsertionKernel

BRIGHTEST = 2.0**12
"""Other slices may be so many times brighter than those that were looked at."""
SAMPLES_PER_VOXEL = 64.0
"""The kernel values with which the samples of one slice reach a voxel sum to less, as padded."""


SMALLEST = 1e-30


class InsertionScale(NamedTuple):
    """Factors of signal and weight, and how much a unit may add."""

    signal: float
    weight: float
    n_slices: int
    """So many fit, all copies counted."""

    def largest(self, n_slices: int) -> float:
        """Return the largest integer that ``n_slices`` may add to any sum."""
        return LIMIT * n_slices / self.n_slices

    @property
    def pair(self) -> tuple[float, float]:
        """Factors of signal and weight."""
        return self.signal, self.weight


def chosen_scale(
    slices: Slices, kernel: InsertionKernel, n_slices: int, weights: Float[Array, " slice"]
) -> InsertionScale:
    """Choose the scale.

    Parameters
    ----------
    slices
        Some slices, not all zero.
    kernel
        How they are inserted.
    n_slices
        How many will be, all copies counted.
    weights
        Of all slices: those that were looked at may be light.
    """
    of_signal, of_weight = _samples_per_sum(slices, kernel)
    heaviest = float(np.abs(weights).max())
    seen = max(float(np.abs(slices.weight).max()), SMALLEST)
    signal = float(np.abs(slices.signal).max()) * max(1.0, heaviest / seen)
    weight = max(seen, heaviest)
    share = LIMIT / (n_slices * BRIGHTEST)
    return InsertionScale(
        _power_of_two(share / (of_signal * signal)),
        _power_of_two(share / (of_weight * weight)),
        n_slices,
    )


def _samples_per_sum(slices: Slices, kernel: InsertionKernel) -> tuple[float, float]:
    """Return how many samples like the largest of a slice one sum of signals gets, and of weights.

    A voxel of a map that is fitted gets all samples and their mates.
    """
    if kernel.mode.exact:
        size = np.abs(slices.signal).sum(axis=(1, 2), dtype=np.float64)
        like_largest = float(size.max() / np.abs(slices.signal).max())
        return 2.0 * like_largest, 2.0 * slices.signal[0].size
    padded, volume = min(kernel.sizes.padded), min(kernel.sizes.volume)
    per_voxel = SAMPLES_PER_VOXEL * max(1.0, padded / volume) ** 2
    return per_voxel, per_voxel


def _power_of_two(x: float) -> float:
    """Round down to a power of two."""
    return float(np.exp2(np.floor(np.log2(x))))
