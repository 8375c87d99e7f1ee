"""Loops over the packed voxels of a padded transform, as `halfmap.model.touched_voxels` lists them.

All take ``volume``: the values, where each row begins, and the index of frequency zero along y.
They round as written.
"""
# mypy: ignore-errors
# numba, not mypy, types what follows

import numpy as np
from numba import njit

from halfmap.kernels.numba_cpu.options import EXACT
from halfmap.model.prior_precision import NO_PRIOR_WEIGHT, SMALLEST_WEIGHT


@njit(inline="always", **EXACT)
def _row(rows, half, row):
    """Return where a row begins and ends, and the z² + y² of its voxels."""
    n_y = 2 * half + 1
    half_z = (rows.shape[0] - 1) // n_y // 2
    z, y = row // n_y - half_z, row % n_y - half
    return np.int64(rows[row]), np.int64(rows[row + 1]), z * z + y * y


@njit(inline="always", **EXACT)
def _precision(weight, prior):
    """See `halfmap.model.prior_precision.precision`."""
    if prior < np.inf:
        return weight + prior
    return weight + (1.0 / (NO_PRIOR_WEIGHT * weight) if weight > SMALLEST_WEIGHT else 0.0)


@njit(**EXACT)
def decode_rows(integers, volume, first, last, of_square):
    """Turn the integers of some rows into floating point; see `halfmap.model.exact.decode`.

    ``values`` may be the memory of ``integers``.
    """
    values, rows, half = volume
    for row in range(first, last):
        begin, end, square = _row(rows, half, row)
        for v in range(begin, end):
            unit = of_square[square + (v - begin) * (v - begin)]
            values[v, 0] = np.float64(integers[v, 0]) * unit[0]
            values[v, 1] = np.float64(integers[v, 1]) * unit[0]
            values[v, 2] = np.float64(integers[v, 2]) * unit[1]


@njit(**EXACT)
def weights_of_plane(volume, z, shell_of_square, out):
    """Add the weights of a plane, their squares, and the number of voxels to each shell."""
    values, rows, half = volume
    n_y = 2 * half + 1
    for row in range(z * n_y, (z + 1) * n_y):
        begin, end, square = _row(rows, half, row)
        for v in range(begin, end):
            shell, weight = shell_of_square[square + (v - begin) * (v - begin)], values[v, 2]
            out[0, shell] += weight
            out[1, shell] += weight * weight
            out[2, shell] += 1.0


@njit(**EXACT)
def covered_in_plane(volume, z, shell_of_square, needed, out):
    """Count the voxels of a plane whose weight is what their shell needs."""
    values, rows, half = volume
    n_y = 2 * half + 1
    for row in range(z * n_y, (z + 1) * n_y):
        begin, end, square = _row(rows, half, row)
        for v in range(begin, end):
            shell = shell_of_square[square + (v - begin) * (v - begin)]
            out[shell] += np.float64(values[v, 2] >= needed[shell])


@njit(**EXACT)
def precision_of_plane(volume, z, shell_of_square, prior, out):
    """Add the precisions of a plane, and the number of voxels, to each shell."""
    values, rows, half = volume
    n_y = 2 * half + 1
    for row in range(z * n_y, (z + 1) * n_y):
        begin, end, square = _row(rows, half, row)
        for v in range(begin, end):
            k2 = square + (v - begin) * (v - begin)
            shell = shell_of_square[k2]
            out[0, shell] += _precision(values[v, 2], prior[k2])
            out[1, shell] += 1.0


@njit(**EXACT)
def average_of_planes(volume, first, last, bins, out):
    """Sum voxels of some planes into bins of y and x, and divide numerator by weight.

    Parameters
    ----------
    volume, first, last
        Planes of constant z.
    bins
        Of each y, from -half on; those of x are the later half, less the first of them.
    out
        ``[y, x]``, complex; 0 where there are no data.
    """
    values, rows, half = volume
    n_y, weights = 2 * half + 1, np.zeros(out.shape)
    out[:] = 0.0
    for row in range(first * n_y, last * n_y):
        begin, end = np.int64(rows[row]), np.int64(rows[row + 1])
        y = bins[row % n_y]
        for v in range(begin, end):
            x = bins[half + v - begin] - bins[half]
            out[y, x] += complex(values[v, 0], values[v, 1])
            weights[y, x] += values[v, 2]
    for y in range(out.shape[0]):
        for x in range(out.shape[1]):
            if weights[y, x] > 0.0:
                out[y, x] = complex(out[y, x].real / weights[y, x], out[y, x].imag / weights[y, x])
            else:
                out[y, x] = 0.0


@njit(**EXACT)
def powers_of_plane(a, b, square, shell_of_square, out):
    """Add Re a b*, |a|² and |b|² of a plane to their shells.

    Parameters
    ----------
    a, b
        ``[y, x]``, y from minus half the size on.
    square
        z² of the plane.
    shell_of_square
        Its last entry is that of all larger K².
    """
    half, beyond = a.shape[0] // 2, shell_of_square.shape[0] - 1
    for y in range(a.shape[0]):
        for x in range(a.shape[1]):
            k2 = min(square + (y - half) * (y - half) + x * x, beyond)
            shell, p, q = shell_of_square[k2], a[y, x], b[y, x]
            out[0, shell] += p.real * q.real + p.imag * q.imag
            out[1, shell] += p.real * p.real + p.imag * p.imag
            out[2, shell] += q.real * q.real + q.imag * q.imag


