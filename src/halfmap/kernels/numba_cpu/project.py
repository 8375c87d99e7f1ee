"""Central slices of a padded transform, by linear interpolation.

Two passes over the pixel list: the first computes where each pixel lies (the compiler
vectorises it), the second gathers. One fused loop is three times slower. In a volume of one
plane (a 2D reference) both leave z out, which halves their time.
"""
# mypy: ignore-errors
# numba, not mypy, types what follows

import numpy as np

from halfmap.kernels.numba_cpu.options import FAST, compiled
from halfmap.kernels.numba_cpu.vector4 import interpolate
from halfmap.model.interpolation import EVERYWHERE


@compiled(FAST, inline="always")
def is_flat(n_rows, half):
    """Tell whether a volume of so many rows (z, y) is one plane."""
    return n_rows == 2 * half + 1


@compiled(FAST, inline="always")
def rows_of(volume):
    """Count the rows (z, y) of a volume."""
    return volume.values.shape[0] // (2 * (volume.half + 1))


@compiled(FAST, inline="always")
def locate(axes, pixels, size, places):
    """Write, of every pixel, row (z, y) and x of the lower voxel, part of a cell beyond, sign.

    ``size`` is the number of rows of the volume, and its ``half``.
    """
    if is_flat(size[0], size[1]):
        locate_in_plane(axes, pixels, size[1], places)
    else:
        locate_in_space(axes, pixels, size[1], places)
    if pixels.linear_square < EVERYWHERE:
        move_to_voxels(pixels, size, places)


@compiled(FAST, inline="always")
def move_to_voxels(pixels, size, places):
    """Move pixels beyond the linear shells to the voxel nearest to them."""
    row, column, part, _ = places
    half, zero = np.float32(0.5), np.float32(0.0)
    flat = is_flat(size[0], size[1])
    rows_of_plane = np.int32(2 * size[1] + 1)
    for i in range(row.shape[0]):
        kx, ky = pixels.kx[i], pixels.ky[i]
        if kx * kx + ky * ky >= pixels.linear_square:
            column[i] += np.int32(part[0, i] >= half)
            row[i] += np.int32(part[1, i] >= half)
            if not flat:
                row[i] += rows_of_plane * np.int32(part[2, i] >= half)
                part[2, i] = zero
            part[0, i] = zero
            part[1, i] = zero


@compiled(FAST, inline="always")
def locate_in_plane(axes, pixels, half, places):
    """Do what `locate` says, for one plane."""
    row, column, part, sign = places
    origin = np.int32(half)
    a, b, d, e = axes[0], axes[1], axes[3], axes[4]
    one = np.float32(1.0)
    for i in range(row.shape[0]):
        kx, ky = pixels.kx[i], pixels.ky[i]
        x = a * kx + d * ky
        y = b * kx + e * ky
        s = -one if x < 0 else one
        x *= s
        y *= s
        x0 = np.floor(x)
        y0 = np.floor(y)
        row[i] = origin + np.int32(y0)
        column[i] = np.int32(x0)
        part[0, i] = x - x0
        part[1, i] = y - y0
        sign[i] = s


@compiled(FAST, inline="always")
def locate_in_space(axes, pixels, half, places):
    """Do what `locate` says, for a cube."""
    row, column, part, sign = places
    n_rows = np.int32(2 * half + 1)
    origin = np.int32(half) * n_rows + np.int32(half)
    a, b, c = axes[0], axes[1], axes[2]
    d, e, f = axes[3], axes[4], axes[5]
    one = np.float32(1.0)
    for i in range(row.shape[0]):
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
        row[i] = origin + np.int32(z0) * n_rows + np.int32(y0)
        column[i] = np.int32(x0)
        part[0, i] = x - x0
        part[1, i] = y - y0
        part[2, i] = z - z0
        sign[i] = s


@compiled(FAST, inline="always")
def places_for(n):
    """Allocate what `locate` writes for ``n`` pixels: row, column, part, sign."""
    return (
        np.empty(n, np.int32),
        np.empty(n, np.int32),
        np.empty((3, n), np.float32),
        np.empty(n, np.float32),
    )


@compiled(FAST, inline="always")
def gather(volume, places, out):
    """Interpolate at every pixel; the values are interleaved, so x and x + 1 are 4 floats."""
    if is_flat(rows_of(volume), volume.half):
        gather_in_plane(volume.values, volume.half, places, out)
    else:
        gather_in_space(volume.values, volume.half, places, out)


@compiled(FAST, inline="always")
def gather_in_plane(values, half, places, out):
    """Do what `gather` says, for one plane; 4 pixels at a time."""
    row, column, part, sign = places
    parts, at = (part[0], part[1], part[2], sign), (row, column, 2 * (half + 1))
    whole = row.shape[0] - row.shape[0] % 4
    for i in range(0, whole, 4):
        near = (pair(at, i), pair(at, i + 1), pair(at, i + 2), pair(at, i + 3))
        interpolate(values, near, parts, out, i)
    for i in range(whole, row.shape[0]):
        interpolate(values, (pair(at, i),), parts, out, i)


@compiled(FAST, inline="always")
def gather_in_space(values, half, places, out):
    """Do what `gather` says, for a cube; 4 pixels at a time."""
    row, column, part, sign = places
    parts, at = (part[0], part[1], part[2], sign), (row, column, 2 * (half + 1))
    whole = row.shape[0] - row.shape[0] % 4
    for i in range(0, whole, 4):
        near = (
            four(at, half, i),
            four(at, half, i + 1),
            four(at, half, i + 2),
            four(at, half, i + 3),
        )
        interpolate(values, near, parts, out, i)
    for i in range(whole, row.shape[0]):
        interpolate(values, (four(at, half, i),), parts, out, i)


@compiled(FAST)
def pair(at, i):
    """Return where the voxels of lowest x around pixel i are in a plane, at y = 0 and 1."""
    row, column, step = at
    p = np.int64(row[i]) * np.int64(step) + np.int64(2) * np.int64(column[i])
    return p, p + np.int64(step)


@compiled(FAST)
def four(at, half, i):
    """Return the same in a cube: at (y, z) = (0, 0), (1, 0), (0, 1), (1, 1)."""
    low, high = pair(at, i)
    plane = np.int64(at[2]) * np.int64(2 * half + 1)
    return low, high, low + plane, high + plane


@compiled(FAST)
def project(volume, axes, pixels, out):
    """See `Kernels.project`."""
    places = places_for(pixels.kx.shape[0])
    size = (rows_of(volume), volume.half)
    for s in range(axes.shape[0]):
        locate(axes[s], pixels, size, places)
        gather(volume, places, out[s])
        out[s, 2 * pixels.kx.shape[0] :] = np.float32(0.0)
