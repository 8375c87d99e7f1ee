"""Shifted copies, and inner products of slices with them in register blocks.

A block of 4 slices by 4 copies keeps 16 running vectors in registers: every number loaded is
used four times. For the fine search this beats a matrix product, whose operands would have
to be collected first; a particle's copies stay in the second-level cache meanwhile.
"""
# mypy: ignore-errors
# numba, not mypy, types what follows

import numpy as np

from halfmap.kernels.numba_cpu.options import FAST, compiled
from halfmap.kernels.numba_cpu.project import gather, locate, places_for, rows_of

TILE = 8
"""Orientations projected at a time in a local search; their slices stay in the cache."""


@compiled(FAST, inline="always")
def shift_row(x, ramp, out):
    """Complex product of two interleaved rows."""
    for i in range(x.shape[0] // 2):
        re, im = x[2 * i], x[2 * i + 1]
        c, s = ramp[2 * i], ramp[2 * i + 1]
        out[2 * i] = re * c - im * s
        out[2 * i + 1] = re * s + im * c


@compiled(FAST)
def shifted(spectra, ramps, out):
    """See `Kernels.shifted`."""
    for i in range(spectra.shape[0]):
        for t in range(ramps.shape[0]):
            shift_row(spectra[i], ramps[t], out[i, t])


@compiled(FAST)
def half_power(slices, out):
    """See `Kernels.half_power`."""
    half = np.float32(0.5)
    n = slices.shape[1] // 2
    for s in range(slices.shape[0]):
        for i in range(n):
            re, im = slices[s, 2 * i], slices[s, 2 * i + 1]
            out[s, i] = half * (re * re + im * im)
        for i in range(n, out.shape[1]):
            out[s, i] = np.float32(0.0)


@compiled(FAST, inline="always")
def norm(slice_, power, n):
    """Half the sum of power * |P|²."""
    total = np.float32(0.0)
    for i in range(n):
        re, im = slice_[2 * i], slice_[2 * i + 1]
        total += power[i] * (re * re + im * im)
    return np.float32(0.5) * total


@compiled(FAST)
def dot(a, b):
    """Inner product."""
    total = np.float32(0.0)
    for i in range(a.shape[0]):
        total += a[i] * b[i]
    return total


@compiled(FAST)
def block44(f, x, out):
    """Inner products of 4 slices with 4 copies."""
    f0, f1, f2, f3 = f[0], f[1], f[2], f[3]
    x0, x1, x2, x3 = x[0], x[1], x[2], x[3]
    s00 = s01 = s02 = s03 = np.float32(0.0)
    s10 = s11 = s12 = s13 = np.float32(0.0)
    s20 = s21 = s22 = s23 = np.float32(0.0)
    s30 = s31 = s32 = s33 = np.float32(0.0)
    for i in range(f0.shape[0]):
        a0, a1, a2, a3 = x0[i], x1[i], x2[i], x3[i]
        b = f0[i]
        s00 += a0 * b
        s01 += a1 * b
        s02 += a2 * b
        s03 += a3 * b
        b = f1[i]
        s10 += a0 * b
        s11 += a1 * b
        s12 += a2 * b
        s13 += a3 * b
        b = f2[i]
        s20 += a0 * b
        s21 += a1 * b
        s22 += a2 * b
        s23 += a3 * b
        b = f3[i]
        s30 += a0 * b
        s31 += a1 * b
        s32 += a2 * b
        s33 += a3 * b
    out[0, 0], out[0, 1], out[0, 2], out[0, 3] = s00, s01, s02, s03
    out[1, 0], out[1, 1], out[1, 2], out[1, 3] = s10, s11, s12, s13
    out[2, 0], out[2, 1], out[2, 2], out[2, 3] = s20, s21, s22, s23
    out[3, 0], out[3, 1], out[3, 2], out[3, 3] = s30, s31, s32, s33


@compiled(FAST)
def block(f, x, out):
    """Inner products of any number of slices and copies, 4 by 4 as far as that goes."""
    m, n = f.shape[0], x.shape[0]
    m4, n4 = m - m % 4, n - n % 4
    for i in range(0, m4, 4):
        for j in range(0, n4, 4):
            block44(f[i : i + 4], x[j : j + 4], out[i : i + 4, j : j + 4])
    for i in range(m):
        for j in range(n4 if i < m4 else 0, n):
            out[i, j] = dot(f[i], x[j])


@compiled(FAST, inline="always")
def score_group(slices, power, copies, shifts, out):
    """Score the samples of one orientation: products of its slices, less their norms."""
    n_pixels = min(power.shape[0], slices.shape[1] // 2)
    norms = np.empty(slices.shape[0], np.float32)
    for c in range(slices.shape[0]):
        norms[c] = norm(slices[c], power, n_pixels)
    for s in range(shifts.shape[0]):
        block(slices, copies[shifts[s]], out[s])
        for c in range(slices.shape[0]):
            for u in range(copies.shape[1]):
                out[s, c, u] -= norms[c]


@compiled(FAST, inline="always")
def make_copies(row, ramps, shifts, made, copies):
    """Make the fine copies below some coarse shifts, unless they are made already."""
    for t in shifts:
        if not made[t]:
            made[t] = True
            for u in range(ramps.shape[1]):
                shift_row(row, ramps[t, u], copies[t, u])


@compiled(FAST)
def fine_scores(spectra, ramps, samples, table, out):
    """See `Kernels.fine_scores`."""
    copies = np.empty(ramps.shape, np.float32)
    made = np.empty(ramps.shape[0], np.bool_)
    for image in range(spectra.masked.shape[0]):
        made[:] = False
        for g in range(samples.first_group[image], samples.first_group[image + 1]):
            slot = table.slot[g] - table.first
            if 0 <= slot < table.slices.shape[0]:
                first, last = samples.first_sample[g], samples.first_sample[g + 1]
                shifts = samples.shift[first:last]
                make_copies(spectra.masked[image], ramps, shifts, made, copies)
                score_group(
                    table.slices[slot], spectra.power[image], copies, shifts, out[first:last]
                )


@compiled(FAST)
def cone_scores(slices_of, axes, copies, power, out):
    """See `Kernels.cone_scores`."""
    volume, pixels = slices_of
    cross, norms = out
    n, n_shifts = pixels.kx.shape[0], copies.shape[0]
    places, size = places_for(n), (rows_of(volume), volume.half)
    tile = np.zeros((TILE, copies.shape[1]), np.float32)
    scores = np.empty((TILE, n_shifts), np.float32)
    for first in range(0, axes.shape[0], TILE):
        m = min(TILE, axes.shape[0] - first)
        for s in range(m):
            locate(axes[first + s], pixels, size, places)
            gather(volume, places, tile[s])
            norms[first + s] = norm(tile[s], power, n)
        block(tile, copies, scores)
        for s in range(m):
            for t in range(n_shifts):
                cross[t, first + s] = scores[s, t]
