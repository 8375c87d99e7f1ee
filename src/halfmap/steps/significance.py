"""Which states of a first pass matter: those that together hold nearly all of the posterior."""

from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from jaxtyping import Bool, Float, Float32, Int
from numpy import ndarray as Array

from halfmap.kernels.protocol import LogPriors, Samples
from halfmap.steps.search import Candidates, Search
from halfmap.steps.search_plan import SearchRules

NEVER = np.float32(-1e30)
"""Logarithm of the prior of what is forbidden (-inf would become NaN in fast mathematics)."""


@dataclass(frozen=True, slots=True)
class CoarseResult:
    """Significant coarse states of some images."""

    samples: Samples
    groups: Candidates
    """The coarse orientation of each group of ``samples``."""
    log_shift: Float32[Array, "image class shift"]
    """Prior of each coarse shift."""
    n_significant: Int[Array, " image"]
    weights: Float32[Array, " sample"]
    peak: Float[Array, " image"]
    """Logarithm that was divided out of the weights."""
    total: Float[Array, " image"]
    """Of all weights, not only the significant ones."""
    log_dropped: Float[Array, " image"] | None = None
    """Logarithm of the weight of fine states that were left out beforehand, if any were."""

    @property
    def image_of_group(self) -> Int[Array, " group"]:
        """Which image each group is of."""
        per_image = np.diff(self.samples.first_group)
        return np.repeat(np.arange(len(per_image)), per_image)

    @property
    def lost(self) -> Bool[Array, " image"]:
        """Which images have no state of any weight: all are forbidden, or not a number."""
        found = np.isfinite(self.total) & (self.total > 0.0) & (self.peak > 0.5 * NEVER)
        return np.asarray(~found)

    def seeded(self, seed_class: Int[Array, " image"]) -> "CoarseResult":
        """Return the results as those of one class for each image."""
        class_index = np.repeat(seed_class, np.diff(self.samples.first_group))
        return replace(self, groups=replace(self.groups, class_index=class_index))

    def with_samples(self, keep: Bool[Array, " sample"]) -> "CoarseResult":
        """Return the results of all images for some of their states."""
        samples = self.samples
        group = np.repeat(np.arange(len(self.groups)), np.diff(samples.first_sample))[keep]
        counts = np.bincount(group, minlength=len(self.groups))
        left = np.flatnonzero(counts)
        return replace(
            self,
            samples=Samples(
                first_group=np.searchsorted(left, samples.first_group),
                orientation=samples.orientation[left],
                first_sample=np.concatenate([[0], np.cumsum(counts[left])]),
                shift=samples.shift[keep],
            ),
            groups=self.groups[left],
            weights=self.weights[keep],
        )

    def part(self, keep: Bool[Array, " image"]) -> "CoarseResult":
        """Return the results of some images."""
        n_groups = np.diff(self.samples.first_group)
        n_samples = np.diff(self.samples.first_sample)
        groups = np.repeat(keep, n_groups)
        samples = np.repeat(groups, n_samples)
        return CoarseResult(
            samples=Samples(
                first_group=np.cumsum([0, *n_groups[keep]]),
                orientation=self.samples.orientation[groups],
                first_sample=np.concatenate([[0], np.cumsum(n_samples[groups])]),
                shift=self.samples.shift[samples],
            ),
            groups=self.groups[groups],
            log_shift=self.log_shift[keep],
            n_significant=self.n_significant[keep],
            weights=self.weights[samples],
            peak=self.peak[keep],
            total=self.total[keep],
        )


