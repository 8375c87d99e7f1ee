"""Central slices of a padded transform, by trilinear interpolation.

Two passes over the pixel list: the first computes where each pixel lies (the compiler
vectorises it), the second gathers. One fused loop is three times slower.
"""
# mypy: disable-error-code="no-untyped-def"

import numpy as np
from numba import njit

from halfmap.kernels.numba_cpu.options import FAST
from halfmap.kernels.numba_cpu.vector4 import interpolate


@njit(inline="always", **FAST)
def locate(axes, kx, ky, strides, place, part, sign):
    """Write index of the lower voxel, position within the cell and sign of x, of every pixel."""
    half, row, plane = strides
    a, b, c = axes[0], axes[1], axes[2]
    d, e, f = axes[3], axes[4], axes[5]
    origin = half * plane + half * row
    one = np.float32(1.0)
    for i in range(kx.shape[0]):
        x = a * kx[i] + d * ky[i]
        y = b * kx[i] + e * ky[i]
        z = c * kx[i] + f * ky[i]
        s = -one if x < 0 else one
        x *= s
        y *= s
        z *= s
        x0 = np.floor(x)
        y0 = np.floor(y)
        z0 = np.floor(z)
        place[i] = origin + np.int32(z0) * plane + np.int32(y0) * row + np.int32(x0)
        part[0, i] = x - x0
        part[1, i] = y - y0
        part[2, i] = z - z0
        sign[i] = s


@njit(inline="always", **FAST)
def strides_of(half):
    """Return half, and the voxels in a row and in a plane, as 32-bit integers."""
    row = np.int32(half + 1)
    return np.int32(half), row, np.int32(row * np.int32(2 * half + 1))


@njit(inline="always", **FAST)
def gather(values, strides, place, part, sign, out):
    """Interpolate at every pixel; ``values`` is interleaved, so x and x + 1 are 4 floats."""
    row = np.int64(2 * strides[1])
    plane = np.int64(2 * strides[2])
    for i in range(place.shape[0]):
        p = np.int64(2) * np.int64(place[i])
        r = p + plane
        parts = (part[0, i], part[1, i], part[2, i], sign[i])
        interpolate(values, (p, p + row, r, r + row), parts, out, 2 * i)


@njit(inline="always", **FAST)
def scratch_for(n):
    """Allocate what `locate` writes for ``n`` pixels."""
    return np.empty(n, np.int32), np.empty((3, n), np.float32), np.empty(n, np.float32)


@njit(**FAST)
def project(values, half, axes, kx, ky, out):
    """See `Kernels.project`."""
    strides = strides_of(half)
    place, part, sign = scratch_for(kx.shape[0])
    for s in range(axes.shape[0]):
        locate(axes[s], kx, ky, strides, place, part, sign)
        gather(values, strides, place, part, sign, out[s])
        for i in range(2 * kx.shape[0], out.shape[1]):
            out[s, i] = np.float32(0.0)
