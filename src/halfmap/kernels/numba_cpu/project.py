"""Central slices of a padded transform, by trilinear interpolation.

Two passes over the pixel list: the first computes where each pixel lies (the compiler
vectorises it), the second gathers. One fused loop is three times slower.
"""
# mypy: ignore-errors
# numba, not mypy, types what follows

import numpy as np
from numba import njit

from halfmap.kernels.numba_cpu.options import FAST
from halfmap.kernels.numba_cpu.vector4 import interpolate


@njit(inline="always", **FAST)
def locate(axes, pixels, strides, places):
    """Write index of the lower voxel, position within the cell and sign of x, of every pixel."""
    half, row, plane = strides
    index, part, sign = places
    a, b, c = axes[0], axes[1], axes[2]
    d, e, f = axes[3], axes[4], axes[5]
    origin = half * plane + half * row
    one = np.float32(1.0)
    for i in range(index.shape[0]):
        kx, ky = pixels.kx[i], pixels.ky[i]
        x = a * kx + d * ky
        y = b * kx + e * ky
        z = c * kx + f * ky
        s = -one if x < 0 else one
        x *= s
        y *= s
        z *= s
        x0 = np.floor(x)
        y0 = np.floor(y)
        z0 = np.floor(z)
        index[i] = origin + np.int32(z0) * plane + np.int32(y0) * row + np.int32(x0)
        part[0, i] = x - x0
        part[1, i] = y - y0
        part[2, i] = z - z0
        sign[i] = s


@njit(inline="always", **FAST)
def places_for(n):
    """Allocate what `locate` writes for ``n`` pixels."""
    return np.empty(n, np.int32), np.empty((3, n), np.float32), np.empty(n, np.float32)


@njit(inline="always", **FAST)
def strides_of(half):
    """Return half, and the voxels in a row and in a plane, as 32-bit integers."""
    row = np.int32(half + 1)
    return np.int32(half), row, np.int32(row * np.int32(2 * half + 1))


@njit(inline="always", **FAST)
def gather(values, strides, places, out):
    """Interpolate at every pixel; ``values`` is interleaved, so x and x + 1 are 4 floats."""
    index, part, sign = places
    row = np.int64(2 * strides[1])
    plane = np.int64(2 * strides[2])
    for i in range(index.shape[0]):
        p = np.int64(2) * np.int64(index[i])
        r = p + plane
        parts = (part[0, i], part[1, i], part[2, i], sign[i])
        interpolate(values, (p, p + row, r, r + row), parts, out, 2 * i)


@njit(**FAST)
def project(volume, axes, pixels, out):
    """See `Kernels.project`."""
    strides = strides_of(volume.half)
    places = places_for(pixels.kx.shape[0])
    for s in range(axes.shape[0]):
        locate(axes[s], pixels, strides, places)
        gather(volume.values, strides, places, out[s])
        out[s, 2 * pixels.kx.shape[0] :] = np.float32(0.0)
