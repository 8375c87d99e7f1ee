"""From scores to weights, and the few that matter."""
# mypy: ignore-errors
# numba, not mypy, types what follows

import numpy as np

from halfmap.kernels.numba_cpu.options import FAST, compiled
from halfmap.kernels.protocol import Samples

N_BINS = (127 << 5) + 1
"""Values of exponent and 5 bits of mantissa of a float up to and including 1.0."""
LOWEST = np.float32(-3e38)
TINY = np.float32(1e-37)
"""Smaller weights count as zero."""


@compiled(FAST, inline="always")
def exp32(x):
    """exp(x) for x <= 0 in single precision; relative error at most 4e-6, e^-86 below -86."""
    x = max(x, np.float32(-86.0))
    t = x * np.float32(1.4426950408889634)
    n = np.floor(t + np.float32(0.5))
    f = t - n
    p = np.float32(1.5403530e-4)
    p = p * f + np.float32(1.3333558e-3)
    p = p * f + np.float32(9.6181291e-3)
    p = p * f + np.float32(5.5504109e-2)
    p = p * f + np.float32(2.4022651e-1)
    p = p * f + np.float32(6.9314718e-1)
    p = p * f + np.float32(1.0)
    return p * np.int32((np.int32(n) + np.int32(127)) << np.int32(23)).view(np.float32)


@compiled(FAST, inline="always")
def peak_of(scores, base):
    """Largest of score + base."""
    peak = LOWEST
    for r in range(scores.shape[0]):
        peak = max(peak, scores[r] + base[r])
    return peak


@compiled(FAST, inline="always")
def exponentiate(scores, base, offset):
    """Replace scores by weights and return their sum."""
    total = np.float32(0.0)
    for r in range(scores.shape[0]):
        weight = exp32(min(scores[r] + base[r] + offset, np.float32(0.0)))
        scores[r] = weight
        total += weight
    return np.float64(total)


@compiled(FAST)
def weigh(scores, norms, log_prior):
    """See `Kernels.weigh`."""
    n, n_shifts, rows = scores.shape
    first, n_classes = log_prior.first_row, log_prior.first_row.shape[0] - 1
    base = np.empty(rows, np.float32)
    peaks, totals = np.empty(n), np.zeros(n)
    for i in range(n):
        for r in range(rows):
            base[r] = log_prior.orientation[r] - norms[i, r]
        peak = LOWEST
        for t in range(n_shifts):
            for k in range(n_classes):
                a, b = first[k], first[k + 1]
                own = peak_of(scores[i, t, a:b], base[a:b])
                peak = max(peak, own + log_prior.shift[i, k, t])
        for t in range(n_shifts):
            for k in range(n_classes):
                a, b = first[k], first[k + 1]
                offset = log_prior.shift[i, k, t] - peak
                totals[i] += exponentiate(scores[i, t, a:b], base[a:b], offset)
        peaks[i] = np.float64(peak)
    return peaks, totals


@compiled(FAST, inline="always")
def exponentiate_block(scores, peak):
    """Replace scores by weights and return their sum."""
    total = 0.0
    for s in range(scores.shape[0]):
        part = np.float32(0.0)
        for j in range(scores.shape[1]):
            weight = exp32(scores[s, j] - peak)
            scores[s, j] = weight
            part += weight
        total += np.float64(part)
    return total


@compiled(FAST)
def weigh_fine(scores, samples, log_orientation, log_shift):
    """See `Kernels.weigh_fine`."""
    n = samples.first_group.shape[0] - 1
    of_class, class_index = log_shift
    peaks, totals = np.empty(n), np.empty(n)
    for i in range(n):
        peak = LOWEST
        first, last = samples.first_group[i], samples.first_group[i + 1]
        for g in range(first, last):
            own_shift = of_class[i, class_index[g]]
            for s in range(samples.first_sample[g], samples.first_sample[g + 1]):
                prior = log_orientation[g] + own_shift[samples.shift[s]]
                for j in range(scores.shape[1]):
                    scores[s, j] += prior
                    peak = max(peak, scores[s, j])
        own = scores[samples.first_sample[first] : samples.first_sample[last]]
        peaks[i] = np.float64(peak)
        totals[i] = exponentiate_block(own, peak)
    return peaks, totals


@compiled(FAST)
def candidates_above(weights, cut, kept):
    """Copy the weights that reach ``cut`` and are positive; return their number."""
    n = 0
    for j in range(weights.shape[0]):
        w = weights[j]
        if w >= cut and w > np.float32(0.0):
            kept[n] = w
            n += 1
    return n


