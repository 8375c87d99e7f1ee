"""Sums over the fine states that count: map, noise, intensity scale, directions."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray as Array

from halfmap.kernels.protocol import HitGeometry, Hits, ShellSums
from halfmap.steps.batch import Batch
from halfmap.steps.fine_search import FineResult
from halfmap.steps.prepare_images import PreparedImages
from halfmap.steps.search import Search
from halfmap.steps.slices import project_classes
from halfmap.steps.unit_grid import Insertion
from halfmap.steps.workspace import Workspace

SLICE_BYTES = 32 * 2**20
"""Slices held at a time, where those of the fine search are gone and are cut again."""


@dataclass(frozen=True, slots=True)
class ImageSums:
    """What a batch adds to quantities that are kept one number a particle."""

    weight: Float[Array, " image"]
    """Sum of the posterior that counts."""
    class_weight: Float[Array, "image class"]
    class_offset_A: Float[Array, "image class 2"]
    """Whole offset, times posterior."""
    offset_power_A2: Float[Array, " image"]
    """Squared distance of the whole offset from the mean of the class, times posterior."""
    scale_signal: Float[Array, " image"]
    scale_power: Float[Array, " image"]
    residual: Float[Array, " image"]
    """Residual power of all shells."""


def accumulate(
    batch: Batch,
    images: PreparedImages,
    fine: FineResult,
    search: Search,
    workspace: Workspace,
) -> ImageSums:
    """Add a batch to the workspace.

    Returns
    -------
    sums
        Of each particle.
    """
    hits, slices = fine.hits, fine.slices
    n_images, n_shells = images.power.shape
    by_class = (n_images, search.n_classes, n_shells)
    sums = ShellSums(np.zeros(by_class), np.zeros(by_class))
    _insert(images, fine, sums, search, workspace)
    moments = search.kernels.moments(hits, search.shifts.fine_A.reshape(-1, 2))
    rows = slices.rows[slices.slot[hits.group]]
    if search.given_deg is None:
        place = rows.class_index * workspace.directions.shape[1] + rows.direction
        np.add.at(workspace.directions.reshape(-1), place, moments[:, 0])  # flat: ten times as fast
    image_of_hit = np.repeat(np.arange(n_images), np.diff(hits.first_hit))
    place, n = image_of_hit * search.n_classes + rows.class_index, n_images * search.n_classes
    summed = [np.bincount(place, moment, minlength=n) for moment in moments.T]
    of_class = np.stack(summed, axis=1).reshape(n_images, search.n_classes, 4)
    weight = of_class[:, :, 0].sum(axis=1)
    noise = _residual(batch, images, sums, weight, search)
    np.add.at(workspace.noise, batch.optics, noise)
    workspace.n_particles += n_images
    signal, power = _scale_sums(batch, sums, search)
    from_prior = images.applied_A - images.prior_offset_A
    return ImageSums(
        weight=weight,
        class_weight=of_class[:, :, 0],
        class_offset_A=of_class[:, :, :1] * images.applied_A[:, None] + of_class[:, :, 1:3],
        offset_power_A2=_spread(of_class, from_prior[:, None] - search.model.offset_mean_A),
        scale_signal=signal,
        scale_power=power,
        residual=noise.sum(axis=1) + images.power_beyond,
    )


def _spread(
    moments: Float[Array, "image class 4"], from_mean_A: Float[Array, "image class 2"]
) -> Float[Array, " image"]:
    """Return Σ p |d + t|² over the classes, from the moments of t (`Kernels.moments`)."""
    mixed = 2.0 * np.sum(from_mean_A * moments[:, :, 1:3], axis=2)
    square = np.sum(from_mean_A**2, axis=2) * moments[:, :, 0]
    return np.asarray(np.sum(square + mixed + moments[:, :, 3], axis=1))


def _insert(
    images: PreparedImages, fine: FineResult, sums: ShellSums, search: Search, workspace: Workspace
) -> None:
    """Insert all hits: with the slices of the fine search if it kept them, else cut again."""
    hits, slices = fine.hits, fine.slices
    width, n_children = search.disc.width, slices.axes.shape[1]
    row = slices.slot[hits.group] * n_children + hits.child
    axes, ramps = slices.axes.reshape(-1, 6), search.shifts.fine_ramps.reshape(-1, width)
    class_index = np.repeat(slices.rows.class_index, n_children)
    shell = search.disc.shell.astype(np.int32)
    if slices.table is not None:
        geometry = HitGeometry(search.pixels, shell, axes, class_index, row)
        cut = slices.table.slices.reshape(-1, width)
        what = Insertion(images.summed, ramps, hits, geometry)
        workspace.grid.insert(what, cut, sums, search.kernels)
        return
    used, place = np.unique(row, return_inverse=True)
    per_piece = max(1, SLICE_BYTES // (4 * width))
    for first in range(0, len(used), per_piece):
        some = used[first : first + per_piece]
        own = np.flatnonzero((place >= first) & (place < first + per_piece))
        cut = workspace.array("fine slices", (len(some), width))
        project_classes(search, class_index[some], axes[some], (search.pixels, cut))
        geometry = HitGeometry(
            search.pixels, shell, axes[some], class_index[some], place[own] - first
        )
        what = Insertion(images.summed, ramps, _some(hits, own), geometry)
        workspace.grid.insert(what, cut, sums, search.kernels)


def _some(hits: Hits, own: Int[Array, " own"]) -> Hits:
    """Return some of the hits, given in rising order."""
    return hits._replace(
        first_hit=np.searchsorted(own, hits.first_hit),
        group=hits.group[own],
        child=hits.child[own],
        first_shift=hits.first_shift[own],
        end_shift=hits.end_shift[own],
    )


def _residual(
    batch: Batch,
    images: PreparedImages,
    sums: ShellSums,
    weight: Float[Array, " image"],
    search: Search,
) -> Float[Array, "image shell"]:
    """Return the expected |s C P - X|² of each shell; beyond the window the image's own power."""
    noise_variance = search.model.noise_variance[batch.optics]
    last = search.plan.current_size // 2
    residual = images.power.copy()
    residual[:, : last + 1] *= weight[:, None]
    difference = np.sum(sums.model - 2.0 * sums.cross, axis=1)
    return np.asarray(residual + noise_variance * difference)


def _scale_sums(
    batch: Batch, sums: ShellSums, search: Search
) -> tuple[Float[Array, " image"], Float[Array, " image"]]:
    """Return Σ Re(P* X) and Σ |P|², with CTF but without the group's scale.

    Each class counts over the shells where its own map is well above its noise.
    """
    if not search.plan.images.do_scale:
        return np.zeros(len(batch.scale)), np.zeros(len(batch.scale))
    shells, variance = search.weighting.scale_shells, search.model.noise_variance[batch.optics]
    signal = np.einsum("iks,ks,is->i", sums.cross, shells, variance) / batch.scale
    power = np.einsum("iks,ks,is->i", sums.model, shells, variance) / batch.scale**2
    return signal, power
