"""First pass: compare images with coarse slices at coarse shifts; keep what is significant."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
from jaxtyping import Float, Float32, Int
from numpy import ndarray as Array

from halfmap.kernels.protocol import Spectra
from halfmap.model.local_orientations import LocalOrientations, allowed_share, local_orientations
from halfmap.model.orientations import psi_angles_deg
from halfmap.steps.prepare_images import PreparedImages
from halfmap.steps.search import Candidates, Search
from halfmap.steps.shifts import first_pixels
from halfmap.steps.significance import NEVER, CoarseResult, significant
from halfmap.steps.slices import coarse_axes
from halfmap.steps.workspace import Workspace


def log_shift_prior(
    applied_A: Float[Array, "image 2"], search: Search
) -> Float32[Array, "image class shift"]:
    """Return the logarithm of the offset prior over its mean, at the coarse shifts.

    A Gaussian of the *whole* offset: the shift already applied plus the one searched. It sits at
    the class's mean offset from where the particle's prior sits.

    Parameters
    ----------
    applied_A
        Relative to where the particle's prior sits.
    """
    offset = applied_A[:, None] + search.shifts.coarse_A
    square = np.sum((offset[:, None] - search.model.offset_mean_A[:, None]) ** 2, axis=3)
    variance = search.model.offset_sigma_A**2
    if variance < 1e-4:
        log_prior = np.where(square == 0.0, 0.0, NEVER)
    else:
        log_prior = -0.5 * square / variance
    n_states = log_prior[0].size
    mean = np.logaddexp.reduce(log_prior, axis=(1, 2), keepdims=True) - np.log(n_states)
    possible = mean > 0.5 * NEVER
    return np.asarray(np.where(possible, log_prior - mean, NEVER).astype(np.float32))


def global_search(
    images: PreparedImages,
    prior_deg: Float[Array, "image 3"],
    search: Search,
    workspace: Workspace,
) -> CoarseResult:
    """Search all orientations, for several images at once: two matrix products.

    If there are priors, they are so wide that those outside are searched as well, in vain.
    """
    if search.coarse_slices is None or search.candidates is None:
        raise ValueError("a global search needs its coarse slices: see fill_coarse_slices")
    kernels, shifts, disc = search.kernels, search.shifts, search.disc
    n, n_shifts, width = len(images), len(shifts.coarse_A), disc.coarse_width
    slices, power = search.coarse_slices[:, :width], search.coarse_slices[:, width:]
    copies = workspace.array("coarse copies", (n, n_shifts, width))
    masked, pixel_power = coarse_spectra(images.compared, search)
    kernels.shifted(masked, shifts.coarse_ramps, copies)
    scores = workspace.array("coarse scores", (n, n_shifts, len(slices)))
    norms = workspace.array("coarse norms", (n, len(slices)))
    kernels.products(copies.reshape(-1, width), slices, scores.reshape(-1, len(slices)))
    padded = np.zeros((n, disc.power_width), np.float32)
    padded[:, : disc.n_coarse] = pixel_power
    kernels.products(padded, power, norms)
    log_shift = log_shift_prior(images.applied_A - images.prior_offset_A, search)
    if search.local is None:
        return significant(scores, norms, search.candidates, log_shift, search)
    priors = _dense_priors(local_orientations(search.local, prior_deg), search)
    _add_priors(scores, norms, priors, search)
    found = significant(scores, norms, search.candidates, log_shift, search)
    groups = found.groups
    own = priors[found.image_of_group, groups.direction, groups.psi]
    return replace(found, groups=replace(groups, log_prior=own))


def _dense_priors(
    allowed: LocalOrientations, search: Search
) -> Float32[Array, "image direction psi"]:
    """Return the log-prior of every orientation, relative to the mean of those allowed."""
    shape = search.n_directions, len(psi_angles_deg(search.plan.sampling))
    dense = np.full((len(allowed.first) - 1, *shape), NEVER, np.float32)
    dense[allowed.particle, allowed.direction, allowed.psi] = allowed.relative_log_prior
    return dense


def _add_priors(
    scores: Float32[Array, "image shift row"],
    norms: Float32[Array, "image row"],
    priors: Float32[Array, "image direction psi"],
    search: Search,
) -> None:
    """Subtract each image's log-priors from what is subtracted anyway.

    By correlation priors do not count, but what they forbid stays forbidden.
    """
    by_pair = norms.reshape(len(norms), -1, *priors.shape[1:])
    for i, relative in enumerate(priors):
        if search.plan.rules.cross_correlation:
            forbidden = np.tile((relative == NEVER).ravel(), by_pair.shape[1])
            scores[i][:, forbidden] = NEVER
        else:
            by_pair[i] -= relative


def local_search(
    images: PreparedImages, prior_deg: Float[Array, "image 3"], search: Search
) -> CoarseResult:
    """Search, for each image, the orientations around the centre of its prior.

    Row r of an image is one of its orientations in one class; the images with few orientations
    have rows that are forbidden. Class priors are not used.
    """
    assert search.local is not None
    near, searched = local_orientations(search.local, prior_deg), search.searched_classes
    log_prior, n_rows = near.relative_log_prior, int(np.diff(near.first).max())
    scores, norms = _cone_scores(images.compared, near, n_rows, search)
    if not search.plan.rules.cross_correlation:
        norms[near.particle, :, _place_in_cone(near)] -= log_prior[:, None]
    log_shift = log_shift_prior(images.applied_A - images.prior_offset_A, search)
    row = np.arange(n_rows * len(searched))
    rows = Candidates(np.repeat(searched, n_rows), row, row, np.zeros(len(row), np.float32))
    n = len(images)
    found = significant(
        scores.reshape(n, -1, len(row)), norms.reshape(n, -1), rows, log_shift, search
    )
    own = near.first[found.image_of_group] + found.samples.orientation % n_rows
    class_index = found.groups.class_index
    groups = Candidates(class_index, near.direction[own], near.psi[own], log_prior[own])
    return replace(found, groups=groups)


def n_local_rows(search: Search) -> int:
    """Return roughly how many rows the local search of an image has."""
    assert search.local is not None
    n_psi = len(psi_angles_deg(search.plan.sampling))
    every = len(search.searched_classes) * search.n_directions * n_psi
    return round(allowed_share(search.local) * every)


def _place_in_cone(near: LocalOrientations) -> Int[Array, " pair"]:
    """Return the number of each orientation among those of its particle."""
    return np.asarray(np.arange(len(near.psi)) - near.first[near.particle])


def _cone_scores(
    compared: Spectra, near: LocalOrientations, n_rows: int, search: Search
) -> tuple[
    Float32[Array, "image shift searched row"],
    Float32[Array, "image searched row"],
]:
    """Compare each image with one cone of slices of each class; unused rows are forbidden."""
    axes = coarse_axes(search, near.direction, near.psi)
    masked, power = coarse_spectra(compared, search)
    ramps, searched = search.shifts.coarse_ramps, search.searched_classes
    copies = np.empty((len(masked), *ramps.shape), np.float32)
    search.kernels.shifted(masked, ramps, copies)
    scores = np.full((len(masked), len(ramps), len(searched), n_rows), NEVER)
    norms = np.ones((len(masked), len(searched), n_rows), np.float32)
    for i, (first, last) in enumerate(pairwise(near.first)):
        own, n = axes[first:last], last - first
        for j, k in enumerate(searched):
            slices_of = search.volumes[k], search.coarse_pixels
            out = scores[i, :, j, :n], norms[i, j, :n]
            search.kernels.cone_scores(slices_of, own, copies[i], power[i], out)
    return scores, norms


def coarse_spectra(
    compared: Spectra, search: Search
) -> tuple[Float32[Array, "image coarse_width"], Float32[Array, "image coarse_pixel"]]:
    """Return the spectra, and the weights of |P|², of the coarse window.

    By correlation a pixel of the line kx = 0 counts for its mate, too; that of the highest
    frequency has none: a window has a row ky = size / 2, and no row -size / 2.
    """
    disc, plan = search.disc, search.plan
    masked = first_pixels(compared.masked, disc)
    power = np.ascontiguousarray(compared.power[:, : disc.n_coarse])
    if plan.rules.cross_correlation and plan.coarse_size < plan.compared_size:
        highest = plan.images.geometry.window(plan.coarse_size) // 2
        (rim,) = np.nonzero((disc.kx == 0) & (disc.ky == highest))
        for i in rim[rim < disc.n_coarse]:
            masked[:, 2 * i : 2 * i + 2] *= 0.5
            power[:, i] *= 0.5
    return masked, power
