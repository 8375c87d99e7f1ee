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
    locate,
    narrow,
    sample,
    sampled,
    sharpen,
    voxel_float,
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
    places, sharpness, shares = (
        empty_places(),
        np.empty(PIECE, np.float32),
        np.ones(PIECE, np.float32),
    )
    weights = np.zeros(ROW * PIECE, np.float32)
    for s in range(axes.shape[0]):
        for p in range(axes.shape[1]):
            for r in range(rows.y.shape[0]):
                for begin in range(0, rows.length[r], PIECE):
                    n = min(PIECE, rows.length[r] - begin)
                    run = (rows.y[r], begin, n)
                    locate(axes[s, p], run, window, len(size), places)
                    weigh(places, n, kernel, (weights, sharpness, shares))
                    for t in range(n):
                        x = begin + t
                        factor = place_weight[p] * rows.share[x] * shares[t]
                        values = sample(slices, (s, r, x), factor, (reference, window), places, t)
                        first = voxel_float(window, places, t)
                        table = (weights, np.int64(ROW * t))
                        add_products(grid, first, window.strides, values, table, size)
