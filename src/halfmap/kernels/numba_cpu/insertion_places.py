"""Where the samples of a row lie in the grid of a unit, and what they bring.

A sample with x < 0 is taken at its Friedel mate instead, with its window turned round, so that the
loops over voxels know nothing of symmetry. The grid has a margin on every side, as wide as a
window: what falls there is folded back, or dropped, when the unit is done
(`halfmap.kernels.numba_cpu.fold`).
"""
# mypy: ignore-errors
# numba, not mypy, types what follows

from typing import NamedTuple

import numpy as np
from numpy import ndarray as Array

from halfmap.kernels.numba_cpu.options import FAST, compiled

PIECE = 64
"""Samples that are worked on at a time: all that is known of them stays in the L1 cache."""
STEPS = 1024
"""Samples a voxel of tabulated functions, between which they are linear."""


class Window(NamedTuple):
    """Where the windows of samples begin, and how the grid lies in memory."""

    offset: float
    low: Array
    high: Array
    """First voxels (x, y, z) may lie between; beyond that, a window is all margin."""
    origin: int
    """Float of voxel (0, 0, 0)."""
    strides: tuple[int, int]
    """Floats from row to row and from plane to plane."""


class Places(NamedTuple):
    """Where the samples of a piece lie."""

    first: Array
    """First voxel of the window, by axis (x, y, z) and sample."""
    before: Array
    """First voxel - sample."""
    square: Array
    """|k|²."""
    sign: Array
    """-1 if the mate is taken."""


@compiled(FAST, inline="always")
def empty_places():
    """Return memory for the places of a piece."""
    return Places(
        np.empty((3, PIECE), np.int32),
        np.empty((3, PIECE), np.float32),
        np.empty(PIECE, np.float32),
        np.empty(PIECE, np.float32),
    )


@compiled(FAST, inline="always")
def floor32(x):
    """Round down."""
    whole = np.int32(x)
    return np.int32(whole - np.int32(x < np.float32(whole)))


@compiled(FAST, inline="always")
def locate(axes, run, window, width, places):
    """Find places of a run (y, begin, n): samples x = begin, begin + 1, ... of a row."""
    y, begin, n = run
    one, zero = np.float32(1.0), np.float32(0.0)
    turned = np.int32(width - 1)
    offset, fy = np.float32(window.offset), np.float32(y)
    for t in range(n):
        fx = np.float32(begin + t)
        kx, ky, kz = (
            fx * axes[0] + fy * axes[3],
            fx * axes[1] + fy * axes[4],
            fx * axes[2] + fy * axes[5],
        )
        i, j, m = floor32(kx - offset), floor32(ky - offset), floor32(kz - offset)
        mirrored = kx < zero
        i = np.int32(-i - turned) if mirrored else i
        j = np.int32(-j - turned) if mirrored else j
        m = np.int32(-m - turned) if mirrored else m
        sign = -one if mirrored else one
        places.square[t] = kx * kx + ky * ky + kz * kz
        places.sign[t] = sign
        places.before[0, t] = np.float32(i) - sign * kx
        places.before[1, t] = np.float32(j) - sign * ky
        places.before[2, t] = np.float32(m) - sign * kz
        places.first[0, t] = min(max(i, window.low[0]), window.high[0])
        places.first[1, t] = min(max(j, window.low[1]), window.high[1])
        places.first[2, t] = min(max(m, window.low[2]), window.high[2])


@compiled(FAST, inline="always")
def sharpen(square, n, spread, least, out):
    """Write h of every sample over its |k|²."""
    a, b, c = np.float32(spread[0]), np.float32(spread[1]), np.float32(spread[2])
    one, smallest = np.float32(1.0), np.float32(least)
    for t in range(n):
        out[t] = max(smallest, one / (a + b * np.sqrt(square[t]) + c * square[t]))


@compiled(FAST, inline="always")
def narrow(sharpness, n, shares):
    """Write how much a sample counts whose kernel is so sharp."""
    one, two = np.float32(1.0), np.float32(2.0)
    for t in range(n):
        total = one + two * np.exp(-sharpness[t])
        shares[t] = one / (total * total * total)


@compiled(FAST, inline="always")
def sampled(table, distance):
    """Interpolate a tabulated function of a distance >= 0, voxels; 0 behind its end."""
    place = np.float32(distance * np.float32(STEPS))
    i = min(np.int64(place), table.shape[0] - 2)
    part = min(place - np.float32(i), np.float32(1.0))
    return table[i] + part * (table[i + 1] - table[i])


@compiled(FAST, inline="always")
def read_samples(slices, where, n, samples):
    """Write (re, im, weight) of the samples of a piece as they are."""
    signal, weight, (step_y, step_x) = slices
    s, row, begin = where
    for t in range(n):
        samples[0, t] = signal[s, row, begin + t].real
        samples[1, t] = signal[s, row, begin + t].imag
        samples[2, t] = weight[s, row * step_y, (begin + t) * step_x]


@compiled(FAST, inline="always")
def scale_samples(places, factor, shares, n, samples):
    """Take mates where they are taken, and let each sample count as much as it shall."""
    own, of_x = shares
    for t in range(n):
        count = factor * own[t] * of_x[t]
        samples[0, t] *= count
        samples[1, t] *= count * places.sign[t]
        samples[2, t] *= count


@compiled(FAST)
def subtract_explained(reference, window, places, n, samples):
    """Take from samples what a reference, laid out as the grid, has there; times their weight."""
    one, steps = np.float32(1.0), (np.int64(3), window.strides[0], window.strides[1])
    for t in range(n):
        re, im = np.float32(0.0), np.float32(0.0)
        for corner in range(8):
            part, place = one, window.origin
            for axis in range(3):
                k = np.float32(places.first[axis, t]) - places.before[axis, t]
                lower, up = floor32(k), (corner >> axis) & 1
                beyond = k - np.float32(lower)
                part *= beyond if up else one - beyond
                place += steps[axis] * (np.int64(lower) + up)
            re += part * reference[place // 3].real
            im += part * reference[place // 3].imag
        samples[0, t] -= samples[2, t] * re
        samples[1, t] -= samples[2, t] * im * places.sign[t]


@compiled(FAST, inline="always")
def find_floats(window, places, n, out):
    """Write the float of the first voxel of each window."""
    along_y, along_z = window.strides
    for t in range(n):
        x, y, z = places.first[0, t], places.first[1, t], places.first[2, t]
        out[t] = window.origin + np.int64(3) * x + np.int64(y) * along_y + np.int64(z) * along_z
