"""Posterior-weighted sums of images: inserted into the unit's grid, and added up by shell.

The grid holds 3 floats a voxel in single precision; it is turned into integers once a unit.
Inside a unit the order is fixed, so rounding here does no harm to exactness.
"""
# mypy: ignore-errors
# numba, not mypy, types what follows

import numpy as np

from halfmap.kernels.numba_cpu.options import FAST, compiled
from halfmap.kernels.numba_cpu.project import is_flat, locate, places_for
from halfmap.kernels.numba_cpu.vector4 import distribute


@compiled(FAST, inline="always")
def mean_ramp(ramps, shift, posterior, out):
    """Sum the ramps of some shifts with their posterior; return the sum of the posterior."""
    out[:] = np.float32(0.0)
    mass = 0.0
    for e in range(shift.shape[0]):
        p = posterior[e]
        ramp = ramps[shift[e]]
        for i in range(out.shape[0]):
            out[i] += p * ramp[i]
        mass += np.float64(p)
    return np.float32(mass)


@compiled(FAST, inline="always")
def add_powers(slice_, ramp, image, mass, sums):
    """Add mass * power * |P|² and Re(conj(P) G X) of one hit, pixel by pixel."""
    masked, power = image
    model, cross = sums
    for i in range(model.shape[0]):
        re, im = slice_[2 * i], slice_[2 * i + 1]
        c, s = ramp[2 * i], ramp[2 * i + 1]
        x, y = masked[2 * i], masked[2 * i + 1]
        model[i] += mass * power[i] * (re * re + im * im)
        cross[i] += re * (c * x - s * y) + im * (s * x + c * y)


@compiled(FAST, inline="always")
def weighted_image(ramp, image, mass, sign, out):
    """Write (re, im, weight, 0) of what is inserted; mirrored pixels are conjugated.

    The zero is written each time: whole fours are stored as vectors, threes are not.
    """
    unmasked, weight = image
    for i in range(sign.shape[0]):
        c, s = ramp[2 * i], ramp[2 * i + 1]
        x, y = unmasked[2 * i], unmasked[2 * i + 1]
        out[4 * i] = c * x - s * y
        out[4 * i + 1] = sign[i] * (s * x + c * y)
        out[4 * i + 2] = mass * weight[i]
        out[4 * i + 3] = np.float32(0.0)


@compiled(FAST, inline="always")
def rows_of(grid):
    """Count the rows (z, y) of a grid."""
    return grid.row_start.shape[0] - 1


@compiled(FAST)
def scatter(values, class_index, grid, places):
    """Distribute every pixel over the voxels around it.

    A function of its own: inlined, its loop would lack registers.
    """
    own, start = grid.values[class_index], grid.row_start
    if is_flat(rows_of(grid), grid.half):
        scatter_in_plane(values, own, start, places)
    else:
        scatter_in_space(values, own, grid, places)


@compiled(FAST, inline="always")
def first_voxel(grid):
    """Return the voxel that a grid begins with, its margin included."""
    return np.int64(grid.row_start[max(grid.first_plane - 1, 0) * (2 * grid.half + 1)])


@compiled(FAST, inline="always")
def scatter_in_plane(values, own, start, places):
    """Distribute over the 4 voxels around."""
    row, column, part, _ = places
    three = np.int64(3)
    for i in range(row.shape[0]):
        r, x = np.int64(row[i]), np.int64(column[i])
        corners = (three * (np.int64(start[r]) + x), three * (np.int64(start[r + 1]) + x))
        parts = (part[0, i], part[1, i], np.float32(0.0))
        distribute(own, corners, parts, values, 4 * i)


@compiled(FAST, inline="always")
def scatter_in_space(values, own, grid, places):
    """Distribute over the 8 voxels around; of those, some may lie in the margin of the grid."""
    row, column, part, _ = places
    start, three, one = grid.row_start, np.int64(3), np.uint64(1)
    n_rows = np.uint64(2 * grid.half + 1)
    plane = np.int64(n_rows)
    lowest, highest = (grid.first_plane - 1) * plane, grid.last_plane * plane
    is_whole = lowest < 0 and highest >= rows_of(grid)
    begin = first_voxel(grid)
    for i in range(row.shape[0]):
        if is_whole or lowest <= row[i] < highest:
            r, x = np.uint64(row[i]), np.int64(column[i]) - begin  # unsigned: never from the end
            corners = (
                three * (np.int64(start[r]) + x),
                three * (np.int64(start[r + one]) + x),
                three * (np.int64(start[r + n_rows]) + x),
                three * (np.int64(start[r + n_rows + one]) + x),
            )
            parts = (part[0, i], part[1, i], part[2, i])
            distribute(own, corners, parts, values, 4 * i)


@compiled(FAST, inline="always")
def add_by_shell(values, shell, out):
    """Add pixels to their shells, and clear them."""
    for i in range(shell.shape[0]):
        out[shell[i]] += np.float64(values[i])
        values[i] = np.float32(0.0)


@compiled(FAST)
def accumulate(spectra, ramps, hits, slices, geometry, out):
    """See `Kernels.accumulate`."""
    grid, sums = out
    n = geometry.shell.shape[0]
    places, size = places_for(n), (rows_of(grid), grid.half)
    ramp = np.empty(ramps.shape[1], np.float32)
    values = np.zeros(4 * n, np.float32)
    model, cross = np.zeros(n, np.float32), np.zeros(n, np.float32)
    adds_up = slices.shape[0] > 0
    for image in range(hits.first_hit.shape[0] - 1):
        compared = (spectra.masked[image], spectra.power[image])
        inserted = (spectra.unmasked[image], spectra.weight[image])
        for h in range(hits.first_hit[image], hits.first_hit[image + 1]):
            own = slice(hits.first_shift[h], hits.end_shift[h])
            row = geometry.slice_row[h]
            k = geometry.class_index[row]
            mass = mean_ramp(ramps, hits.shift[own], hits.posterior[own], ramp)
            if adds_up:
                add_powers(slices[row], ramp, compared, mass, (model, cross))
            locate(geometry.axes[row], geometry.pixels, size, places)
            weighted_image(ramp, inserted, mass, places[3], values)
            scatter(values, k, grid, places)
            is_last = h + 1 == hits.first_hit[image + 1]
            if adds_up and (is_last or geometry.class_index[geometry.slice_row[h + 1]] != k):
                add_by_shell(model, geometry.shell, sums.model[image, k])
                add_by_shell(cross, geometry.shell, sums.cross[image, k])
