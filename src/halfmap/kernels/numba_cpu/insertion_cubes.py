"""Insertion of slices with any kernel: its value is computed for every voxel of a window."""
# mypy: ignore-errors
# numba, not mypy, types what follows

from typing import NamedTuple

import numpy as np
from numpy import ndarray as Array

from halfmap.kernels.numba_cpu.insertion_places import (
    PIECE,
    empty_places,
    find_floats,
    locate,
    narrow,
    read_samples,
    sampled,
    scale_samples,
    sharpen,
    subtract_explained,
)
from halfmap.kernels.numba_cpu.options import FAST, compiled
from halfmap.kernels.numba_cpu.vector_rows import ROW, add_cube
from halfmap.model.gridding_kernel import STEPS_PER_VOXEL
from halfmap.model.kernel_values import CONE_DEG, TABLE_END, TABLE_STEPS, VANISHES

RADIAN = 180.0 / np.pi
GAUSS, GRIDDING, RADIAL, ANGULAR = range(4)


class Cube(NamedTuple):
    """A kernel that is not a product over the axes."""

    formula: int
    """One of those above."""
    spread: tuple[float, float, float]
    least: float
    share: bool
    table: Array
    """Samples, flat: of the radius, `insertion_places.STEPS` a voxel; in steps of 1/3 voxel; or of
    the exponential."""
    side: int
    """Samples of an axis."""
    at_origin: float
    """What the origin gives itself, where a kernel falls off with the angle."""
    added: tuple[float, float, float]
    """(a, b, c) of what is added to the weight: a g + b |g| + c."""


@compiled(FAST, inline="always")
def exponential(t, table):
    """Return exp(-t); from a table, if there is one, as far as e2make3dpar would."""
    if table.shape[0] == 0:
        return np.exp(-t)
    if t < np.float32(TABLE_END):
        return table[np.int64(np.float32(TABLE_STEPS) * t + np.float32(0.5))]
    return np.exp(-t) if t <= np.float32(VANISHES) else np.float32(0.0)


@compiled(FAST, inline="always")
def narrowed(cube, h, d, k):
    """Return the value of a kernel that falls off with the angle too, in (x, y, z)."""
    v = (d[0] + k[0], d[1] + k[1], d[2] + k[2])
    along = v[0] * k[0] + v[1] * k[1] + v[2] * k[2]
    cx, cy, cz = v[1] * k[2] - v[2] * k[1], v[2] * k[0] - v[0] * k[2], v[0] * k[1] - v[1] * k[0]
    across = np.sqrt(cx * cx + cy * cy + cz * cz)
    kk = k[0] * k[0] + k[1] * k[1] + k[2] * k[2]
    vv = v[0] * v[0] + v[1] * v[1] + v[2] * v[2]
    if kk * vv == 0.0:
        return np.float32(cube.at_origin) if kk + vv == 0.0 else np.float32(0.0)
    angle = np.float32(np.arctan2(across, along)) * np.float32(RADIAN / CONE_DEG)
    t = h * (d[0] * d[0] + d[1] * d[1] + d[2] * d[2])
    return exponential(t, cube.table) * np.exp(-angle * angle)


@compiled(FAST, inline="always")
def cube_value(cube, h, d, k):
    """Return the value of a kernel for a voxel at d from a sample at k."""
    square = d[0] * d[0] + d[1] * d[1] + d[2] * d[2]
    if cube.formula == GAUSS:
        return exponential(h * square, cube.table)
    if cube.formula == RADIAL:
        return sampled(cube.table, np.sqrt(square))
    if cube.formula == GRIDDING:
        three, half = np.float32(STEPS_PER_VOXEL), np.float32(0.5)
        x, y, z = (
            np.int32(three * abs(d[0]) + half),
            np.int32(three * abs(d[1]) + half),
            np.int32(three * abs(d[2]) + half),
        )
        return cube.table[(z * cube.side + y) * cube.side + x]
    return narrowed(cube, h, d, k)


@compiled(FAST, inline="always")
def fill_cube(cube, h, places, t, width, out):
    """Write the value for every voxel of a window twice, and what its weight gets."""
    x, y, z = places.before[0, t], places.before[1, t], places.before[2, t]
    k = (
        np.float32(places.first[0, t]) - x,
        np.float32(places.first[1, t]) - y,
        np.float32(places.first[2, t]) - z,
    )
    a, b, c = np.float32(cube.added[0]), np.float32(cube.added[1]), np.float32(cube.added[2])
    for m in range(width):
        for j in range(width):
            row = ROW * (m * width + j)
            for i in range(width):
                d = (x + np.float32(i), y + np.float32(j), z + np.float32(m))
                g = cube_value(cube, h, d, k)
                out[row + 3 * i] = g
                out[row + 3 * i + 1] = g
                out[row + 3 * i + 2] = a * g + b * abs(g) + c


@compiled(FAST)
def insert_cubes(slices, geometry, reference, cube, grid, size):
    """Insert slices with any kernel."""
    axes, place_weight, rows, window = geometry
    strides, floats = window.strides, np.empty(PIECE, np.int64)
    places, sharpness, shares = (
        empty_places(),
        np.empty(PIECE, np.float32),
        np.ones(PIECE, np.float32),
    )
    weights, width = np.zeros(ROW * len(size) ** 2, np.float32), len(size)
    samples = np.empty((3, PIECE), np.float32)
    for s in range(axes.shape[0]):
        for p in range(axes.shape[1]):
            for r in range(rows.y.shape[0]):
                for begin in range(0, rows.length[r], PIECE):
                    n = min(PIECE, rows.length[r] - begin)
                    run = (rows.y[r], begin, n)
                    locate(axes[s, p], run, window, width, places)
                    sharpen(places.square, n, cube.spread, cube.least, sharpness)
                    if cube.share:
                        narrow(sharpness, n, shares)
                    read_samples(slices, (s, r, begin), n, samples)
                    if reference.shape[0] > 0:
                        subtract_explained(reference, window, places, n, samples)
                    own = (shares, rows.share[begin:])
                    find_floats(window, places, n, floats)
                    scale_samples(places, place_weight[p], own, n, samples)
                    for t in range(n):
                        values = (samples[0, t], samples[1, t], samples[2, t])
                        fill_cube(cube, sharpness[t], places, t, width, weights)
                        add_cube(grid, floats[t], strides, values, weights, size)
