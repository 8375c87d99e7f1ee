"""Insertion of slices with a kernel that is a product over the axes.

Two passes over a piece of a row of samples: the first computes where each lies and how its kernel
falls off along each axis, the second adds it to the rows of its window.
"""
# mypy: ignore-errors
# numba, not mypy, types what follows

from typing import NamedTuple

import numpy as np
from numpy import ndarray as Array

from halfmap.kernels.numba_cpu.insertion_places import (
    PIECE,
    empty_places,
    find_floats,
    locate,
    narrow,
    read_samples,
    sampled,
    scale_samples,
    sharpen,
    subtract_explained,
)
from halfmap.kernels.numba_cpu.options import FAST, compiled
from halfmap.kernels.numba_cpu.vector_rows import LANES, ROW, add_products, gauss_weights


class Falloff(NamedTuple):
    """A kernel that is a product over the axes."""

    spread: tuple[float, float, float]
    least: float
    """1/h = a + b |k| + c |k|² of a Gaussian exp(-h d²), and the least h."""
    share: bool
    profile: Array
    """Samples of another function of |d|, `insertion_places.STEPS` a voxel; none of a Gaussian."""


@compiled(FAST, inline="always")
def weigh(places, n, falloff, out):
    """Write the weights along the three axes of every sample, and how much it counts."""
    weights, sharpness, shares = out
    if falloff.profile.shape[0] > 0:
        for t in range(n):
            for axis in range(3):
                for j in range(LANES):
                    d = abs(places.before[axis, t] + np.float32(j))
                    weights[ROW * t + LANES * axis + j] = sampled(falloff.profile, d)
    else:
        sharpen(places.square, n, falloff.spread, falloff.least, sharpness)
        if falloff.share:
            narrow(sharpness, n, shares)
        for t in range(n):
            for axis in range(3):
                place = ROW * t + LANES * axis
                gauss_weights(weights, place, places.before[axis, t], sharpness[t])


@compiled(FAST)
def insert_products(slices, geometry, reference, kernel, grid, size):
    """Insert slices with a kernel that is a product over the axes."""
    axes, place_weight, rows, window = geometry
    strides, floats = window.strides, np.empty(PIECE, np.int64)
    places, sharpness, shares = (
        empty_places(),
        np.empty(PIECE, np.float32),
        np.ones(PIECE, np.float32),
    )
    weights, samples = np.zeros(ROW * PIECE, np.float32), np.empty((3, PIECE), np.float32)
    for s in range(axes.shape[0]):
        for p in range(axes.shape[1]):
            for r in range(rows.y.shape[0]):
                for begin in range(0, rows.length[r], PIECE):
                    n = min(PIECE, rows.length[r] - begin)
                    run = (rows.y[r], begin, n)
                    locate(axes[s, p], run, window, len(size), places)
                    weigh(places, n, kernel, (weights, sharpness, shares))
                    read_samples(slices, (s, r, begin), n, samples)
                    if reference.shape[0] > 0:
                        subtract_explained(reference, window, places, n, samples)
                    own = (shares, rows.share[begin:])
                    find_floats(window, places, n, floats)
                    scale_samples(places, place_weight[p], own, n, samples)
                    for t in range(n):
                        values = (samples[0, t], samples[1, t], samples[2, t])
                        table = (weights, np.int64(ROW * t))
                        add_products(grid, floats[t], strides, values, table, size)
