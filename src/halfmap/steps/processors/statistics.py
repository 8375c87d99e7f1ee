"""Means and deviations as EMAN2 takes them; deviations divide by the number less one."""

import numpy as np
from jaxtyping import Float
from numpy import ndarray as Array


def deviation(values: Float[Array, "..."]) -> float:
    """Return the standard deviation; 0 of a single value."""
    return float(np.std(values, ddof=1, dtype=np.float64)) if values.size > 1 else 0.0


def mean(values: Float[Array, "..."]) -> float:
    """Return the mean; 0 of nothing."""
    return float(np.mean(values, dtype=np.float64)) if values.size else 0.0


def edge_mean(values: Float[Array, "..."]) -> float:
    """Return the mean of the border of an image, its corners counted twice, or of a map.

    Each voxel on a face of a map counts once.
    """
    if values.ndim == 2:
        sides = (values[0], values[-1], values[:, 0], values[:, -1])
        return mean(np.concatenate(sides))
    inner = values[1:-1, 1:-1, 1:-1]
    n_border = values.size - inner.size
    total = float(values.sum(dtype=np.float64)) - float(inner.sum(dtype=np.float64))
    return total / n_border


def radii(shape: tuple[int, ...], offset_px: tuple[float, ...] = (0.0, 0.0, 0.0)) -> Array:
    """Return the distance of each pixel from the pixel n // 2, or from that point moved.

    Parameters
    ----------
    shape
        (y, x) or (z, y, x).
    offset_px
        (x, y, z) of the centre.
    """
    axes = [
        np.arange(n, dtype=np.float64) - n // 2 - move
        for n, move in zip(reversed(shape), offset_px, strict=False)
    ]
    squared = np.zeros(shape)
    for number, axis in enumerate(axes):
        squared += (axis * axis).reshape(-1, *[1] * number)
    return np.asarray(np.sqrt(squared, out=squared))
