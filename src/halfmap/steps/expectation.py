"""The expectation of one unit of particles: prepare, search twice, add up."""

from collections.abc import Iterator
from dataclasses import dataclass, fields

import numpy as np
from jaxtyping import Bool, Float, Float32, Int, UInt8
from numpy import ndarray as Array

from halfmap.model.particles import Particles, Poses
from halfmap.model.rotations import euler_angles
from halfmap.steps.accumulate import ImageSums, accumulate
from halfmap.steps.batch import Batch, make_batch
from halfmap.steps.coarse_search import global_search, local_search, n_local_rows
from halfmap.steps.faults import NO_WEIGHT, find_faults
from halfmap.steps.fine_search import TABLE_BYTES, FineResult, fine_search
from halfmap.steps.fixed_search import fixed_batch_size, fixed_search
from halfmap.steps.prepare_images import PreparedImages, prepare_images
from halfmap.steps.pruning import needs_pruning, pruned
from halfmap.steps.search import Search
from halfmap.steps.significance import CoarseResult
from halfmap.steps.slices import child_matrices
from halfmap.steps.workspace import Workspace

COARSE_BYTES = 64 * 2**20
"""Coarse scores that are held at a time; more particles are cut into batches, always alike."""
FINE_BYTES = 64 * 2**20
"""The same of fine scores."""
LOCAL_BATCH = 16
"""Particles of a local search that are compared together. They share hardly any slices, so more
would save little and take the slices out of the cache."""

__all__ = ["FINE_BYTES", "UnitResult", "Workspace", "count_significant", "run_unit"]


@dataclass(frozen=True, slots=True)
class UnitResult:
    """New rows of the particle table, and what each particle adds to sums of few numbers."""

    angles_deg: Float[Array, "particle 3"]
    offset_A: Float[Array, "particle 2"]
    class_index: Int[Array, " particle"]
    log_likelihood: Float[Array, " particle"]
    max_probability: Float[Array, " particle"]
    n_significant: Int[Array, " particle"]
    norm: Float[Array, " particle"]
    weight: Float[Array, " particle"]
    """Posterior that counted; a little less than 1."""
    class_weight: Float[Array, "particle class"]
    class_offset_A: Float[Array, "particle class 2"]
    """Offset, times posterior."""
    offset_power_A2: Float[Array, " particle"]
    """Squared distance of the offset from its prior, times posterior."""
    scale_signal: Float[Array, " particle"]
    scale_power: Float[Array, " particle"]
    """The intensity scale of a group is the ratio of the sums of these two."""
    fault: UInt8[Array, " particle"]
    """0, or why the particle was left out (`halfmap.steps.faults`)."""

    @classmethod
    def empty(cls, n: int, n_classes: int) -> "UnitResult":
        """Return rows of zeros."""
        shapes = {
            "angles_deg": (n, 3),
            "offset_A": (n, 2),
            "class_weight": (n, n_classes),
            "class_offset_A": (n, n_classes, 2),
        }
        types = {"class_index": np.int64, "n_significant": np.int64, "fault": np.uint8}
        names = [field.name for field in fields(cls)]
        return cls(
            **{name: np.zeros(shapes.get(name, (n,)), types.get(name, float)) for name in names}
        )


def run_unit(
    images: Float32[Array, "particle *two y x"],
    rows: Int[Array, " particle"],
    particles: Particles,
    poses: Poses,
    search: Search,
    workspace: Workspace,
) -> UnitResult:
    """Find the posterior of each particle's pose, and add the unit to the workspace.

    What is computed depends on the unit and the search only, to the last bit: neither on what the
    workspace was used for before nor on other threads.

    Parameters
    ----------
    images
        Pixels of the unit's particles: one image each, or one that is compared and one that is
        inserted (`SearchRules.inserts_others`).
    rows
        Their rows in ``particles``.
    particles
        All particles of the run.
    poses
        Of the unit's particles, as the last iteration left them.
    search
        What the half-set shares; with its coarse slices filled, if it has any.
    workspace
        Empty: `Workspace.add_to` has been called since the last unit.
    """
    result = UnitResult.empty(len(rows), search.n_classes)
    result.fault[:] = find_faults(images)
    good = np.flatnonzero(result.fault == 0)
    if len(good) == 0:
        return result
    unit = make_batch(images[good], rows[good], particles, poses[good], search)
    prepared = prepare_images(unit, particles, search)
    size = batch_size(search)
    for first in range(0, len(good), size):
        some = slice(first, first + size)
        at_hand = search.at(unit.poses.angles_deg[some])
        coarse = _coarse_search(unit[some], prepared[some], at_hand, workspace)
        result.fault[good[some][coarse.lost]] = NO_WEIGHT
        for keep in fine_batches(coarse, search):
            part = first + np.flatnonzero(keep)
            batch, own = unit[part], good[part]
            pictures, found = prepared[part], coarse.part(keep)
            if needs_pruning(found, at_hand, FINE_BYTES):
                found = pruned(pictures, found, at_hand, workspace, FINE_BYTES)
            fine = fine_search(pictures, found, at_hand, workspace)
            sums = accumulate(batch, pictures, fine, at_hand, workspace)
            _store(result, own, batch, (pictures, found, fine, sums), at_hand)
    return result