def significant(
    scores: Float32[Array, "image shift row"],
    norms: Float32[Array, "image row"],
    candidates: Candidates,
    log_shift: Float32[Array, "image class shift"],
    search: Search,
) -> CoarseResult:
    """Turn scores, in place, into weights, and list the states that matter.

    Parameters
    ----------
    scores, norms
        Of every row; their difference is the logarithm of the likelihood.
    candidates
        What the rows are.
    log_shift
        Of `log_shift_prior`.
    """
    if search.plan.rules.cross_correlation:
        return _best_correlation(scores, norms, candidates, log_shift)
    kernels, rules = search.kernels, search.plan.rules
    first_row = np.searchsorted(candidates.class_index, np.arange(search.n_classes + 1))
    log_prior = LogPriors(candidates.log_prior, log_shift, first_row)
    peak, total = kernels.weigh(scores, norms, log_prior)
    n, size = len(scores), scores[0].size
    first = np.arange(n + 1) * size
    in_order = scores
    if rules.single_precision_sums:
        in_order = np.ascontiguousarray(scores.swapaxes(1, 2))
        total = single_precision_totals(in_order.reshape(-1), first)
    smallest, count = find_threshold(in_order.reshape(-1), first, total, search)
    if rules.max_significant > 0:
        smallest, count = _limited(scores, smallest, count, rules)
    samples = kernels.list_samples(scores, smallest)
    return CoarseResult(
        samples=samples,
        groups=candidates[samples.orientation],
        log_shift=log_shift,
        n_significant=count,
        weights=_weights_of(scores, samples),
        peak=peak,
        total=total,
    )


def find_threshold(
    weights: Float32[Array, " state"],
    first: Int[Array, " image_and_1"],
    totals: Float[Array, " image"],
    search: Search,
) -> tuple[Float32[Array, " image"], Int[Array, " image"]]:
    """Find the smallest weight that is significant, and how many are; see `Kernels.threshold`."""
    rules = search.plan.rules
    if not rules.single_precision_sums:
        return search.kernels.threshold(weights, first, totals, rules.adaptive_fraction)
    smallest, count = np.zeros(len(totals), np.float32), np.zeros(len(totals), np.int64)
    for i, total in enumerate(totals):
        own = weights[first[i] : first[i + 1]]
        falling = np.sort(own[own > 0.0])[::-1]
        limit = np.float32(rules.adaptive_fraction) * np.float32(total)
        enough = np.flatnonzero(np.cumsum(falling, dtype=np.float32) > limit)
        count[i] = enough[0] + 1 if len(enough) else len(falling)
        smallest[i] = falling[count[i] - 1]
    return smallest, count


def single_precision_totals(
    weights: Float32[Array, " state"], first: Int[Array, " image_and_1"]
) -> Float[Array, " image"]:
    """Add up weights one by one in single precision (`SearchRules.single_precision_sums`)."""
    own = (weights[a:b] for a, b in pairwise(first))
    return np.array([np.cumsum(w, dtype=np.float32)[-1] for w in own], np.float64)


def _limited(
    weights: Float32[Array, "image shift row"],
    smallest: Float32[Array, " image"],
    count: Int[Array, " image"],
    rules: SearchRules,
) -> tuple[Array, Array]:
    """Raise the threshold where more states than allowed are significant."""
    limit = rules.max_significant
    smallest = smallest.copy()
    for i in np.flatnonzero(count > limit):
        own = weights[i].reshape(-1)
        smallest[i] = np.partition(own, own.size - limit)[own.size - limit]
    return smallest, np.minimum(count, limit)


def _best_correlation(
    scores: Float32[Array, "image shift row"],
    norms: Float32[Array, "image row"],
    candidates: Candidates,
    log_shift: Float32[Array, "image class shift"],
) -> CoarseResult:
    """Keep the single state of largest correlation, the first of equals."""
    n = len(scores)
    correlation = scores / np.sqrt(2.0 * norms)[:, None]
    best = correlation.swapaxes(1, 2).reshape(n, -1).argmax(axis=1)
    row, shift = best // scores.shape[1], best % scores.shape[1]
    each = np.arange(n + 1, dtype=np.int64)
    return CoarseResult(
        samples=Samples(each, row.astype(np.int64), each, shift.astype(np.int32)),
        groups=candidates[row],
        log_shift=log_shift,
        n_significant=np.ones(n, np.int64),
        weights=np.ones(n, np.float32),
        peak=correlation[np.arange(n), shift, row].astype(np.float64),
        total=np.ones(n),
    )


def _weights_of(
    weights: Float32[Array, "image shift row"], samples: Samples
) -> Float32[Array, " sample"]:
    """Return the weight of each sample."""
    per_group = np.diff(samples.first_sample)
    image = np.repeat(np.arange(len(weights)), np.diff(samples.first_group))
    row, own = np.repeat(samples.orientation, per_group), np.repeat(image, per_group)
    return np.asarray(weights[own, samples.shift, row])
