"""What a mode does to the map, undone: a factor on every voxel of the padded map.

To spread samples over voxels is to convolve the transform; that multiplies the map by the
transform of the kernel.
"""

from collections.abc import Callable
from functools import partial
from math import pi

import numpy as np
from jaxtyping import Float
from numpy import ndarray as Array

from halfmap.model.gridding_kernel import STEPS_PER_VOXEL
from halfmap.model.insertion_kernel import InsertionKernel
from halfmap.model.kernel_profiles import HYPERGEOMETRIC_SCALE, transform_of
from halfmap.model.kernel_values import scaled_table

LARGEST = 8.0
"""No correction is larger, next to the centre's, where the kernel's transform may vanish."""
EMAN2_PEAK, EMAN2_LARGEST = 2.0, 4.0

Planes = Float[Array, "slab y x"]


def radial_correction(kernel: InsertionKernel, z: slice = slice(None)) -> Planes:
    """Return the factors on some planes of constant z of the padded map, centre at V // 2.

    Parameters
    ----------
    kernel
        Mode and sizes.
    z
        Which planes, by their indices.
    """
    along_z, along_y, along_x = _centred(kernel)
    return CORRECTIONS[kernel.applied.correction](kernel, (along_z[z], along_y, along_x))


Axes = tuple[Array, Array, Array]


def _none(_: InsertionKernel, axes: Axes) -> Planes:
    return np.ones([len(axis) for axis in axes])


def _gaussian(width: float, kernel: InsertionKernel, axes: Axes) -> Planes:
    """Divide by the transform of a Gaussian; y gives the scale of all axes."""
    scale = width / kernel.sizes.volume[1] ** 2
    return _outer([np.exp(scale * axis.astype(np.float64) ** 2) for axis in axes])


def _profile(kernel: InsertionKernel, axes: Axes) -> Planes:
    """Divide by the product of the transforms along the axes."""
    sizes = kernel.sizes.volume[::-1]
    shape = kernel.applied.kernel
    pairs = zip(axes, sizes, strict=True)
    return _limited(_outer([transform_of(shape, axis / n) for axis, n in pairs]))


def _quartic(kernel: InsertionKernel, axes: Axes) -> Planes:
    squares = [(axis / n) ** 2 for axis, n in zip(axes, kernel.sizes.volume[::-1], strict=True)]
    square = squares[0][:, None, None] + squares[1][:, None] + squares[2]
    return _limited(np.exp(-((2.0 * pi / HYPERGEOMETRIC_SCALE) ** 4) * square**2))


def _gridding(kernel: InsertionKernel, axes: Axes) -> Planes:
    """Divide by the transform of the kernel as it is at whole voxels."""
    centre = (np.zeros(1),) * 3
    if not kernel.compat.arbitrary_gridding_scale:
        return _limited(_gridding_transform(kernel, axes) / _gridding_transform(kernel, centre))
    everywhere = _gridding_transform(kernel, _centred(kernel))  # not largest at the centre
    scaled = _gridding_transform(kernel, axes) * (EMAN2_PEAK / everywhere.max())
    return _limited(scaled, EMAN2_LARGEST)


def _gridding_transform(kernel: InsertionKernel, axes: Axes) -> Planes:
    table = scaled_table(kernel)[::STEPS_PER_VOXEL, ::STEPS_PER_VOXEL, ::STEPS_PER_VOXEL]
    distance = np.arange(len(table))
    twice = np.where(distance > 0, 2.0, 1.0)
    z, y, x = (
        twice * np.cos(2.0 * pi * np.outer(axis, distance) / n)
        for axis, n in zip(axes, kernel.sizes.volume[::-1], strict=True)
    )
    return np.asarray(np.einsum("abc,za,yb,xc->zyx", table, z, y, x, optimize=True))


def _centred(kernel: InsertionKernel) -> Axes:
    z, y, x = (np.arange(n) - n // 2 for n in kernel.sizes.volume[::-1])
    return z, y, x


def _limited(transform: Planes, largest: float = LARGEST) -> Planes:
    """Return 1 / transform between the limits; 0 where that is infinite."""
    inverse = np.divide(1.0, transform, out=np.zeros_like(transform), where=transform != 0.0)
    return np.asarray(np.clip(inverse, -largest, largest))


def _outer(factors: list[Float[Array, " voxel"]]) -> Planes:
    z, y, x = factors
    return np.asarray(z[:, None, None] * y[:, None] * x)


CORRECTIONS: dict[str, Callable[[InsertionKernel, Axes], Planes]] = {
    "none": _none,
    "gauss_2": partial(_gaussian, 4.0),
    "gauss_3": partial(_gaussian, 6.4),
    "gauss_5": partial(_gaussian, 10.4),
    "profile": _profile,
    "quartic": _quartic,
    "gridding": _gridding,
}
"""By `InsertionMode.correction`."""
