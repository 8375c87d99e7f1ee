"""Fine scores where most images take most orientations and shifts: whole matrix products.

More is computed than is asked for, but three times as fast as the samples one by one.
"""
# mypy: ignore-errors
# numba, not mypy, types what follows

import numpy as np

from halfmap.kernels.numba_cpu.options import FAST, compiled
from halfmap.kernels.numba_cpu.products import half_power, shifted
from halfmap.kernels.protocol import Samples, SliceTable

SHARE = 0.45
"""From so large a part of all states of the table on the matrix products are faster."""


def pays(samples: Samples, table: SliceTable, n_shifts: int) -> bool:
    """Whether enough of the states of a table are asked for."""
    return share_of_table(samples, table, n_shifts) >= SHARE


def share_of_table(samples: Samples, table: SliceTable, n_shifts: int) -> float:
    """Return the part of the states of a table that the samples ask for."""
    own = (table.slot >= table.first) & (table.slot < table.first + len(table.slices))
    asked = np.diff(samples.first_sample)[own].sum()
    return asked / max(1, (len(samples.first_group) - 1) * len(table.slices) * n_shifts)


def fine_scores(spectra, ramps, samples, table, out):
    """See `Kernels.fine_scores`."""
    n_slots, n_children, width = table.slices.shape
    n_pixels = spectra.power.shape[1]
    flat = table.slices.reshape(-1, width)
    powers = np.empty((len(flat), n_pixels), np.float32)
    half_power(flat[:, : 2 * n_pixels], powers)
    norms = np.matmul(spectra.power, powers.T).reshape(-1, n_slots, n_children)
    copies = np.empty((1, ramps.shape[0] * ramps.shape[1], width), np.float32)
    scores = np.empty((len(flat), copies.shape[1]), np.float32)
    by_state = scores.reshape(n_slots, n_children, *ramps.shape[:2])
    for image in range(len(spectra.masked)):
        shifted(spectra.masked[image : image + 1], ramps.reshape(-1, width), copies)
        np.matmul(flat, copies[0].T, out=scores)
        groups = samples.first_group[image : image + 2]
        pick(by_state, norms[image], samples, (groups[0], groups[1], table.first, table.slot), out)


@compiled(FAST)
def pick(scores, norms, samples, where, out):
    """Copy the scores of the samples of an image, less the norms of their slices."""
    first_group, last_group, first_slot, slots = where
    for g in range(first_group, last_group):
        slot = slots[g] - first_slot
        if 0 <= slot < scores.shape[0]:
            for s in range(samples.first_sample[g], samples.first_sample[g + 1]):
                shift = samples.shift[s]
                for c in range(scores.shape[1]):
                    for u in range(scores.shape[3]):
                        out[s, c, u] = scores[slot, c, shift, u] - norms[slot, c]
