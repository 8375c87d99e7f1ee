"""First pass: compare images with coarse slices at coarse shifts; keep what is significant."""

from dataclasses import replace

import numpy as np
from jaxtyping import Float, Float32, Int
from numpy import ndarray as Array

from halfmap.kernels.protocol import Samples, Spectra
from halfmap.model.local_orientations import LocalOrientations, local_orientations
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
    priors = [_relative_prior(local_orientations(search.local, p), search) for p in prior_deg]
    _add_priors(scores, norms, priors, search)
    found = significant(scores, norms, search.candidates, log_shift, search)
    groups, image = found.groups, np.repeat(np.arange(n), np.diff(found.samples.first_group))
    own = np.stack(priors)[image, groups.direction, groups.psi]
    return replace(found, groups=replace(groups, log_prior=own))


def _relative_prior(allowed: LocalOrientations, search: Search) -> Float32[Array, "direction psi"]:
    """Return the log-prior of every orientation, relative to the mean of those allowed."""
    n_psi = len(psi_angles_deg(search.plan.sampling))
    relative = np.full((search.n_directions, n_psi), NEVER, np.float32)
    mean = np.logaddexp.reduce(allowed.log_prior) - np.log(len(allowed.log_prior))
    relative[allowed.direction, allowed.psi] = allowed.log_prior - mean
    return relative


def _add_priors(
    scores: Float32[Array, "image shift row"],
    norms: Float32[Array, "image row"],
    priors: list[Float32[Array, "direction psi"]],
    search: Search,
) -> None:
    """Subtract each image's log-priors from what is subtracted anyway.

    By correlation priors do not count, but what they forbid stays forbidden.
    """
    by_pair = norms.reshape(len(norms), -1, *priors[0].shape)
    for i, relative in enumerate(priors):
        if search.plan.rules.cross_correlation:
            forbidden = np.tile((relative == NEVER).ravel(), by_pair.shape[1])
            scores[i][:, forbidden] = NEVER
        else:
            by_pair[i] -= relative


def local_search(
    images: PreparedImages, prior_deg: Float[Array, "image 3"], search: Search
) -> CoarseResult:
    """Search, for each image, the orientations around the centre of its prior."""
    searched = search.searched_classes
    near = [_local_candidates(prior, searched, search) for prior in prior_deg]
    ends = np.cumsum([0, *(len(candidates) for candidates in near)])
    axes = coarse_axes(search, joined(near))
    shifts, disc = search.shifts, search.disc
    copies = np.empty((len(images), len(shifts.coarse_A), disc.coarse_width), np.float32)
    masked, power = coarse_spectra(images.compared, search)
    search.kernels.shifted(masked, shifts.coarse_ramps, copies)
    log_shift = log_shift_prior(images.applied_A - images.prior_offset_A, search)
    found = []
    for i, candidates in enumerate(near):
        own = axes[ends[i] : ends[i + 1]].reshape(len(searched), -1, 6)
        scores = _cone_scores(power[i], copies[i], (searched, own), search)
        found.append(significant(*scores, candidates, log_shift[i : i + 1], search))
    return _merged(found)


def _cone_scores(
    power: Float32[Array, " pixel"],
    copies: Float32[Array, "shift coarse_width"],
    cones: tuple[Int[Array, " searched"], Float32[Array, "searched orientation 6"]],
    search: Search,
) -> tuple[Float32[Array, "1 shift row"], Float32[Array, "1 row"]]:
    """Compare an image with one cone of slices (class, axes) after the other."""
    n_classes, n = cones[1].shape[:2]
    scores = np.empty((len(copies), n_classes, n), np.float32)
    norms = np.empty((n_classes, n), np.float32)
    part = np.empty((len(copies), n), np.float32)
    for i, (k, axes) in enumerate(zip(*cones, strict=True)):
        slices_of = (search.volumes[k], search.coarse_pixels)
        search.kernels.cone_scores(slices_of, axes, copies, power, (part, norms[i]))
        scores[:, i] = part
    return scores.reshape(1, len(copies), -1), norms.reshape(1, -1)


def joined(candidates: list[Candidates]) -> Candidates:
    """Return several lists of orientations as one."""
    names = ("class_index", "direction", "psi", "log_prior")
    return Candidates(*(np.concatenate([getattr(c, name) for c in candidates]) for name in names))


def _merged(found: list[CoarseResult]) -> CoarseResult:
    """Return the results of single images as the result of all of them."""
    samples = [result.samples for result in found]
    n_samples = np.concatenate([np.diff(s.first_sample) for s in samples])
    return CoarseResult(
        samples=Samples(
            first_group=np.cumsum([0, *(len(s.orientation) for s in samples)]),
            orientation=np.concatenate([s.orientation for s in samples]),
            first_sample=np.concatenate([[0], np.cumsum(n_samples)]),
            shift=np.concatenate([s.shift for s in samples]),
        ),
        groups=joined([result.groups for result in found]),
        log_shift=np.concatenate([result.log_shift for result in found]),
        n_significant=np.concatenate([result.n_significant for result in found]),
        weights=np.concatenate([result.weights for result in found]),
        peak=np.concatenate([result.peak for result in found]),
        total=np.concatenate([result.total for result in found]),
    )


def _local_candidates(
    prior_deg: Float[Array, " 3"], searched: Int[Array, " searched"], search: Search
) -> Candidates:
    """List the orientations near the prior, once for each class that is searched.

    Class priors are not used.
    """
    assert search.local is not None
    near = local_orientations(search.local, prior_deg)
    mean = np.logaddexp.reduce(near.log_prior) - np.log(len(near.log_prior))
    log_prior = (near.log_prior - mean).astype(np.float32)
    return Candidates(
        class_index=np.repeat(searched, len(near.psi)),
        direction=np.concatenate([near.direction] * len(searched)),
        psi=np.concatenate([near.psi] * len(searched)),
        log_prior=np.concatenate([log_prior] * len(searched)),
    )


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
