"""From transforms to what is compared and summed: weights, CTF, constant part of the misfit."""

import numpy as np
from jaxtyping import Complex64, Float, Float32
from numpy import ndarray as Array

from halfmap.kernels.protocol import Spectra
from halfmap.model.disc import interleaved
from halfmap.model.fourier import crop_transform
from halfmap.model.padded_ctf import image_ctf
from halfmap.model.particles import Particles
from halfmap.steps.batch import Batch
from halfmap.steps.search import Search


def image_transfers(
    batch: Batch, particles: Particles, search: Search
) -> Float32[Array, "image pixel"]:
    """Return the CTF of each image at the pixels of the disc; ones without a correction.

    Raises
    ------
    DataError
        If the CTF of an optics group cannot be computed.
    """
    settings, disc = search.plan.images, search.disc
    ctf = np.ones((len(batch.rows), len(disc)), np.float32)
    if settings.ctf is None:
        return ctf
    for group in np.unique(batch.optics):
        own = np.flatnonzero(batch.optics == group)
        defocus = particles.defocus[batch.rows[own]]
        ctf[own] = image_ctf(disc.kx, disc.ky, defocus, settings.optics[group], settings.ctf)
    return ctf


def summed_spectra(
    listed: Complex64[Array, "plane pixel"],
    transfers: tuple[Float32[Array, "image pixel"], Float32[Array, "image pixel"]],
    search: Search,
    batch: Batch,
) -> Spectra:
    """Weight the spectra for the sums: premultiplied images hold one factor of the CTF already.

    ``transfers`` are the CTF of the images, and that which the reference still needs.
    """
    width = search.disc.width
    precision = search.weighting.precision[batch.optics]
    ctf, shown = (transfer * column(batch.scale) for transfer in transfers)
    weighted = ctf * precision
    done = np.array([search.plan.images.optics[g].ctf_premultiplied for g in batch.optics])[:, None]
    return Spectra(
        masked=interleaved(listed[1::2] * (shown * precision), width),
        unmasked=interleaved(listed[0::2] * np.where(done, precision, weighted), width),
        power=shown * precision * shown,
        weight=np.where(done, weighted, weighted * ctf),
    )


def column(values: Float[Array, " image"]) -> Float32[Array, "image 1"]:
    """Return one factor an image, to be multiplied with its pixels."""
    return values.astype(np.float32)[:, None]


def _n_compared(search: Search) -> int:
    """Return how many pixels count in a comparison: the first of the list."""
    return search.disc.n_coarse if search.plan.rules.compares_coarsely else len(search.disc)


def for_likelihood(spectra: Spectra, search: Search) -> Spectra:
    """Leave out k = 0 (adding a constant to an image must not matter), and too fine detail."""
    masked, power, n = spectra.masked.copy(), spectra.power.copy(), _n_compared(search)
    masked[:, :2] = masked[:, 2 * n :] = 0.0
    power[:, 0] = power[:, n:] = 0.0
    return spectra._replace(masked=masked, power=power)


def by_correlation(
    masked: Complex64[Array, "image pixel"], ctf: Float32[Array, "image pixel"], search: Search
) -> Spectra:
    """Weight every stored pixel of the window alike: those on kx = 0 stand for their mates too."""
    disc, window = search.disc, _compared_window(search)
    has_mate = (disc.kx == 0) & (disc.ky > 0) & (disc.ky < window // 2)
    weight = np.where(has_mate, 2.0, 1.0).astype(np.float32) * ctf
    weight[:, _n_compared(search) :] = 0.0
    own = interleaved(masked * weight, disc.width)
    return Spectra(masked=own, unmasked=own, power=weight * ctf, weight=weight * ctf)


def _compared_window(search: Search) -> int:
    """Return the window of the image in which it is compared, px."""
    plan = search.plan
    return plan.images.geometry.window(plan.compared_size)


def window_norm(planes: Array, search: Search) -> Float[Array, " image"]:
    """Return sqrt(Σ |X|²) over every stored pixel of the window."""
    window = crop_transform(planes, _compared_window(search)).astype(np.complex128)
    square = np.sum(np.abs(window) ** 2, axis=(1, 2))
    return np.asarray(np.sqrt(square) * search.plan.images.geometry.unit)


def constant_misfit(
    powers: tuple[Float[Array, "image shell"], Float[Array, " image"]],
    masked: Complex64[Array, "image pixel"],
    batch: Batch,
    search: Search,
) -> Float[Array, " image"]:
    """Return what the image itself adds to the misfit.

    Half its power over the noise inside the compared window; beyond the whole one, half its power
    as it is (RELION's convention: it only shifts the reported likelihood).
    """
    power, beyond = powers
    last, compared = search.plan.current_size // 2, search.plan.compared_size // 2
    precision = search.weighting.shell_precision[batch.optics]
    inside = np.sum(power[:, 1 : compared + 1] * precision[:, 1 : compared + 1], axis=1)
    if compared < last:
        # the smaller window has no row ky = -size / 2, which the shells of the larger one count
        row = (search.disc.ky == -(_compared_window(search) // 2)) & (search.disc.kx > 0)
        row &= search.disc.shell <= compared
        lost = np.abs(masked[:, row]) ** 2 * precision[:, search.disc.shell[row]]
        inside = inside - lost.sum(axis=1)
    outside = power[:, last + 1 :].sum(axis=1) + beyond
    return np.asarray(0.5 * (inside + outside * search.plan.images.geometry.power_per_pixel))
