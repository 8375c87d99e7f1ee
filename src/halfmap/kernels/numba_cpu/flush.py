"""From the single-precision grid of a unit to the integers of the run."""
# mypy: ignore-errors
# numba, not mypy, types what follows

import numpy as np
from numba import njit

from halfmap.kernels.numba_cpu.options import EXACT


@njit(inline="always", **EXACT)
def add_voxel(value, scale, largest, out):
    """Add one voxel to its integers and clear it."""
    fits = True
    for j in range(3):
        scaled = np.float64(value[j]) * scale[j // 2]
        fits &= abs(scaled) <= largest
        out[j] += np.int64(np.rint(scaled))
        value[j] = np.float32(0.0)
    return fits


@njit(**EXACT)
def flush(grid, scale_of_square, largest, out):
    """See `Kernels.flush`."""
    fits, values, half = True, grid.values, grid.half
    for k in range(values.shape[0]):
        for z in range(-half, half + 1):
            for y in range(-half, half + 1):
                first = ((z + half) * (2 * half + 1) + y + half) * (half + 1)
                rim = z * z + y * y
                for x in range(half + 1):
                    square = rim + x * x
                    if square >= scale_of_square.shape[0]:
                        break
                    fits &= add_voxel(
                        values[k, first + x], scale_of_square[square], largest, out[k, first + x]
                    )
    return fits
