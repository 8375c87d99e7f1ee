"""Which samples of a padded slice are inserted, how much each counts, and where they lie."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Float32, Float64, Int
from numpy import ndarray as Array

from halfmap.model.insertion_kernel import InsertionKernel


class SampleRows(NamedTuple):
    """Rows of constant y in the order of the DFT; of each the samples from x = 0 on."""

    y: Int[Array, " row"]
    """Frequency, px."""
    length: Int[Array, " row"]
    """Samples of the row that are inserted."""
    share: Float32[Array, " x_half"]
    """How much a sample counts, by x: half if its mate is a sample of its own."""


def sample_rows(kernel: InsertionKernel) -> SampleRows:
    """Return the samples of a square slice with round(hypot(x, y)) <= Py / 2, or of any other all.

    An iterative mode goes a few px beyond.
    """
    p_x, p_y = kernel.sizes.padded
    y = np.arange(p_y)
    y = np.where(y < p_y // 2, y, y - p_y)
    n_x = p_x // 2 + 1
    count = np.full(p_y, n_x)
    if p_x == p_y:
        limit = p_y // 2 + kernel.applied.reach
        inside = np.floor(np.hypot(np.arange(n_x), y[:, None]) + 0.5) <= limit
        count = inside.sum(axis=1)
    share = np.ones(n_x, np.float32)
    if not kernel.compat.double_line:
        share[[0, -1]] = 0.5
    return SampleRows(y, count, share)


def slice_axes(
    rotation: Float64[Array, "slice copy 3 3"],
    operators: Float64[Array, "operator 3 3"],
    kernel: InsertionKernel,
) -> Float[Array, "slice place 6"]:
    """Return by how far one px along x, and along y, of a slice goes in the volume (x, y, z).

    A place is a copy and an operator; operators run faster.
    """
    placed = rotation[:, :, None] @ operators
    (p_x, p_y), volume = kernel.sizes.padded, np.array(kernel.sizes.volume, np.float64)
    along_x, along_y = placed[..., 0, :] * volume / p_x, placed[..., 1, :] * volume / p_y
    axes = np.concatenate([along_x, along_y], axis=-1)
    return axes.reshape(len(rotation), -1, 6)
