"""Sums over the fine states that count: map, noise, intensity scale, directions."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float32, Int
from numpy import ndarray as Array

from halfmap.kernels.protocol import HitGeometry, Hits, ShellSums
from halfmap.steps.fine_search import FineResult
from halfmap.steps.prepare_images import Batch, PreparedImages
from halfmap.steps.search import Search, project_classes
from halfmap.steps.workspace import Workspace

SLICE_BYTES = 32 * 2**20
"""Slices that are cut again, at a time, where those of the fine search are gone."""


@dataclass(frozen=True, slots=True)
class ImageSums:
    """What a batch adds to quantities that are kept one number a particle."""

    weight: Float[Array, " image"]
    """Sum of the posterior that counts."""
    class_weight: Float[Array, "image class"]
    offset_power_A2: Float[Array, " image"]
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
    hits = fine.hits
    n_images, n_shells = images.power.shape
    sums = ShellSums(np.zeros((n_images, n_shells)), np.zeros((n_images, n_shells)))
    class_index = fine.slices.rows.class_index[fine.slices.slot[hits.group]]
    _insert(images, fine, class_index, sums, (search, workspace))

    mass = np.add.reduceat(np.append(hits.posterior, 0.0).astype(np.float64), hits.first_shift[:-1])
    mass[np.diff(hits.first_shift) == 0] = 0.0
    image_of_hit = np.repeat(np.arange(n_images), np.diff(hits.first_hit))
    weight = np.bincount(image_of_hit, mass, minlength=n_images)
    direction = fine.slices.rows.direction[fine.slices.slot[hits.group]]
    np.add.at(workspace.directions, (class_index, direction), mass)
    workspace.n_particles += n_images
    noise = _residual(batch, images, sums, weight, search)
    np.add.at(workspace.noise, batch.optics, noise)
    signal, power = _scale_sums(batch, sums, search)
    class_weight = np.zeros((n_images, search.n_classes))
    np.add.at(class_weight, (image_of_hit, class_index), mass)
    return ImageSums(
        weight=weight,
        class_weight=class_weight,
        offset_power_A2=_offset_power(images, hits, image_of_hit, search),
        scale_signal=signal,
        scale_power=power,
        residual=noise.sum(axis=1),
    )


def _insert(
    images: PreparedImages,
    fine: FineResult,
    class_index: Int[Array, " hit"],
    sums: ShellSums,
    within: tuple[Search, Workspace],
) -> None:
    """Insert all hits: with the slices of the fine search if it kept them, else in pieces."""
    search, workspace = within
    hits, slices = fine.hits, fine.slices
    width, n_children = search.disc.width, slices.axes.shape[1]
    row = slices.slot[hits.group] * n_children + hits.child
    axes = slices.axes.reshape(-1, 6)[row]
    ramps = search.shifts.fine_ramps.reshape(-1, width)
    shell = search.disc.shell.astype(np.int32)
    whole = slices.table
    per_piece = len(row) if whole else max(1, SLICE_BYTES // (4 * width))
    for first in range(0, len(row), max(per_piece, 1)):
        piece = slice(first, min(first + per_piece, len(row)))
        if whole:
            cut, place = whole.slices.reshape(-1, width), row
        else:
            cut = _cut_again(class_index[piece], axes[piece], search, workspace)
            place = np.arange(len(cut))
        geometry = HitGeometry(search.pixels, shell, axes[piece], class_index[piece], place)
        search.kernels.accumulate(
            images.summed, ramps, _part(hits, piece), cut, geometry, (workspace.grid, sums)
        )


def _cut_again(
    class_index: Int[Array, " hit"],
    axes: Float32[Array, "hit 6"],
    search: Search,
    workspace: Workspace,
) -> Float32[Array, "hit width"]:
    cut = workspace.array("hit slices", (len(axes), search.disc.width))
    order = np.argsort(class_index, kind="stable")
    if search.n_classes == 1:
        project_classes(search, class_index, axes, (search.pixels, cut))
        return cut
    own = np.empty_like(cut)
    project_classes(search, class_index[order], axes[order], (search.pixels, own))
    cut[order] = own
    return cut


def _part(hits: Hits, piece: slice) -> Hits:
    """Return some consecutive hits."""
    return Hits(
        first_hit=np.clip(hits.first_hit, piece.start, piece.stop) - piece.start,
        group=hits.group[piece],
        child=hits.child[piece],
        first_shift=hits.first_shift[piece.start : piece.stop + 1],
        shift=hits.shift,
        posterior=hits.posterior,
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
    return residual + noise_variance * (sums.model - 2.0 * sums.cross)


def _scale_sums(
    batch: Batch, sums: ShellSums, search: Search
) -> tuple[Float[Array, " image"], Float[Array, " image"]]:
    """Return Σ Re(P* X) and Σ |P|², with CTF but without the group's scale.

    Over the shells where the map is well above its noise, of class 0: one class alone is refined
    with scales that depend on it.
    """
    if not search.plan.images.do_scale:
        return np.zeros(len(batch.scale)), np.zeros(len(batch.scale))
    shells = search.weighting.scale_shells[0] * search.model.noise_variance[batch.optics]
    signal = np.sum(sums.cross * shells, axis=1) / batch.scale
    power = np.sum(sums.model * shells, axis=1) / batch.scale**2
    return signal, power


def _offset_power(
    images: PreparedImages, hits: Hits, image_of_hit: Int[Array, " hit"], search: Search
) -> Float[Array, " image"]:
    """Return the posterior mean of the squared offset (Å²), times the posterior that counts."""
    n_images = len(images.centre_px)
    image = np.repeat(image_of_hit, np.diff(hits.first_shift))
    offset = images.centre_px * search.plan.images.pixel_size_A
    offset = offset[image] + search.shifts.fine_A.reshape(-1, 2)[hits.shift]
    square = np.sum(offset**2, axis=1) * hits.posterior
    return np.bincount(image, square, minlength=n_images)
