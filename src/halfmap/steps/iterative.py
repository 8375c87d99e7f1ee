"""Iterative insertion: what the last map does not explain is inserted with a wider kernel.

In the first pass slices are inserted as in gauss_var. In every later one, with B the transform of
the map of the pass before, the samples are F - B(k), and what they average to is added to B: where
they agree with the map, it stays as it is, however wide the kernel.
"""

import numpy as np
from jaxtyping import Bool, Complex, Complex64, Float, Float32
from numpy import ndarray as Array

from halfmap.model.insertion_kernel import InsertionKernel
from halfmap.model.insertion_modes import ITERATIVE_FIRST, ITERATIVE_NEXT, InsertionMode
from halfmap.steps.processors.thresholds import compressed

PASSES = 4


def mode_of_pass(number: int, seeded: bool = False) -> InsertionMode:
    """Return the mode of a pass, counted from 0; a seed is a reference for the first one."""
    return ITERATIVE_NEXT if number > 0 or seeded else ITERATIVE_FIRST


def with_reference(
    mean: Complex[Array, "z y x"],
    weight: Float[Array, "z y x"],
    reference: Complex64[Array, "z y x"],
    kernel: InsertionKernel,
) -> Complex[Array, "z y x"]:
    """Add the reference to the mean residual, where there is one within Nyquist along y.

    All have the layout of `halfmap.kernels.insertion_protocol`.
    """
    found = (weight > 0.0) & within_nyquist(kernel)
    return np.where(found, mean + reference, 0.0)


def within_nyquist(kernel: InsertionKernel) -> Bool[Array, "z y x"]:
    """Say which voxels of the half volume are no further from the origin than Nyquist along y."""
    x, y, z = kernel.sizes.volume
    along_z, along_y = np.arange(z) - z // 2, np.arange(y) - y // 2
    square = along_z[:, None, None] ** 2 + along_y[:, None] ** 2 + np.arange(x // 2 + 1) ** 2
    return np.asarray(square <= (y // 2) ** 2)


def edited(
    volume: Float[Array, "z y x"], mask: Float32[Array, "z y x"] | None = None
) -> Float[Array, "z y x"]:
    """Return a map of a pass as the next one is to believe it: masked, or without its noise.

    Without a mask, values within a standard deviation of the mean become the mean, and others
    come nearer to it by as much.
    """
    if mask is not None:
        return np.asarray(volume * mask)
    mean, deviation = volume.mean(dtype=np.float64), volume.std(ddof=1, dtype=np.float64)
    return compressed(volume, deviation, mean)
