"""Accumulation of flat posteriors, where most images share most orientations and shifts.

The posterior over shifts becomes a matrix, so that the mean ramps are a matrix product; and images
are summed orientation by orientation before anything is inserted. For peaked posteriors both
would mostly handle zeros.
"""
# mypy: ignore-errors
# numba, not mypy, types what follows

from itertools import pairwise

import numpy as np

from halfmap.kernels.numba_cpu.accumulate import add_by_shell, add_powers, rows_of, scatter
from halfmap.kernels.numba_cpu.options import FAST, compiled
from halfmap.kernels.numba_cpu.project import locate, places_for

SHIFTS_PER_HIT = 25
"""From so many on a matrix product, zeros included, is faster than adding ramps one by one."""
CHUNK = 256
"""Orientations summed at a time; their sums stay in the second-level cache."""


def accumulate(spectra, ramps, hits, slices, geometry, out):
    """See `Kernels.accumulate`."""
    grid, sums = out
    n_images, n = len(spectra.masked), len(geometry.shell)
    by_pixel = np.zeros((n_images, 2, n), np.float32)
    numerator = np.empty((CHUNK, ramps.shape[1]), np.float32)
    weight = np.empty((CHUNK, n), np.float32)
    for class_index, first, last in pieces(geometry.class_index):
        numerator[:] = 0.0
        weight[:] = 0.0
        for image in range(n_images):
            start, stop = hits.first_hit[image : image + 2]
            ends = np.searchsorted(geometry.slice_row[start:stop], (first, last))
            own = slice(*(start + ends))
            if own.stop > own.start:
                posterior = posterior_matrix(hits, own.start, own.stop, len(ramps))
                add_image(
                    (posterior, np.matmul(posterior, ramps)),
                    tuple(rows[image] for rows in spectra),
                    (slices, geometry.slice_row[own], first),
                    by_pixel[image],
                    (numerator, weight),
                )
        insert(numerator[: last - first], weight[: last - first], geometry, first, grid)
        if last == len(slices) or geometry.class_index[last] != class_index:
            add_pixels(by_pixel, geometry.shell, class_index, sums)


def pieces(class_index):
    """Yield (class, first, last) of at most so many slices, none with two classes."""
    ends = [*(np.flatnonzero(np.diff(class_index)) + 1), len(class_index)]
    for start, stop in pairwise([0, *ends]):
        for first in range(start, stop, CHUNK):
            yield class_index[start], first, min(first + CHUNK, stop)


@compiled(FAST)
def posterior_matrix(hits, start, stop, n_shifts):
    """Return the posterior of some hits at every shift."""
    matrix = np.zeros((stop - start, n_shifts), np.float32)
    for h in range(start, stop):
        for e in range(hits.first_shift[h], hits.end_shift[h]):
            matrix[h - start, hits.shift[e]] = hits.posterior[e]
    return matrix


@compiled(FAST)
def add_image(means, image, where, by_pixel, out):
    """Add one image to the sums of its orientations, and its model and cross power by pixel."""
    posterior, ramps = means
    masked, unmasked, power, inserted = image
    slices, rows, first = where
    numerator, weight = out
    for h in range(rows.shape[0]):
        mass = posterior[h].sum()
        add_powers(slices[rows[h]], ramps[h], (masked, power), mass, (by_pixel[0], by_pixel[1]))
        own, own_weight = numerator[rows[h] - first], weight[rows[h] - first]
        for i in range(own_weight.shape[0]):
            c, s = ramps[h, 2 * i], ramps[h, 2 * i + 1]
            x, y = unmasked[2 * i], unmasked[2 * i + 1]
            own[2 * i] += c * x - s * y
            own[2 * i + 1] += s * x + c * y
            own_weight[i] += mass * inserted[i]


@compiled(FAST)
def insert(numerator, weight, geometry, first, grid):
    """Insert the sums of some orientations; those without weight are skipped."""
    n = weight.shape[1]
    places, size = places_for(n), (rows_of(grid), grid.half)
    values = np.zeros(4 * n, np.float32)
    for j in range(weight.shape[0]):
        if weight[j].max() > 0.0:
            locate(geometry.axes[first + j], geometry.pixels, size, places)
            for i in range(n):
                values[4 * i] = numerator[j, 2 * i]
                values[4 * i + 1] = places[3][i] * numerator[j, 2 * i + 1]
                values[4 * i + 2] = weight[j, i]
            scatter(values, geometry.class_index[first + j], grid, places)


@compiled(FAST)
def add_pixels(by_pixel, shell, class_index, sums):
    """Add the pixels of every image to the shells of a class, and clear them."""
    for image in range(by_pixel.shape[0]):
        add_by_shell(by_pixel[image, 0], shell, sums.model[image, class_index])
        add_by_shell(by_pixel[image, 1], shell, sums.cross[image, class_index])
