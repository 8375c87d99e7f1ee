"""From the grid of a unit, with its margins, to the integers of the volume that is summed.

What lies at x < 0 belongs, conjugated, to the opposite voxel; what lies at +V/2 along y or z to
-V/2. What lies further out is dropped.
"""
# mypy: ignore-errors
# numba, not mypy, types what follows

import numpy as np

from halfmap.kernels.numba_cpu.flush import add_row
from halfmap.kernels.numba_cpu.options import EXACT, compiled


@compiled(EXACT)
def fold(grid, window, half):
    """Add what lies at x < 0, at y = Vy/2 and at z = Vz/2 to the voxels that stand for it."""
    half_x, half_y, half_z = half
    for z in range(-half_z, half_z + 1):
        for y in range(-half_y, half_y + 1):
            for x in range(1, min(-window.low[0], half_x) + 1):
                own = window.origin + 3 * x + y * window.strides[0] + z * window.strides[1]
                mate = 2 * window.origin - own
                grid[own] += grid[mate]
                grid[own + 1] -= grid[mate + 1]
                grid[own + 2] += grid[mate + 2]
    row = 3 * (half_x + 1)
    for z in range(-half_z, half_z + 1):
        low = window.origin - half_y * window.strides[0] + z * window.strides[1]
        high = low + 2 * half_y * window.strides[0]
        for i in range(row):
            grid[low + i] += grid[high + i]
    for y in range(-half_y, half_y):
        low = window.origin + y * window.strides[0] - half_z * window.strides[1]
        high = low + 2 * half_z * window.strides[1]
        for i in range(row):
            grid[low + i] += grid[high + i]


@compiled(EXACT)
def flush_folded(grid, window, half, scale, largest, out):
    """Add the voxels of a folded grid to integers; say whether all stayed within bounds.

    ``out`` holds the voxels z, y in [-V/2, V/2) and x in [0, Vx/2]; ``half`` says up to which x the
    grid counts. The grid is cleared.
    """
    half_x, half_y, half_z = half
    n_x = out.shape[2]
    row, too_large = np.empty(3 * (half_x + 1)), 0
    for x in range(half_x + 1):
        row[3 * x] = row[3 * x + 1] = scale[0]
        row[3 * x + 2] = scale[1]
    for z in range(2 * half_z):
        for y in range(2 * half_y):
            first = window.origin + (y - half_y) * window.strides[0]
            first += (z - half_z) * window.strides[1]
            integers = out[z, y].reshape(3 * n_x)
            own = grid[first : first + row.shape[0]]
            too_large += add_row(own, row, largest, integers[: row.shape[0]])
    grid[:] = np.float32(0.0)
    return too_large == 0
