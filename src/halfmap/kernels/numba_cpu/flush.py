"""From the single-precision grid of a unit to the integers of the run."""
# mypy: ignore-errors
# numba, not mypy, types what follows

import numpy as np

from halfmap.kernels.numba_cpu.accumulate import first_voxel
from halfmap.kernels.numba_cpu.options import EXACT, compiled


@compiled(EXACT, inline="always")
def add_row(values, scale, largest, out):
    """Add the numbers of a row to its integers and clear them; return how many are too large."""
    within = 0
    for j in range(values.shape[0]):
        scaled = np.float64(values[j]) * scale[j]
        within += np.int64(abs(scaled) <= largest)
        out[j] += np.int64(np.rint(scaled))
        values[j] = np.float32(0.0)
    return values.shape[0] - within


@compiled(EXACT)
def flush(grid, scale_of_square, largest, out):
    """See `Kernels.flush`."""
    half, too_large = grid.half, 0
    n_y = 2 * half + 1
    scale = np.empty(3 * (half + 1))
    integers = out.reshape(out.shape[0], -1)
    half_z = (grid.row_start.shape[0] - 1) // n_y // 2
    begin = 3 * first_voxel(grid)
    clear_margins(grid, begin)
    for row in range(grid.first_plane * n_y, grid.last_plane * n_y):
        z, y = row // n_y - half_z, row % n_y - half
        first, last = 3 * np.int64(grid.row_start[row]), 3 * np.int64(grid.row_start[row + 1])
        for x in range((last - first) // 3):
            square = z * z + y * y + x * x
            scale[3 * x] = scale[3 * x + 1] = scale_of_square[square, 0]
            scale[3 * x + 2] = scale_of_square[square, 1]
        for k in range(out.shape[0]):
            own = grid.values[k, first - begin : last - begin]
            too_large += add_row(own, scale, largest, integers[k, first:last])
    return too_large == 0


@compiled(EXACT, inline="always")
def clear_margins(grid, begin):
    """Clear the planes on either side, whose sums are those of other grids."""
    n_y = 2 * grid.half + 1
    inner = 3 * np.int64(grid.row_start[grid.first_plane * n_y]) - begin
    outer = 3 * np.int64(grid.row_start[grid.last_plane * n_y]) - begin
    grid.values[:, :inner] = np.float32(0.0)
    grid.values[:, outer:] = np.float32(0.0)