def count_significant(
    images: Float32[Array, "particle *two y x"],
    rows: Int[Array, " particle"],
    particles: Particles,
    poses: Poses,
    search: Search,
    workspace: Workspace,
) -> Int[Array, " particle"]:
    """Return how many coarse states of each particle matter, with the arguments of `run_unit`."""
    unit = make_batch(images, rows, particles, poses, search)
    prepared, size = prepare_images(unit, particles, search), batch_size(search)
    counts = []
    for first in range(0, len(rows), size):
        some = slice(first, first + size)
        at_hand = search.at(unit.poses.angles_deg[some])
        counts.append(_coarse_search(unit[some], prepared[some], at_hand, workspace).n_significant)
    return np.concatenate(counts)


def batch_size(search: Search) -> int:
    """Return how many particles are searched together; it depends on the search alone."""
    if search.plan.sampling.fixed_angles:
        return fixed_batch_size(search)
    shared = search.candidates
    n_rows = n_local_rows(search) if shared is None else len(shared)
    scores = n_rows * len(search.shifts.coarse_A)
    fitting = max(1, COARSE_BYTES // (4 * max(scores, 1)))
    return min(fitting, LOCAL_BATCH) if shared is None else fitting


def fine_batches(coarse: CoarseResult, search: Search) -> Iterator[Bool[Array, " image"]]:
    """Cut images into batches whose fine search fits into memory; lost images are left out."""
    share = _share_of_memory(coarse, search)
    kept = np.flatnonzero(~coarse.lost)
    while len(kept):
        n = max(1, int(np.searchsorted(np.cumsum(share[kept]), 1.0, side="right")))
        batch = np.zeros(len(coarse.total), np.bool_)
        batch[kept[:n]] = True
        yield batch
        kept = kept[n:]


def _share_of_memory(coarse: CoarseResult, search: Search) -> Float[Array, " image"]:
    """Return which part of the memory for fine scores, or for fine slices, an image takes.

    Slices count in local searches: in others images share them.
    """
    samples, sampling = coarse.samples, search.plan.sampling
    n_children = sampling.n_child_orientations
    n_samples = np.diff(samples.first_sample[samples.first_group])
    of_scores = 4 * n_samples * n_children * sampling.n_child_shifts / FINE_BYTES
    if search.candidates is not None or sampling.fixed_angles:
        return np.asarray(of_scores)
    n_groups = np.diff(samples.first_group)
    of_slices = 4 * n_groups * n_children * search.disc.width / TABLE_BYTES
    return np.asarray(np.maximum(of_scores, of_slices))


def _coarse_search(
    batch: Batch, images: PreparedImages, search: Search, workspace: Workspace
) -> CoarseResult:
    if search.given_deg is not None:
        found = fixed_search(images, search)
    elif search.candidates is None:
        found = local_search(images, batch.prior_deg, search)
    else:
        found = global_search(images, batch.prior_deg, search, workspace)
    return found if search.seed_class is None else found.seeded(search.seed_class[batch.rows])


def _store(
    result: UnitResult,
    own: Int[Array, " image"],
    batch: Batch,
    found: tuple[PreparedImages, CoarseResult, FineResult, ImageSums],
    search: Search,
) -> None:
    images, coarse, fine, sums = found
    shifted = search.shifts.fine_A.reshape(-1, 2)[fine.best_shift]
    result.angles_deg[own] = _best_angles_deg(fine, search)
    result.offset_A[own] = images.applied_A + shifted
    result.class_index[own] = fine.slices.rows.class_index[fine.slices.slot[fine.best_group]]
    result.log_likelihood[own] = _log_likelihood(batch, images, fine, search)
    result.max_probability[own] = fine.max_probability
    result.n_significant[own] = coarse.n_significant
    result.norm[own] = _norm(batch, sums, search)
    summed = ("weight", "class_weight", "class_offset_A", "offset_power_A2")
    for name in (*summed, "scale_signal", "scale_power"):
        getattr(result, name)[own] = getattr(sums, name)


def _best_angles_deg(fine: FineResult, search: Search) -> Float[Array, "image 3"]:
    """Return the (perturbed) Euler angles of the best state."""
    rows = fine.slices.rows[fine.slices.slot[fine.best_group]]
    if search.given_deg is not None:
        return np.asarray(search.given_deg[rows.direction])
    matrices = child_matrices(search, rows)[np.arange(len(rows)), fine.best_child]
    return euler_angles(matrices)


def _log_likelihood(
    batch: Batch, images: PreparedImages, fine: FineResult, search: Search
) -> Float[Array, " image"]:
    """Return the log-evidence of each image; after a comparison by correlation, the correlation."""
    if search.plan.rules.cross_correlation:
        return np.asarray(fine.log_evidence / images.constant)
    normalisation = search.weighting.log_normalisation[batch.optics]
    return np.asarray(fine.log_evidence - images.constant - normalisation)


def _norm(batch: Batch, sums: ImageSums, search: Search) -> Float[Array, " image"]:
    """Return the normalisation that would bring the residual to what the noise model expects."""
    if not search.plan.images.do_norm:
        return batch.poses.norm
    residual = sums.residual * search.plan.images.geometry.power_per_pixel
    relative = np.sqrt(np.maximum(2.0 * residual, 0.0))
    return np.asarray(batch.poses.norm / search.model.mean_norm * relative)
