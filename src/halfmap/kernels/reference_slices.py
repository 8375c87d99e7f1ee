"""Slices of a volume, in numpy: how they are cut and inserted. Slow and plain."""

import itertools

import numpy as np
from numpy import ndarray as Array

from halfmap.kernels.protocol import Grid, Pixels, Volume

CORNERS = tuple(itertools.product((0, 1), repeat=3))


def slice_points(axes: Array, pixels: Pixels) -> tuple[Array, Array]:
    """Return the 3D frequencies of a slice with x >= 0, and which of them had to be mirrored."""
    point = np.multiply.outer(pixels.kx, axes[:3]) + np.multiply.outer(pixels.ky, axes[3:])
    mirrored = point[:, 0] < 0.0
    point = np.where(mirrored[:, None], -point, point)
    nearest = pixels.kx**2 + pixels.ky**2 >= pixels.linear_square
    return np.where(nearest[:, None], np.floor(point + 0.5), point), mirrored


def _corners(point: Array, half: int, n_rows: int) -> list[tuple[Array, Array, Array]]:
    """Return row, x and interpolation weight of the voxels around each point (x, y, z).

    8 of them; 4 in a volume of one plane, where z is 0.
    """
    lower = np.floor(point).astype(np.int64)
    part = point - lower
    half_z = n_rows // (2 * half + 1) // 2
    corners = []
    for corner in CORNERS if half_z else CORNERS[::2]:
        x, y, z = (lower + corner).T
        row = (z + half_z) * (2 * half + 1) + y + half
        corners.append((row, x, np.prod(np.where(corner, part, 1.0 - part), axis=1)))
    return corners


def cut_slices(volume: Volume, axes: Array, pixels: Pixels) -> Array:
    """Interpolate in a volume at the pixels of each slice."""
    values = volume.values.view(np.complex64)
    n_rows = len(values) // (volume.half + 1)
    out = np.empty((len(axes), len(pixels.kx)), np.complex128)
    for s, axis in enumerate(axes):
        point, mirrored = slice_points(axis, pixels)
        corners = _corners(point, volume.half, n_rows)
        out[s] = sum(values[row * (volume.half + 1) + x] * part for row, x, part in corners)
        out[s][mirrored] = out[s][mirrored].conj()
    return out


def insert_slice(
    grid: Grid, class_index: int, points: tuple[Array, Array], numerator: Array, weight: Array
) -> None:
    """Share the pixels of a slice, at its `slice_points`, out to the voxels around them."""
    point, mirrored = points
    values = np.where(mirrored, numerator.conj(), numerator)
    three = np.stack([values.real, values.imag, weight], axis=-1)
    own, begin = held_voxels(grid)
    for row, x, part in _corners(point, grid.half, len(grid.row_start) - 1):
        voxel = grid.row_start[row].astype(np.int64) + x
        held = (own.start <= voxel) & (voxel < own.stop)
        place = 3 * (voxel[held] - begin)[:, None] + np.arange(3)
        np.add.at(grid.values[class_index], place, (part[:, None] * three)[held])


def held_voxels(grid: Grid) -> tuple[slice, int]:
    """Return the voxels that a grid sums, and the one that its first float belongs to."""
    n_y = 2 * grid.half + 1
    first, last = (int(grid.row_start[p * n_y]) for p in (grid.first_plane, grid.last_plane))
    return slice(first, last), int(grid.row_start[max(grid.first_plane - 1, 0) * n_y])