@compiled(FAST, inline="always")
def crossing_bin(values, n, running, limit, level):
    """Find the bin of a histogram in which a sum from the top exceeds ``limit``.

    ``level`` is how far to shift the bits of a number, the bits above these that it must have to
    belong, and the work arrays. Returns the bin, and sum and count of what lies above it.
    """
    shift, prefix, counts, sums = level
    bits = values.view(np.int32)
    counts[:] = 0
    sums[:] = 0.0
    top = np.int64(counts.shape[0] - 1)
    for j in range(n):
        b = np.int64(bits[j] >> shift) - prefix * (top + 1)
        if 0 <= b <= top:
            counts[b] += 1
            sums[b] += np.float64(values[j])
    taken, b = 0, top
    while b > 0 and running + sums[b] <= limit:
        taken += counts[b]
        running += sums[b]
        b -= 1
    return prefix * (top + 1) + b, running, taken


@compiled(FAST)
def smallest_taken(values, n, limit):
    """Take the largest of ``values[:n]``, none above 1, until their sum exceeds ``limit``.

    Histograms on the bits of the numbers, each of them inside one bin of the last, end at a
    single value; nothing is sorted. Returns the smallest value taken, and how many were.
    """
    running, taken, prefix = 0.0, 0, np.int64(0)
    for shift, size in ((18, N_BINS), (9, 512), (0, 512)):
        level = (shift, prefix, np.empty(size, np.int64), np.empty(size))
        prefix, running, above = crossing_bin(values, n, running, limit, level)
        taken += above
    bits = values.view(np.int32)
    for j in range(n):
        if bits[j] == prefix:
            running += np.float64(values[j])
            taken += 1
            if running > limit:
                return values[j], taken
    smallest = np.float32(0.0)
    for j in range(n):
        smallest = values[j] if j == 0 else min(smallest, values[j])
    return smallest, n


@compiled(FAST)
def threshold(weights, first, totals, fraction):
    """See `Kernels.threshold`."""
    n = totals.shape[0]
    smallest = np.zeros(n, np.float32)
    count = np.zeros(n, np.int64)
    longest = 0
    for i in range(n):
        longest = max(longest, first[i + 1] - first[i])
    kept = np.empty(longest, np.float32)
    for i in range(n):
        own = weights[first[i] : first[i + 1]]
        # all that are smaller than this together make less than the part that may be left out
        cut = np.float32((1.0 - fraction) * totals[i] / max(own.shape[0], 1) * 0.999)
        m = candidates_above(own, cut, kept)
        smallest[i], count[i] = smallest_taken(kept, m, fraction * totals[i])
    return smallest, count


@compiled(FAST, inline="always")
def count_per_orientation(weights, cut, counts):
    """Count the shifts whose weight reaches ``cut``; return how many orientations have any."""
    counts[:] = 0
    for t in range(weights.shape[0]):
        for r in range(weights.shape[1]):
            counts[r] += np.int32(weights[t, r] >= cut)
    found = 0
    for r in range(counts.shape[0]):
        found += np.int64(counts[r] > 0)
    return found


@compiled(FAST, inline="always")
def shifts_above(weights, cut, out):
    """List the shifts whose weight reaches ``cut``; return how many."""
    n = 0
    for t in range(weights.shape[0]):
        if weights[t] >= cut:
            out[n] = t
            n += 1
    return n


@compiled(FAST)
def list_samples(weights, smallest):
    """See `Kernels.list_samples`."""
    n, _, rows = weights.shape
    counts = np.empty((n, rows), np.int32)
    cut = np.maximum(smallest, TINY)
    first_group = np.zeros(n + 1, np.int64)
    for i in range(n):
        found = count_per_orientation(weights[i], cut[i], counts[i])
        first_group[i + 1] = first_group[i] + found
    orientation = np.empty(first_group[n], np.int64)
    first_sample = np.zeros(first_group[n] + 1, np.int64)
    shift = np.empty(counts.sum(), np.int32)
    g = 0
    for i in range(n):
        for r in range(rows):
            if counts[i, r] > 0:
                first = first_sample[g]
                first_sample[g + 1] = first + shifts_above(weights[i, :, r], cut[i], shift[first:])
                orientation[g] = r
                g += 1
    return Samples(first_group, orientation, first_sample, shift)
