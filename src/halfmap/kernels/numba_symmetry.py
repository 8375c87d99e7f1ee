"""Sum a padded transform over symmetry operators: a gather, each thread owning planes of z."""

import numpy as np
from jaxtyping import Complex128, Float
from numba import njit, prange
from numpy import ndarray as Array


def sum_over_operators(
    signal: Complex128[Array, "z y x"],
    weight: Float[Array, "z y x"],
    operators: Float[Array, "operator 3 3"],
    reach: int,
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
    """
    out_signal, out_weight = signal.copy(), weight.copy()
    _sum_over_operators(signal, weight, operators, reach, out_signal, out_weight)
    return out_signal, out_weight


@njit(parallel=True, cache=True)
def _sum_over_operators(signal, weight, operators, reach, out_signal, out_weight):  # type: ignore[no-untyped-def]
    half = reach + 1
    for i in prange(2 * reach + 1):
        z = i - reach
        for y in range(-reach, reach + 1):
            for x in range(reach + 1):
                if x * x + y * y + z * z <= reach * reach:
                    for n in range(operators.shape[0]):
                        r = operators[n]
                        rx = r[0, 0] * x + r[0, 1] * y + r[0, 2] * z
                        ry = r[1, 0] * x + r[1, 1] * y + r[1, 2] * z
                        rz = r[2, 0] * x + r[2, 1] * y + r[2, 2] * z
                        value, total = _interpolate(signal, weight, half, rx, ry, rz)
                        out_signal[z + half, y + half, x] += value
                        out_weight[z + half, y + half, x] += total


@njit(cache=True)
def _interpolate(signal, weight, half, x, y, z):  # type: ignore[no-untyped-def]
    mirrored = x < 0.0
    if mirrored:
        x, y, z = -x, -y, -z
    x0, y0, z0 = int(np.floor(x)), int(np.floor(y)), int(np.floor(z))
    fx, fy, fz = x - x0, y - y0, z - z0
    value, total = 0.0j, 0.0
    for dz in range(2):
        for dy in range(2):
            row = (fz if dz else 1.0 - fz) * (fy if dy else 1.0 - fy)
            k, j = z0 + dz + half, y0 + dy + half
            value += row * ((1.0 - fx) * signal[k, j, x0] + fx * signal[k, j, x0 + 1])
            total += row * ((1.0 - fx) * weight[k, j, x0] + fx * weight[k, j, x0 + 1])
    if mirrored:
        value = value.conjugate()
    return value, total
