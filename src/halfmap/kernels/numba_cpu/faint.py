"""The voxels of a unit's grid whose weight is too small for the integers of the run."""
# mypy: ignore-errors
# numba, not mypy, types what follows

import numpy as np

from halfmap.kernels.numba_cpu.options import EXACT, compiled

SMALLEST = np.float32(np.finfo(np.float32).smallest_normal)


@compiled(EXACT)
def list_faint(grid, geometry, scale, limits, sums, found):
    """List voxels whose weight, and what is summed of it so far, are below a limit.

    Of a folded grid, before it is cleared; ``geometry`` is its window and how far it counts.
    ``limits`` are that limit, as an integer, and the bits from level to level. Written are as many
    as there is room for in ``found``: voxel, level, and integers. Returned is how many there are.
    Weights that single precision holds with fewer digits do not count.
    """
    window, (half_x, half_y, half_z) = geometry
    limit, bits = limits
    voxel, level, integers = found
    n_y, n_x, n = sums.shape[1], sums.shape[2], 0
    step = 2.0**bits
    for z in range(2 * half_z):
        for y in range(2 * half_y):
            first = window.origin + (y - half_y) * window.strides[0]
            first += (z - half_z) * window.strides[1]
            for x in range(half_x + 1):
                held = grid[first + 3 * x + 2]
                weight = np.float64(held) * scale[1]
                if held >= SMALLEST and weight + sums[z, y, x, 2] < limit:
                    if n < voxel.shape[0]:
                        above, factor = 0, 1.0
                        while weight * factor < limit:
                            above += 1
                            factor *= step
                        voxel[n], level[n] = (z * n_y + y) * n_x + x, above
                        own = first + 3 * x
                        integers[n, 0] = np.int64(np.rint(grid[own] * scale[0] * factor))
                        integers[n, 1] = np.int64(np.rint(grid[own + 1] * scale[0] * factor))
                        integers[n, 2] = np.int64(np.rint(weight * factor))
                    n += 1
    return n
