"""An image with too many fine states to hold: they are looked at piece by piece, twice.

The number of fine states below each significant coarse one is 32^oversampling: 32,768 at the
largest. A first look finds the coarse states below which there is nothing but states so improbable
that they can never count; only their sum is kept.
"""

from dataclasses import replace

import numpy as np

from halfmap.steps.fine_search import weigh_states
from halfmap.steps.prepare_images import PreparedImages
from halfmap.steps.search import Search
from halfmap.steps.significance import CoarseResult
from halfmap.steps.workspace import Workspace

HOPELESS = 25.0
"""Logarithm of how much less probable than the best one a state is that never counts: it would
take 10^8 such states to make a thousandth of the posterior."""


def needs_pruning(coarse: CoarseResult, search: Search, limit_bytes: int) -> bool:
    """Say whether the fine states of a single image take more memory than allowed."""
    rules = search.plan.rules
    if len(coarse.total) > 1 or rules.cross_correlation or rules.single_precision_sums:
        return False
    states = len(coarse.samples.shift) * _states_each(search)
    return search.plan.sampling.oversampling > 0 and 4 * states > limit_bytes


def pruned(
    images: PreparedImages,
    coarse: CoarseResult,
    search: Search,
    workspace: Workspace,
    limit_bytes: int,
) -> CoarseResult:
    """Leave out the coarse states of an image below which no fine state counts."""
    n = len(coarse.samples.shift)
    highest, log_mass = np.full(n, -np.inf), np.full(n, -np.inf)
    per_piece = max(1, limit_bytes // (4 * _states_each(search)))
    for first in range(0, n, per_piece):
        piece = np.zeros(n, np.bool_)
        piece[first : first + per_piece] = True
        part = coarse.with_samples(piece)
        weights, _, (peak, _) = weigh_states(images, part, search, workspace)
        flat = weights.reshape(len(weights), -1)
        with np.errstate(divide="ignore"):
            highest[piece] = peak[0] + np.log(flat.max(axis=1))
            log_mass[piece] = peak[0] + np.log(flat.sum(axis=1, dtype=np.float64))
    keep = highest >= highest.max() - HOPELESS
    dropped = np.logaddexp.reduce(log_mass[~keep], initial=-np.inf)
    return replace(coarse.with_samples(keep), log_dropped=np.array([dropped]))


def _states_each(search: Search) -> int:
    sampling = search.plan.sampling
    return sampling.n_child_orientations * sampling.n_child_shifts
