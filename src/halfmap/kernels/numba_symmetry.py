"""Sum a padded transform over symmetry operators: a gather, each thread owning planes of z.

Voxels are visited in small cubes, all operators for one cube before the next: a rotated cube is
still small, and stays in the cache, while a rotated row would touch a new line at every step.
"""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
from jaxtyping import Float, Float64
from numba import njit
from numpy import ndarray as Array

from halfmap.kernels.numba_cpu.options import EXACT
from halfmap.model.padded_sphere import PaddedSphere
from halfmap.model.touched_voxels import row_starts

CUBE = 8


def sum_over_operators(
    values: Float64[Array, "voxel 3"],
    sphere: PaddedSphere,
    operators: Float[Array, "operator 3 3"],
    n_threads: int = 1,
) -> Float64[Array, "voxel 3"]:
    """Add to each voxel of a sphere the values interpolated at R K, for each operator R.

    Parameters
    ----------
    values
        Signal and weight, packed (`halfmap.model.touched_voxels`); the plane x = 0 Hermitian. Not
        changed.
    sphere
        Whose voxels they are.
    operators
        Matrices that act on (x, y, z), without the identity.
    n_threads
        The result is the same for any number.
    """
    out, rows, reach = values.copy(), row_starts(sphere), sphere.reach
    operators = np.ascontiguousarray(operators, dtype=np.float64)

    def sum_planes(first: int) -> None:
        _sum_planes((values, rows), operators, reach, first, out)

    with ThreadPoolExecutor(n_threads) as threads:
        list(threads.map(sum_planes, range(-reach, reach + 1, CUBE)))
    return out


@njit(**EXACT)
def _sum_planes(sums, operators, reach, first, out):  # type: ignore[no-untyped-def]
    for y in range(-reach, reach + 1, CUBE):
        for x in range(0, reach + 1, CUBE):
            for n in range(operators.shape[0]):
                _add_cube(sums, operators[n], reach, (first, y, x), out)


@njit(**EXACT)
def _add_cube(sums, r, reach, cube, out):  # type: ignore[no-untyped-def]
    values, rows = sums
    half = reach + 1
    for z in range(cube[0], cube[0] + CUBE):
        for y in range(cube[1], cube[1] + CUBE):
            for x in range(cube[2], cube[2] + CUBE):
                if x * x + y * y + z * z <= reach * reach:
                    rx = r[0, 0] * x + r[0, 1] * y + r[0, 2] * z
                    ry = r[1, 0] * x + r[1, 1] * y + r[1, 2] * z
                    rz = r[2, 0] * x + r[2, 1] * y + r[2, 2] * z
                    mirrored = rx < 0.0
                    if mirrored:
                        rx, ry, rz = -rx, -ry, -rz
                    found = _interpolate(values, rows, half, (rx, ry + half, rz + half))
                    own = rows[(z + half) * (2 * half + 1) + y + half] + x
                    out[own, 0] += found[0]
                    out[own, 1] += -found[1] if mirrored else found[1]
                    out[own, 2] += found[2]


@njit(**EXACT)
def _interpolate(values, rows, half, point):  # type: ignore[no-untyped-def]
    x, y, z = point
    n_rows = 2 * half + 1  # of a plane
    i, row = int(x), int(z) * n_rows + int(y)
    fx, fy, fz = x - i, y - int(y), z - int(z)
    parts = (1.0 - fz) * (1.0 - fy), (1.0 - fz) * fy, fz * (1.0 - fy), fz * fy
    corners = (
        rows[row] + i,
        rows[row + 1] + i,
        rows[row + n_rows] + i,
        rows[row + n_rows + 1] + i,
    )
    return (
        _between(values[:, 0], corners, parts, fx),
        _between(values[:, 1], corners, parts, fx),
        _between(values[:, 2], corners, parts, fx),
    )


@njit(inline="always", **EXACT)
def _between(values, corners, parts, fx):  # type: ignore[no-untyped-def]
    left, right = 0.0, 0.0
    for j in range(4):
        left += parts[j] * values[corners[j]]
        right += parts[j] * values[corners[j] + 1]
    return left + fx * (right - left)
