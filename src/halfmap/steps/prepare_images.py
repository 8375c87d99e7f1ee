"""From images to weighted spectra: shift, norm, mask, transform, CTF, noise.

The image is divided by the noise and multiplied by the CTF here, so that slices of the
reference can be shared by all particles.
"""

from dataclasses import dataclass

import numpy as np
import scipy.fft
from jaxtyping import Complex64, Float, Float32, Int
from numpy import ndarray as Array

from halfmap.kernels.protocol import Spectra
from halfmap.model.disc import phase_ramps
from halfmap.model.fourier import round_half_away
from halfmap.model.particles import Particles
from halfmap.steps.batch import Batch, Rows
from halfmap.steps.search import Search
from halfmap.steps.spectra import (
    by_correlation,
    column,
    constant_misfit,
    for_likelihood,
    image_transfers,
    summed_spectra,
    window_norm,
)


@dataclass(frozen=True, slots=True)
class PreparedImages:
    """Images of a batch, ready to be compared and summed."""

    applied_A: Float[Array, "image 2"]
    """Shift that was applied, x and y: a whole number of pixels, unless offsets are fixed."""
    prior_offset_A: Float[Array, "image 2"]
    """Where the prior on the whole offset sits."""
    compared: Spectra
    """For the scores; no k = 0 unless compared by correlation."""
    summed: Spectra
    """For the sums."""
    power: Float[Array, "image shell"]
    """|X|² of the masked image by shell; see `halfmap.model.disc.counted_shells`."""
    power_beyond: Float[Array, " image"]
    """The same beyond the last shell of the map, where the image has finer pixels."""
    constant: Float[Array, " image"]
    """Part of the misfit that is the same in all poses (by correlation: norm of the image)."""

    def __getitem__(self, some: Rows) -> "PreparedImages":
        """Return some of the images."""
        return PreparedImages(
            applied_A=self.applied_A[some],
            prior_offset_A=self.prior_offset_A[some],
            compared=Spectra(*(rows[some] for rows in self.compared)),
            summed=Spectra(*(rows[some] for rows in self.summed)),
            power=self.power[some],
            power_beyond=self.power_beyond[some],
            constant=self.constant[some],
        )

    def __len__(self) -> int:
        return len(self.constant)


def prepare_images(batch: Batch, particles: Particles, search: Search) -> PreparedImages:
    """Prepare the images of a batch for the search.

    Raises
    ------
    DataError
        If the CTF of an optics group cannot be computed.
    """
    settings, weighting, box = search.plan.images, search.weighting, search.plan.images.box
    others = search.plan.rules.inserts_others
    centre = round_half_away(batch.poses.offset_A / settings.pixel_size_A)
    gain = search.model.mean_norm / batch.poses.norm if settings.do_norm else np.ones(len(centre))
    pairs = search.kernels.shift_and_mask(
        np.ascontiguousarray(batch.images[:, 0] if others else batch.images),
        gain.astype(np.float32),
        centre,
        weighting.background,
        _noise_fill(batch, search),
    )
    if others:
        pairs[:, 0] = _shifted(batch.images[:, 1], centre, search)
    planes = scipy.fft.rfft2(pairs.reshape(-1, box, box), overwrite_x=True)
    planes = planes.astype(np.complex64, copy=False)
    of_plane = np.repeat(batch.optics, 2)
    if weighting.detector is not None:
        planes *= weighting.detector[of_plane]
    listed, power = search.kernels.read_planes(planes, weighting.layout)
    if weighting.demodulation is not None:
        listed *= weighting.demodulation[of_plane]
    applied_A = _applied_A(listed, centre, batch.poses.offset_A, search)
    ctf = image_transfers(batch, particles, search)
    shown = np.ones_like(ctf) if search.plan.rules.reference_without_ctf else ctf
    summed = summed_spectra(listed, (ctf, shown), search, batch)
    own_power, beyond = power[1::2, :-1].copy(), power[1::2, -1].copy()
    if search.plan.rules.cross_correlation:
        compared = by_correlation(listed[1::2], shown * column(batch.scale), search)
        constant = window_norm(planes[1::2], search)
    else:
        compared = for_likelihood(summed, search)
        constant = constant_misfit((own_power, beyond), listed[1::2], batch, search)
    return PreparedImages(
        applied_A=applied_A,
        prior_offset_A=batch.prior_offset_A,
        compared=compared,
        summed=summed,
        power=own_power,
        power_beyond=beyond,
        constant=constant,
    )


def _shifted(
    images: Float32[Array, "image y x"], centre_px: Int[Array, "image 2"], search: Search
) -> Float32[Array, "image y x"]:
    """Shift the images that are inserted; the norm was measured on others, and is not theirs."""
    unit_gain = np.ones(len(images), np.float32)
    own_mean = np.zeros((0, *images.shape[1:]), np.float32)
    background, contiguous = search.weighting.background, np.ascontiguousarray(images)
    moved = search.kernels.shift_and_mask(contiguous, unit_gain, centre_px, background, own_mean)
    return np.asarray(moved[:, 0])


def _applied_A(
    listed: Complex64[Array, "plane pixel"],
    centre_px: Int[Array, "image 2"],
    offset_A: Float[Array, "image 2"],
    search: Search,
) -> Float[Array, "image 2"]:
    """Return what the images are shifted by; where offsets are fixed, shift by the rest as well."""
    pixel_A = search.plan.images.pixel_size_A
    if not search.plan.sampling.fixed_offsets:
        return np.asarray(centre_px * pixel_A)
    ramps = phase_ramps(search.disc, offset_A / pixel_A - centre_px, search.plan.images.box)
    listed *= np.repeat(ramps.view(np.complex64)[:, : listed.shape[1]], 2, axis=0)
    return offset_A


def _noise_fill(batch: Batch, search: Search) -> Float32[Array, "image_or_0 y x"]:
    """Draw, for each particle from its own stream, noise with the spectrum of its optics group."""
    settings = search.plan.images
    box = settings.box
    if settings.zero_mask:
        return np.zeros((0, box, box), np.float32)
    shells = settings.geometry.model_shells()
    variance = np.pad(search.model.noise_variance, ((0, 0), (0, shells.max())))[:, shells]
    variance *= settings.geometry.power_per_pixel
    planes = np.empty((len(batch.rows), box, box // 2 + 1), np.complex64)
    for i, (row, group) in enumerate(zip(batch.rows, batch.optics, strict=True)):
        stream = np.random.Generator(np.random.Philox(key=[settings.seed, int(row)]))
        parts = stream.standard_normal((2, *shells.shape), dtype=np.float32)
        planes[i] = (parts[0] + 1j * parts[1]) * np.sqrt(variance[group])
        if search.weighting.detector is not None:  # which the masked image will be multiplied with
            planes[i] /= search.weighting.detector[group]
    noise = scipy.fft.irfft2(planes, s=(box, box), norm="forward", overwrite_x=True)
    return np.asarray(noise)
