"""Values rounded to a few bits between two limits, as EMAN2 stores them to save space.

Limits are chosen so that few values of each tail are cut, and so that zero, if it lies between
them, is a level of its own. What is cut is lost: that is for looking at maps, not for going on with
them.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Shaped
from numpy import ndarray as Array

BINS = 4096
"""Of the histogram of values."""
CUT_FRACTION, CUT_LEAST = 1.0 / 20_000.0, 8
"""How many values of a tail may be cut: a fraction, but so many in any case."""


@dataclass(frozen=True, slots=True)
class Reduced:
    """Whole numbers that stand for values."""

    levels: Shaped[Array, "..."]
    """uint8 up to 8 bits, else uint16."""
    low: float
    high: float
    n_cut: int
    """Values that lay beyond the limits."""


def reduce_bits(values: Float[Array, "..."], bits: int) -> Reduced:
    """Round values to ``2**bits`` levels.

    Parameters
    ----------
    values
        Finite numbers.
    bits
        2 to 16.
    """
    low, high = _around_zero(*_without_outliers(values), bits)
    dtype, n_steps = np.dtype(np.uint8 if bits <= 8 else np.uint16), 2**bits - 1
    n_cut = int(np.count_nonzero((values < low) | (values > high)))
    if high <= low:
        return Reduced(np.zeros(values.shape, dtype), low, high, n_cut)
    clipped = np.clip(values.astype(np.float64), low, high)
    levels = np.rint((clipped - low) * (n_steps / (high - low)))
    return Reduced(levels.astype(dtype), low, high, n_cut)


def _without_outliers(values: Float[Array, "..."]) -> tuple[float, float]:
    """Return limits beyond which lie no more values than may be cut."""
    low, high = float(values.min()), float(values.max())
    if high <= low:
        return low, high
    counts, edges = np.histogram(values, BINS, (low, high))
    may_cut = max(values.size * CUT_FRACTION, CUT_LEAST)
    below = int(np.searchsorted(np.cumsum(counts), may_cut, "right"))
    above = int(np.searchsorted(np.cumsum(counts[::-1]), may_cut, "right"))
    if below + above >= BINS:  # hardly any values: nothing is an outlier
        return low, high
    return float(edges[below]), float(edges[BINS - above])


def _around_zero(low: float, high: float, bits: int) -> tuple[float, float]:
    """Move limits, in single precision, so that zero is a level if it lies between them."""
    if low < 0.0 < high:
        n_steps = 2**bits - 1
        step = (high - low) / (n_steps - 1)
        low = float(np.floor(low / step)) * step
        high = low + step * n_steps
    return float(np.float32(low)), float(np.float32(high))
