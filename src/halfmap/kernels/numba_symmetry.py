"""Sum a padded transform over symmetry operators: a gather, each thread owning planes of z.

Voxels are visited in small cubes, all operators for one cube before the next: a rotated cube is
still small, and stays in the cache, while a rotated row would touch a new line at every step.
"""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
from jaxtyping import Complex128, Float
from numba import njit
from numpy import ndarray as Array

from halfmap.kernels.numba_cpu.options import EXACT

CUBE = 8


def sum_over_operators(
    signal: Complex128[Array, "z y x"],
    weight: Float[Array, "z y x"],
    operators: Float[Array, "operator 3 3"],
    reach: int,
    n_threads: int = 1,
) -> tuple[Complex128[Array, "z y x"], Float[Array, "z y x"]]:
    """Add to each voxel of a sphere the values interpolated at R K, for each operator R.

    Parameters
    ----------
    signal, weight
        Half-space transforms in the layout of `halfmap.model.reference.FourierReference`; the
        plane x = 0 Hermitian. Not changed.
    operators
        Matrices that act on (x, y, z), without the identity.
    reach
        Radius of the sphere, voxels; one less than the index of frequency zero.
    n_threads
        The result is the same for any number.
    """
    out_signal, out_weight = signal.copy(), weight.copy()
    operators = np.ascontiguousarray(operators, dtype=np.float64)

    def sum_planes(first: int) -> None:
        _sum_planes((signal, weight), operators, reach, first, (out_signal, out_weight))

    with ThreadPoolExecutor(n_threads) as threads:
        list(threads.map(sum_planes, range(-reach, reach + 1, CUBE)))
    return out_signal, out_weight


@njit(**EXACT)
def _sum_planes(sums, operators, reach, first, out):  # type: ignore[no-untyped-def]
    for y in range(-reach, reach + 1, CUBE):
        for x in range(0, reach + 1, CUBE):
            for n in range(operators.shape[0]):
                _add_cube(sums, operators[n], reach, (first, y, x), out)


@njit(**EXACT)
def _add_cube(sums, r, reach, cube, out):  # type: ignore[no-untyped-def]
    signal, weight = sums
    out_signal, out_weight = out
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
                    value, total = _interpolate(signal, weight, rx, ry + half, rz + half)
                    if mirrored:
                        value = value.conjugate()
                    out_signal[z + half, y + half, x] += value
                    out_weight[z + half, y + half, x] += total


@njit(**EXACT)
def _interpolate(signal, weight, x, y, z):  # type: ignore[no-untyped-def]
    i, j, k = int(x), int(y), int(z)
    fx, fy, fz = x - i, y - j, z - k
    a, b = (1.0 - fz) * (1.0 - fy), (1.0 - fz) * fy
    c, d = fz * (1.0 - fy), fz * fy
    left = a * signal[k, j, i] + b * signal[k, j + 1, i]
    left += c * signal[k + 1, j, i] + d * signal[k + 1, j + 1, i]
    right = a * signal[k, j, i + 1] + b * signal[k, j + 1, i + 1]
    right += c * signal[k + 1, j, i + 1] + d * signal[k + 1, j + 1, i + 1]
    near = a * weight[k, j, i] + b * weight[k, j + 1, i]
    near += c * weight[k + 1, j, i] + d * weight[k + 1, j + 1, i]
    far = a * weight[k, j, i + 1] + b * weight[k, j + 1, i + 1]
    far += c * weight[k + 1, j, i + 1] + d * weight[k + 1, j + 1, i + 1]
    return left + fx * (right - left), near + fx * (far - near)
