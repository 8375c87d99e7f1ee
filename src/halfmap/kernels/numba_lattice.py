"""Sum a half volume over operators that take its lattice to itself: exact, in integers too."""

import numpy as np
from jaxtyping import Int, Shaped
from numba import njit
from numpy import ndarray as Array

from halfmap.kernels.numba_cpu.options import EXACT


def sum_over_lattice(
    values: Shaped[Array, "z y x 3"], factors: tuple[Int[Array, "operator 3 3"], ...]
) -> Shaped[Array, "z y x 3"]:
    """Add to each voxel v the values at S v, for each product S of operators.

    Parameters
    ----------
    values
        Real part, imaginary part and weight of a half volume
        (`halfmap.kernels.insertion_protocol`), the planes x = 0 and Nyquist complete. Not changed.
    factors
        See `halfmap.model.lattice_symmetry.SplitGroup`.
    """
    for operators in factors:
        out = np.zeros_like(values)
        _add_operators(values, operators, out)
        values = out
    return values


@njit(**EXACT)
def _add_operators(values, operators, out):  # type: ignore[no-untyped-def]
    n_z, n_y = values.shape[:2]
    for z in range(n_z):
        for y in range(n_y):
            for n in range(operators.shape[0]):
                _add_row(values, operators[n], (z - n_z // 2, y - n_y // 2), out[z, y])


@njit(**EXACT)
def _add_row(values, s, row, out):  # type: ignore[no-untyped-def]
    n_z, n_y, n_x = values.shape[:3]
    k, j = row
    for i in range(n_x):
        x = s[0, 0] * i + s[0, 1] * j + s[0, 2] * k
        y = s[1, 0] * i + s[1, 1] * j + s[1, 2] * k
        z = s[2, 0] * i + s[2, 1] * j + s[2, 2] * k
        sign = 1
        if x < 0:
            x, y, z, sign = -x, -y, -z, -1
        own = values[(z + n_z // 2) % n_z, (y + n_y // 2) % n_y, x]
        out[i, 0] += own[0]
        out[i, 1] += sign * own[1]
        out[i, 2] += own[2]
