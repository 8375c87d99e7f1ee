"""From the single-precision grid of a unit to the integers of the run."""
# mypy: ignore-errors
# numba, not mypy, types what follows

import numpy as np

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
    half, row, too_large = grid.half, 0, 0
    scale = np.empty(3 * (half + 1))
    integers = out.reshape(out.shape[0], -1)
    half_z = (grid.row_start.shape[0] - 1) // (2 * half + 1) // 2
    for z in range(-half_z, half_z + 1):
        for y in range(-half, half + 1):
            first, last = 3 * np.int64(grid.row_start[row]), 3 * np.int64(grid.row_start[row + 1])
            for x in range((last - first) // 3):
                square = z * z + y * y + x * x
                scale[3 * x] = scale[3 * x + 1] = scale_of_square[square, 0]
                scale[3 * x + 2] = scale_of_square[square, 1]
            for k in range(out.shape[0]):
                own = integers[k, first:last]
                too_large += add_row(grid.values[k, first:last], scale, largest, own)
            row += 1
    return too_large == 0
