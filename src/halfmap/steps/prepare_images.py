"""From images to weighted spectra: shift, norm, mask, transform, CTF, noise.

The image is divided by the noise and multiplied by the CTF here, so that slices of the
reference can be shared by all particles.
"""

from dataclasses import dataclass

import numpy as np
import scipy.fft
from jaxtyping import Complex64, Float, Float32, Int, UInt8
from numpy import ndarray as Array

from halfmap.kernels.protocol import Spectra
from halfmap.model.disc import interleaved, phase_ramps
from halfmap.model.fourier import crop_transform, round_half_away
from halfmap.model.padded_ctf import image_ctf
from halfmap.model.particles import Particles, Poses
from halfmap.model.sampling import Sampling
from halfmap.steps.search import Search

Rows = slice | Array
"""Anything that selects along the axis of images."""

NOT_NUMBERS, CONSTANT, NO_WEIGHT = 1, 2, 3
"""What can be wrong with an image."""
LARGEST_PIXEL = 1e15
"""Beyond, squares summed over an image leave single precision; such numbers are no grey values."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Images and what is known of them: rows of the run's tables."""

    images: Float32[Array, "image *two y x"]
    """One each, or one that is compared and one that is inserted."""
    rows: Int[Array, " image"]
    """In the table of all particles."""
    optics: Int[Array, " image"]
    scale: Float[Array, " image"]
    poses: Poses
    prior_deg: Float[Array, "image 3"]
    """Where the priors on rot, tilt, psi sit."""
    prior_offset_A: Float[Array, "image 2"]
    """Where the prior on the offset sits."""

    def __getitem__(self, some: Rows) -> "Batch":
        """Return some of the images."""
        return Batch(
            images=self.images[some],
            rows=self.rows[some],
            optics=self.optics[some],
            scale=self.scale[some],
            poses=self.poses[some],
            prior_deg=self.prior_deg[some],
            prior_offset_A=self.prior_offset_A[some],
        )

    def __len__(self) -> int:
        return len(self.rows)


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


def find_faults(images: Float32[Array, "image *two y x"]) -> UInt8[Array, " image"]:
    """Return `NOT_NUMBERS` or `CONSTANT` for images that cannot be used, 0 for the others."""
    flat = images.reshape(len(images), -1)
    low, high = flat.min(axis=1), flat.max(axis=1)  # NaN if there is one
    numbers = (low >= -LARGEST_PIXEL) & (high <= LARGEST_PIXEL)
    constant = low == high
    faults = np.where(numbers, np.where(constant, CONSTANT, 0), NOT_NUMBERS)
    return faults.astype(np.uint8)


def make_batch(
    images: Float32[Array, "image *two y x"],
    rows: Int[Array, " image"],
    particles: Particles,
    poses: Poses,
    search: Search,
) -> Batch:
    """Look up what is known of some particles.

    Parameters
    ----------
    images
        Pixels, as read.
    rows
        Their rows in ``particles``.
    particles
        All particles of the run.
    poses
        Of these images only.
    search
        Holds the scale of each group.
    """
    return Batch(
        images=images,
        rows=rows,
        optics=particles.optics_group[rows],
        scale=search.weighting.group_scale[particles.scale_group[rows]],
        poses=poses,
        prior_deg=_prior_deg(rows, particles, poses, search.plan.sampling),
        prior_offset_A=_prior_offset_A(rows, particles, search.plan.sampling),
    )


def _prior_deg(
    rows: Int[Array, " image"], particles: Particles, poses: Poses, sampling: Sampling
) -> Float[Array, "image 3"]:
    """Return the present poses, or what the table says where it says something."""
    if sampling.priors_follow_poses or particles.prior_deg is None:
        return poses.angles_deg
    said = particles.prior_deg[rows]
    return np.where(np.isnan(said), poses.angles_deg, said)


def _prior_offset_A(
    rows: Int[Array, " image"], particles: Particles, sampling: Sampling
) -> Float[Array, "image 2"]:
    """Return what the table says, but for 2D references: there each class has a mean offset."""
    if sampling.flat or particles.prior_offset_A is None:
        return np.zeros((len(rows), 2))
    return np.asarray(particles.prior_offset_A[rows])


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
    ctf = _ctf(batch, particles, search)
    shown = np.ones_like(ctf) if search.plan.rules.reference_without_ctf else ctf
    summed = _summed(listed, (ctf, shown), search, batch)
    own_power, beyond = power[1::2, :-1].copy(), power[1::2, -1].copy()
    if search.plan.rules.cross_correlation:
        compared = _by_correlation(listed[1::2], shown * _column(batch.scale), search)
        constant = _window_norm(planes[1::2], search)
    else:
        compared = _for_likelihood(summed, search)
        constant = _constant_misfit((own_power, beyond), listed[1::2], batch, search)
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


def _summed(
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
    ctf, shown = (transfer * _column(batch.scale) for transfer in transfers)
    weighted = ctf * precision
    done = np.array([search.plan.images.optics[g].ctf_premultiplied for g in batch.optics])[:, None]
    return Spectra(
        masked=interleaved(listed[1::2] * (shown * precision), width),
        unmasked=interleaved(listed[0::2] * np.where(done, precision, weighted), width),
        power=shown * precision * shown,
        weight=np.where(done, weighted, weighted * ctf),
    )


def _column(values: Float[Array, " image"]) -> Float32[Array, "image 1"]:
    return values.astype(np.float32)[:, None]


def _n_compared(search: Search) -> int:
    """Return how many pixels count in a comparison: the first of the list."""
    return search.disc.n_coarse if search.plan.rules.compares_coarsely else len(search.disc)


def _for_likelihood(spectra: Spectra, search: Search) -> Spectra:
    """Leave out k = 0 (adding a constant to an image must not matter), and too fine detail."""
    masked, power, n = spectra.masked.copy(), spectra.power.copy(), _n_compared(search)
    masked[:, :2] = masked[:, 2 * n :] = 0.0
    power[:, 0] = power[:, n:] = 0.0
    return spectra._replace(masked=masked, power=power)


def _by_correlation(
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


def _window_norm(planes: Array, search: Search) -> Float[Array, " image"]:
    """Return sqrt(Σ |X|²) over every stored pixel of the window."""
    window = crop_transform(planes, _compared_window(search)).astype(np.complex128)
    square = np.sum(np.abs(window) ** 2, axis=(1, 2))
    return np.asarray(np.sqrt(square) * search.plan.images.geometry.unit)


def _constant_misfit(
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


def _ctf(batch: Batch, particles: Particles, search: Search) -> Float32[Array, "image pixel"]:
    settings, disc = search.plan.images, search.disc
    ctf = np.ones((len(batch.rows), len(disc)), np.float32)
    if settings.ctf is None:
        return ctf
    for group in np.unique(batch.optics):
        own = np.flatnonzero(batch.optics == group)
        defocus = particles.defocus[batch.rows[own]]
        ctf[own] = image_ctf(disc.kx, disc.ky, defocus, settings.optics[group], settings.ctf)
    return ctf


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
