"""The fine states that count, grouped by fine orientation."""
# mypy: ignore-errors
# numba, not mypy, types what follows

import numpy as np

from halfmap.kernels.numba_cpu.options import FAST, compiled
from halfmap.kernels.numba_cpu.weigh import TINY
from halfmap.kernels.protocol import Hits


@compiled(FAST)
def first_best(weights, start, stop):
    """Return the flat index of the largest weight of some samples, the first of equals, or -1."""
    size = weights.shape[1] * weights.shape[2]
    flat = weights.reshape(weights.shape[0] * size)
    best, largest = -1, np.float32(-1.0)
    for j in range(start * size, stop * size):
        if flat[j] > largest:
            largest = flat[j]
            best = j
    return best


@compiled(FAST)
def count_hits(weights, samples, smallest):
    """Return where the hits of each image begin, and the number of all entries."""
    n = samples.first_group.shape[0] - 1
    n_children, n_fine = weights.shape[1], weights.shape[2]
    first_hit = np.zeros(n + 1, np.int64)
    entries = 0
    for i in range(n):
        cut = max(smallest[i], TINY)
        first_hit[i + 1] = first_hit[i]
        for g in range(samples.first_group[i], samples.first_group[i + 1]):
            for c in range(n_children):
                found = 0
                for s in range(samples.first_sample[g], samples.first_sample[g + 1]):
                    for u in range(n_fine):
                        found += np.int64(weights[s, c, u] >= cut)
                entries += found
                first_hit[i + 1] += np.int64(found > 0)
    return first_hit, entries


@compiled(FAST)
def list_hits(weights, samples, smallest, totals):
    """See `Kernels.list_hits`."""
    n = samples.first_group.shape[0] - 1
    n_children, n_fine = weights.shape[1], weights.shape[2]
    first_hit, n_entries = count_hits(weights, samples, smallest)
    n_hits = first_hit[n]
    group, child = np.empty(n_hits, np.int64), np.empty(n_hits, np.int64)
    first_shift, end_shift = np.empty(n_hits, np.int64), np.empty(n_hits, np.int64)
    shift, posterior = np.empty(n_entries, np.int32), np.empty(n_entries, np.float32)
    best = np.empty(n, np.int64)
    h, e = 0, 0
    for i in range(n):
        first, last = samples.first_group[i], samples.first_group[i + 1]
        best[i] = first_best(weights, samples.first_sample[first], samples.first_sample[last])
        cut = max(smallest[i], TINY)
        for g in range(first, last):
            for c in range(n_children):
                before = e
                for s in range(samples.first_sample[g], samples.first_sample[g + 1]):
                    for u in range(n_fine):
                        if weights[s, c, u] >= cut:
                            shift[e] = samples.shift[s] * n_fine + u
                            posterior[e] = np.float32(np.float64(weights[s, c, u]) / totals[i])
                            e += 1
                if e > before:
                    group[h], child[h] = g, c
                    first_shift[h], end_shift[h] = before, e
                    h += 1
    return Hits(first_hit, group, child, first_shift, end_shift, shift, posterior), best


@compiled(FAST)
def moments(hits, offsets):
    """See `Kernels.moments`."""
    summed = np.zeros((hits.group.shape[0], 4))
    for h in range(summed.shape[0]):
        for e in range(hits.first_shift[h], hits.end_shift[h]):
            p = np.float64(hits.posterior[e])
            x, y = offsets[hits.shift[e], 0], offsets[hits.shift[e], 1]
            summed[h, 0] += p
            summed[h, 1] += p * x
            summed[h, 2] += p * y
            summed[h, 3] += p * (x * x + y * y)
    return summed
