"""First pass where every particle keeps its orientation: only class and shift are open.

There is nothing to search for: each image is compared with one slice of each class, its own, all
images of a batch at once.
"""

from dataclasses import replace

import numpy as np
from jaxtyping import Float32, Int
from numpy import ndarray as Array

from halfmap.kernels.protocol import Samples, SliceTable, Spectra
from halfmap.steps.coarse_search import coarse_spectra, log_shift_prior
from halfmap.steps.prepare_images import PreparedImages
from halfmap.steps.search import Candidates, Search
from halfmap.steps.significance import CoarseResult, significant
from halfmap.steps.slices import coarse_axes, project_classes

FIXED_BYTES = 16 * 2**20
"""Slices and shifted copies that are held at a time."""


def fixed_batch_size(search: Search) -> int:
    """Return how many particles are compared together; it depends on the search alone."""
    rows = len(search.searched_classes) + len(search.shifts.coarse_A)
    return max(1, FIXED_BYTES // (4 * rows * search.disc.coarse_width))


def fixed_search(images: PreparedImages, search: Search) -> CoarseResult:
    """Compare each image with the classes at its own orientation (``search.given_deg``)."""
    log_shift = log_shift_prior(images.applied_A - images.prior_offset_A, search)
    scores, norms = _scores(images, search)
    found = significant(scores, norms, _classes(search), log_shift, search)
    image = np.repeat(np.arange(len(images)), np.diff(found.samples.first_group))
    return replace(found, groups=replace(found.groups, direction=image))


def _classes(search: Search) -> Candidates:
    """List the classes; as direction stands, later, the image."""
    classes = search.searched_classes
    fraction = search.model.class_fraction[classes]
    nothing = np.zeros(len(classes), np.int64)
    log_prior = np.log(fraction / fraction.mean()).astype(np.float32)
    return Candidates(classes, nothing, nothing, log_prior)


def _scores(
    images: PreparedImages, search: Search
) -> tuple[Float32[Array, "image shift row"], Float32[Array, "image row"]]:
    """Return Re(conj(P) X) and half of Σ |P|² of each image and class."""
    n, n_classes = len(images), len(search.searched_classes)
    compared = images.compared
    masked, power = coarse_spectra(compared, search)
    spectra = Spectra(
        masked=masked, unmasked=compared.unmasked, power=power, weight=compared.weight
    )
    slices, ramps = _own_slices(n, search), search.shifts.coarse_ramps
    blank = spectra._replace(masked=np.zeros_like(spectra.masked))
    minus_norms = _compared(blank, slices, ramps[:1], search)
    crosses = _compared(spectra, slices, ramps, search) - minus_norms
    return (
        np.ascontiguousarray(crosses.swapaxes(1, 2)),
        -minus_norms.reshape(n, n_classes),
    )


def _compared(
    spectra: Spectra,
    slices: Float32[Array, "slot 1 width"],
    ramps: Float32[Array, "shift width"],
    search: Search,
) -> Float32[Array, "image class shift"]:
    """Return Re(conj(P) X_t) - Σ power |P|² / 2 of every class and shift."""
    n, n_classes, n_shifts = len(spectra.masked), len(search.searched_classes), len(ramps)
    groups = np.arange(n * n_classes)
    image, k = np.divmod(groups, n_classes)
    samples = Samples(
        first_group=np.arange(n + 1) * n_classes,
        orientation=groups,
        first_sample=np.arange(len(groups) + 1) * n_shifts,
        shift=np.tile(np.arange(n_shifts, dtype=np.int32), len(groups)),
    )
    table = SliceTable(slices, 0, k * n + image)
    out = np.empty((len(samples.shift), 1, 1), np.float32)
    search.kernels.fine_scores(spectra, ramps[:, None], samples, table, out)
    return out.reshape(n, n_classes, n_shifts)


def _own_slices(n: int, search: Search) -> Float32[Array, "slot 1 width"]:
    """Cut the slice of each class, and of it that of each image."""
    classes = search.searched_classes
    slots: Int[Array, " slot"] = np.tile(np.arange(n), len(classes))
    rows = Candidates(
        class_index=np.repeat(classes, n),
        direction=slots,
        psi=np.zeros_like(slots),
        log_prior=np.zeros(len(slots), np.float32),
    )
    slices = np.empty((len(rows), search.disc.coarse_width), np.float32)
    axes = coarse_axes(search, rows.direction, rows.psi)
    project_classes(search, rows.class_index, axes, (search.coarse_pixels, slices))
    return slices[:, None]
