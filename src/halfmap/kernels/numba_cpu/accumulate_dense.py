"""Accumulation of flat posteriors, where most images share most orientations and shifts.

The posterior over shifts becomes a matrix, so that the mean ramps are a matrix product; and images
are summed orientation by orientation before anything is inserted. For peaked posteriors both
would mostly handle zeros.
"""
# mypy: ignore-errors
# numba, not mypy, types what follows

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
    posterior = np.empty((CHUNK, len(ramps)), np.float32)
    means, numerator = np.empty((2, CHUNK, ramps.shape[1]), np.float32)
    weight = np.empty((CHUNK, n), np.float32)
    n_slices = len(geometry.axes)
    for first in range(0, n_slices, CHUNK):
        last = min(first + CHUNK, n_slices)
        numerator[:] = 0.0
        weight[:] = 0.0
        first_class = geometry.class_index[first:last].min()
        classes = geometry.class_index[first:last] - first_class
        by_pixel = np.zeros((n_images, classes.max() + 1, 2, n), np.float32)
        for image in range(n_images):
            start, stop = hits.first_hit[image : image + 2]
            begin, end = start + np.searchsorted(geometry.slice_row[start:stop], (first, last))
            if end > begin:
                own = slice(0, end - begin)
                fill_posterior(hits, begin, posterior[own])
                np.matmul(posterior[own], ramps, out=means[own])
                add_image(
                    (posterior[own], means[own]),
                    tuple(rows[image] for rows in spectra),
                    (slices[first:last], geometry.slice_row[begin:end] - first, classes),
                    by_pixel[image],
                    (numerator, weight),
                )
        insert(numerator[: last - first], weight[: last - first], geometry, first, grid)
        if len(slices):
            add_pixels(by_pixel, geometry.shell, first_class, sums)


@compiled(FAST)
def fill_posterior(hits, start, out):
    """Write the posterior of some hits at every shift."""
    out[:] = np.float32(0.0)
    for j in range(out.shape[0]):
        for e in range(hits.first_shift[start + j], hits.end_shift[start + j]):
            out[j, hits.shift[e]] = hits.posterior[e]


@compiled(FAST)
def add_image(means, image, where, by_pixel, out):
    """Add one image to the sums of its orientations, and its model and cross power by pixel."""
    posterior, ramps = means
    masked, unmasked, power, inserted = image
    slices, rows, classes = where
    numerator, weight = out
    for h in range(rows.shape[0]):
        mass = posterior[h].sum()
        of_class = by_pixel[classes[rows[h]]]
        if slices.shape[0] > 0:
            own_sums = (of_class[0], of_class[1])
            add_powers(slices[rows[h]], ramps[h], (masked, power), mass, own_sums)
        own, own_weight = numerator[rows[h]], weight[rows[h]]
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
def add_pixels(by_pixel, shell, first_class, sums):
    """Add the pixels of every image to the shells of their classes."""
    for image in range(by_pixel.shape[0]):
        for k in range(by_pixel.shape[1]):
            own = by_pixel[image, k]
            add_by_shell(own[0], shell, sums.model[image, first_class + k])
            add_by_shell(own[1], shell, sums.cross[image, first_class + k])
