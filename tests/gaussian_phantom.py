"""A particle of Gaussian blobs: its map, its projections and their transforms are formulas.

In float64 and without any code of halfmap, so that it is a truth of its own.
"""

import numpy as np
from numpy import ndarray as Array

CENTRES_A = np.array([[9.0, -4.0, 2.0], [-6.0, 8.0, -7.0], [-3.0, -9.0, 5.0], [2.0, 3.0, 11.0]])
"""x, y, z."""
HEIGHTS = np.array([1.0, 1.5, 0.8, 1.2])
WIDTH_A = 5.5
"""Standard deviation of a blob."""


def density(box: int, pixel_A: float) -> Array:
    """The map: values at the voxels, the origin at voxel box // 2."""
    x = (np.arange(box) - box // 2) * pixel_A
    rows = [np.exp(-((x[:, None] - c) ** 2) / (2.0 * WIDTH_A**2)) for c in CENTRES_A.T]
    return np.einsum("b,zb,yb,xb->zyx", HEIGHTS, rows[2], rows[1], rows[0]).astype(np.float32)


def seen_at_A(matrix: Array) -> Array:
    """Where the blobs appear in the image of an orientation: A r, without z."""
    return CENTRES_A @ matrix[:2].T


def transform(matrix: Array, frequency_per_A: Array) -> Array:
    """Return the Fourier integral over the projection along z at frequencies (..., 2)."""
    phase = -2j * np.pi * frequency_per_A @ seen_at_A(matrix).T
    square = np.sum(frequency_per_A**2, axis=-1)
    whole = (2.0 * np.pi) ** 1.5 * WIDTH_A**3 * np.exp(-2.0 * (np.pi * WIDTH_A) ** 2 * square)
    return whole * (np.exp(phase) @ HEIGHTS)


def image(
    matrix: Array,
    grid: tuple[int, float],
    model_pixel_A: float,
    magnification: Array | None = None,
) -> Array:
    """Return the projection as pixels of a grid (box, pixel in Å) show it.

    On the grey scale of a map with ``model_pixel_A``: a pixel is the sum of its voxels along z.
    With a magnification M it shows at frequency k what is at M k, so at x what is at M^-T x.
    """
    (box, pixel_A), m = grid, np.eye(2) if magnification is None else magnification
    axis = (np.arange(box) - box // 2) * pixel_A
    x = np.stack(np.meshgrid(axis, axis, indexing="xy"), axis=-1) @ np.linalg.inv(m)
    square = np.sum((x[:, :, None] - seen_at_A(matrix)) ** 2, axis=-1)
    along_z = np.sqrt(2.0 * np.pi) * WIDTH_A / model_pixel_A
    shown = np.exp(-square / (2.0 * WIDTH_A**2)) @ HEIGHTS
    return along_z * shown / np.linalg.det(m)
