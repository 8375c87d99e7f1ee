"""A few slices of noise at random orientations, small enough for the numpy definition."""

import numpy as np
from numpy import ndarray as Array
from scipy.spatial.transform import Rotation

from halfmap.kernels.insertion_protocol import Insertion, Slices
from halfmap.model.faint_sums import FaintLimits, FixedPoint
from halfmap.model.insertion_kernel import InsertionKernel

NO_LIST = FaintLimits(0.0, 8)
SCALE = (2.0**30, 2.0**30)
IDENTITY = np.eye(3)[None]


def small_slices(kernel: InsertionKernel, n: int = 3, n_copies: int = 1) -> Slices:
    rng = np.random.default_rng(7)
    p_x, p_y = kernel.sizes.padded
    images = rng.normal(size=(n, p_y, p_x))
    turned = Rotation.random(n * n_copies, random_state=3).as_matrix()
    weight = rng.uniform(0.5, 1.5, (n, p_y, p_x // 2 + 1)).astype(np.float32)
    return Slices(
        (weight * np.fft.rfft2(images)).astype(np.complex64),
        weight,
        turned.reshape(n, n_copies, 3, 3),
        np.linspace(1.0, 0.5, n_copies, dtype=np.float32),
    )


def summed(
    backend: Insertion,
    kernel: InsertionKernel,
    slices: Slices,
    operators: Array = IDENTITY,
    reference: Array | None = None,
) -> Array:
    """Real part, imaginary part and weight of the half volume, planes complete."""
    grid = backend.empty_grid(kernel)
    backend.insert(slices, operators, kernel, grid, reference)
    shape = (*kernel.sizes.half_volume, 3)
    out = np.zeros((int(np.prod(shape[:3])), 3), np.int64)
    fits, _ = backend.flush(grid, kernel, FixedPoint(SCALE, 2.0**62, NO_LIST), out)
    assert fits
    assert not grid.any()
    return completed(out.reshape(shape) / SCALE[0])


def completed(sums: Array) -> Array:
    """Add its mate to every voxel of the planes that hold both."""
    out, z, y = sums.copy(), *(-np.arange(n) % n for n in sums.shape[:2])
    for x in (0, -1):
        mates = sums[z][:, y, x] * np.array([1, -1, 1])
        out[:, :, x] = sums[:, :, x] + mates
    return out
