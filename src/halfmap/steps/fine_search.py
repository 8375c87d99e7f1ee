"""Second pass: finer slices and finer shifts, below the significant coarse states."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float32, Int
from numpy import ndarray as Array

from halfmap.kernels.protocol import Hits, Samples, SliceTable, Spectra
from halfmap.steps.prepare_images import PreparedImages
from halfmap.steps.search import Candidates, Search
from halfmap.steps.significance import CoarseResult, find_threshold, single_precision_totals
from halfmap.steps.slices import child_axes, project_classes
from halfmap.steps.workspace import Workspace

TABLE_BYTES = 32 * 2**20
"""Fine slices that are held at a time; each is cut once for all images that need it."""


@dataclass(frozen=True, slots=True)
class FineSlices:
    """The distinct orientations below a batch's significant ones, and where their slices point."""

    rows: Candidates
    slot: Int[Array, " group"]
    """Row of each group of the samples."""
    axes: Float32[Array, "row child 6"]
    table: SliceTable | None
    """All of the slices, if they fit."""


@dataclass(frozen=True, slots=True)
class FineResult:
    """Posterior of some images over the fine states."""

    samples: Samples
    slices: FineSlices
    hits: Hits
    best_group: Int[Array, " image"]
    best_child: Int[Array, " image"]
    best_shift: Int[Array, " image"]
    """Flat index of the best fine shift."""
    max_probability: Float[Array, " image"]
    log_evidence: Float[Array, " image"]
    """Logarithm of the sum of all weights (by correlation: the best correlation)."""


def fine_search(
    images: PreparedImages, coarse: CoarseResult, search: Search, workspace: Workspace
) -> FineResult:
    """Find the posterior of each image.

    Without oversampling the coarse states are the fine ones.
    """
    if search.plan.sampling.oversampling == 0:
        every = np.zeros(len(coarse.total), np.float32)
        weights, slices = coarse.weights.reshape(-1, 1, 1), _distinct(coarse, search)
        return _posterior(weights, coarse, slices, (coarse.peak, coarse.total, every), search)
    scores, slices, (peak, total) = weigh_states(images, coarse, search, workspace)
    if coarse.log_dropped is not None:
        total = total + np.exp(coarse.log_dropped - peak)
    first = coarse.samples.first_sample[coarse.samples.first_group] * scores[0].size
    if search.plan.rules.single_precision_sums:
        total = single_precision_totals(scores.reshape(-1), first)
    smallest, _ = find_threshold(scores.reshape(-1), first, total, search)
    return _posterior(scores, coarse, slices, (peak, total, smallest), search)


def weigh_states(
    images: PreparedImages, coarse: CoarseResult, search: Search, workspace: Workspace
) -> tuple[
    Float32[Array, "sample child fine_shift"],
    FineSlices,
    tuple[Float[Array, " image"], Float[Array, " image"]],
]:
    """Return the weights of all fine states, their slices, and the peak and total of each image."""
    slices = _distinct(coarse, search)
    scores, slices = _compare(images.compared, coarse.samples, slices, search, workspace)
    if search.plan.rules.cross_correlation:
        norms = images.compared._replace(masked=np.zeros_like(images.compared.masked))
        minus_norms, _ = _compare(norms, coarse.samples, slices, search, Workspace(search))
        return scores, slices, _keep_best_correlation(scores, minus_norms)
    groups, log_shift = coarse.groups, (coarse.log_shift, coarse.groups.class_index)
    sums = search.kernels.weigh_fine(scores, coarse.samples, groups.log_prior, log_shift)
    return scores, slices, sums


def _compare(
    spectra: Spectra,
    samples: Samples,
    slices: FineSlices,
    search: Search,
    workspace: Workspace,
) -> tuple[Float32[Array, "sample child fine_shift"], FineSlices]:
    """Return the scores, and with the slices their table if it holds all of them."""
    n_children = slices.axes.shape[1]
    ramps = search.shifts.fine_ramps
    scores = workspace.array("fine scores", (len(samples.shift), n_children, ramps.shape[1]))
    per_table = max(1, TABLE_BYTES // (n_children * search.disc.width * 4))
    for first in range(0, len(slices.rows), per_table):
        table = _cut(slices, slice(first, first + per_table), search, workspace)
        search.kernels.fine_scores(spectra, ramps, samples, table, scores)
    whole = table if len(slices.rows) <= per_table else None
    return scores, FineSlices(slices.rows, slices.slot, slices.axes, whole)


def _distinct(coarse: CoarseResult, search: Search) -> FineSlices:
    """Find which orientations the images share."""
    groups = coarse.groups
    n_directions = int(groups.direction.max(initial=0)) + 1
    n_psi = int(groups.psi.max(initial=0)) + 1
    key = (groups.class_index * n_directions + groups.direction) * n_psi + groups.psi
    _, first, slot = np.unique(key, return_index=True, return_inverse=True)
    rows = groups[first]
    return FineSlices(rows, slot.astype(np.int64), child_axes(search, rows), None)


def _cut(slices: FineSlices, block: slice, search: Search, workspace: Workspace) -> SliceTable:
    axes = slices.axes[block]
    n, n_children = axes.shape[:2]
    cut = workspace.array("fine slices", (n, n_children, search.disc.width))
    project_classes(
        search,
        np.repeat(slices.rows.class_index[block], n_children),
        axes.reshape(-1, 6),
        (search.pixels, cut.reshape(-1, search.disc.width)),
    )
    return SliceTable(cut, block.start, slices.slot)


def _posterior(
    weights: Float32[Array, "sample child fine_shift"],
    coarse: CoarseResult,
    slices: FineSlices,
    sums: tuple[Float[Array, " image"], Float[Array, " image"], Float32[Array, " image"]],
    search: Search,
) -> FineResult:
    """List what counts: states of at least the smallest weight of ``sums`` (peak, total, it)."""
    samples, (peak, total, smallest) = coarse.samples, sums
    hits, best = search.kernels.list_hits(weights, samples, smallest, total)
    group, child, shift = _unravel(best, samples, weights.shape)
    return FineResult(
        samples=samples,
        slices=slices,
        hits=hits,
        best_group=group,
        best_child=child,
        best_shift=shift,
        max_probability=weights.reshape(-1)[best] / total,
        log_evidence=peak + np.log(total),
    )


def _unravel(
    best: Int[Array, " image"], samples: Samples, shape: tuple[int, ...]
) -> tuple[Array, Array, Array]:
    """Return group, child and flat fine shift of a flat index into the weights."""
    sample, child, fine = np.unravel_index(best, shape)
    group = np.searchsorted(samples.first_sample, sample, side="right") - 1
    return group, child, samples.shift[sample] * shape[2] + fine


def _keep_best_correlation(
    scores: Float32[Array, "image child fine_shift"],
    minus_norms: Float32[Array, "image child fine_shift"],
) -> tuple[Float[Array, " image"], Float[Array, " image"]]:
    """Turn scores, in place, into weights: 1 for the best correlation, 0 for all others.

    Each image has one sample. Returns the logarithm of the evidence (the correlation) and 1.
    """
    correlation = ((scores - minus_norms) / np.sqrt(-2.0 * minus_norms)).reshape(len(scores), -1)
    best = correlation.argmax(axis=1)
    scores[:] = 0.0
    scores.reshape(len(scores), -1)[np.arange(len(scores)), best] = 1.0
    return correlation[np.arange(len(scores)), best].astype(np.float64), np.ones(len(scores))