@njit(**EXACT)
def posterior_columns(volume, block, inversion, phase, out):
    """Fill some columns of a transform with the posterior mean, ready for an inverse transform.

    Parameters
    ----------
    volume
        Packed numerator and weight.
    block
        First x and first y of the columns, frequencies.
    inversion
        ``reach`` beyond which all is zero; the inverse prior and the smallest precision of each K²;
        what to multiply each voxel by instead of dividing it, or nothing.
    phase
        Of each frequency from -half on, along z and along y.
    out
        ``[z, y, x]`` complex: z is the frequency modulo the length, other frequencies are zero.
    """
    rows, half = volume[1], volume[2]
    n_y = 2 * half + 1
    half_z = (rows.shape[0] - 1) // n_y // 2
    padded = out.shape[0]
    n_used = np.zeros(out.shape[1], np.int64)
    own = np.empty((out.shape[1], out.shape[2], 4))
    out[:] = 0.0
    for z in range(-half_z, half_z + 1):
        if -padded < 2 * z <= padded:  # Nyquist once
            row = (z + half_z) * n_y + block[1] + half
            _copy_columns(volume, row, (z * z, block), (inversion, n_used), own)
            for j in range(out.shape[1]):
                y = block[1] + j
                turn = phase[0][z + half_z] * phase[1][y + half]
                for i in range(n_used[j]):
                    factor = own[j, i, 3]
                    if factor < 0.0:
                        factor = _inverse(
                            own[j, i, 2], z * z + y * y + (block[0] + i) ** 2, inversion
                        )
                    out[z % padded, j, i] = turn * complex(
                        own[j, i, 0] * factor, own[j, i, 1] * factor
                    )


@njit(inline="always", **EXACT)
def _inverse(weight, square, inversion):
    below = max(_precision(weight, inversion[1][square]), inversion[2][square])
    return 1.0 / below if below > 0.0 else 0.0


@njit(**EXACT)
def _copy_columns(volume, first_row, where, how, own):
    """Copy some voxels of a few rows: so tight a loop waits for the memory of many at a time."""
    values, rows, _ = volume
    square_z, block = where
    inversion, n_used = how
    reach, factors = inversion[0], inversion[3]
    for j in range(own.shape[0]):
        y = block[1] + j
        left = reach * reach - square_z - y * y
        n_used[j] = 0
        if left >= block[0] * block[0]:
            n_used[j] = min(own.shape[1], int(np.sqrt(left)) - block[0] + 1)
            begin = np.int64(rows[first_row + j]) + block[0]
            for i in range(n_used[j]):
                own[j, i, 0] = values[begin + i, 0]
                own[j, i, 1] = values[begin + i, 1]
                own[j, i, 2] = values[begin + i, 2]
                own[j, i, 3] = factors[begin + i] if factors.shape[0] > 0 else -1.0


@njit(**EXACT)
def reference_columns(column, block, tables, out, sums):
    """Store some columns of the transform of a map, and add their power to its shells.

    Parameters
    ----------
    column
        ``[z, y, x]``, z being the frequency modulo the length.
    block
        First x and first y, frequencies.
    tables
        Shell of each K², the last one being none; factor; centring along z and y.
    out
        ``[z, y, x]``, all z and y: those that are within the sphere are written.
    sums
        Power and number of voxels of each shell.
    """
    shell_of, factor, phase = tables
    half_z, half, none = out.shape[0] // 2, out.shape[1] // 2, sums.shape[1] - 1
    padded = column.shape[0]
    for z in range(-half_z, half_z + 1):
        if half_z == 0 or abs(2 * z) <= padded:
            for j in range(column.shape[1]):
                y = block[1] + j
                turn = factor * phase[0][z + half_z] * phase[1][y + half]
                for i in range(column.shape[2]):
                    x = block[0] + i
                    shell = shell_of[z * z + y * y + x * x]
                    if shell == none:
                        break
                    value = turn * column[z % padded, j, i]
                    out[z + half_z, y + half, i] = value
                    sums[0, shell] += value.real * value.real + value.imag * value.imag
                    sums[1, shell] += 1.0


@njit(**EXACT)
def outside_of_plane(plane, square, weight):
    """Return the sum of a plane of a map outside the sphere, and that of the weights there.

    Parameters
    ----------
    square
        z² of the plane, pixels from the centre.
    weight
        Of the outside, by squared radius.
    """
    n, total, count = plane.shape[0], 0.0, 0.0
    for y in range(n):
        of_row = square + (y - n // 2) * (y - n // 2)
        for x in range(n):
            own = weight[of_row + (x - n // 2) * (x - n // 2)]
            total += own * plane[y, x]
            count += own
    return total, count


@njit(**EXACT)
def finish_plane(plane, square, tables, fill, out):
    """Fill the outside of a plane of a map and divide by the window of interpolation.

    Parameters
    ----------
    plane, square
        As `outside_of_plane`.
    tables
        Weight of the outside and window, by squared radius.
    fill
        Value of the outside.
    """
    weight, window = tables
    n = plane.shape[0]
    for y in range(n):
        of_row = square + (y - n // 2) * (y - n // 2)
        for x in range(n):
            k2 = of_row + (x - n // 2) * (x - n // 2)
            value = plane[y, x] + weight[k2] * (fill - plane[y, x])
            out[y, x] = np.float32(value / window[k2])
