"""Noise and signal spectra before the first iteration.

Variances are per *real component* of the transform (divided by the number of pixels): half of |F|².
"""

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray as Array

from halfmap.model.fourier import (
    crop_transform,
    inverse_2d,
    radial_mean,
    round_half_away,
    shells_2d,
    shells_3d,
    transform_2d,
    transform_3d,
    window_image,
)
from halfmap.model.geometry import ImageGeometry


def image_spectrum(
    images: Float[Array, "image y x"], geometry: ImageGeometry | None = None
) -> Float[Array, "image shell"]:
    """Return the mean of |F|² in each shell of the map, from 0 to box/2; 0 where it has no pixel.

    Over every stored pixel: on the line kx = 0 both signs of ky count. On another grid than the
    map's, F is scaled as `ImageGeometry.unit` says.
    """
    geometry = geometry or ImageGeometry.plain(images.shape[-1], 1.0)
    n_shells = geometry.model_box // 2 + 1
    inside = shells_2d(geometry.box) <= geometry.box // 2
    shells = np.where(inside, np.minimum(geometry.model_shells(), n_shells), n_shells).ravel()
    counts = np.maximum(np.bincount(shells, minlength=n_shells + 1), 1)
    planes = transform_2d(images)
    power = (planes.real**2 + planes.imag**2) / geometry.power_per_pixel
    total = [np.bincount(shells, plane.ravel(), n_shells + 1) for plane in power]
    return np.asarray((np.array(total) / counts)[:, :n_shells])


def on_map_grid(
    image: Float[Array, "y x"], geometry: ImageGeometry
) -> Float[Array, "model_y model_x"]:
    """Bring an image to pixel size and box of the map, nearly; grey values and centre are kept.

    Resampled to a whole even number of pixels in Fourier space, then cropped, or padded with zeros.
    """
    resampled = round_half_away(
        image.shape[-1] * geometry.pixel_size_A / geometry.model_pixel_size_A
    )
    resampled += resampled % 2
    if resampled != image.shape[-1]:
        image = inverse_2d(crop_transform(transform_2d(image), resampled), resampled)
    return window_image(image, geometry.model_box)


def initial_noise_variance(
    sum_spectra: Float[Array, "optics shell"],
    counts: Int[Array, " optics"],
    mean_image: Float[Array, "y x"],
) -> Float[Array, "optics shell"]:
    """Estimate the noise from images of unknown pose: their power minus that of their mean.

    Parameters
    ----------
    sum_spectra
        `image_spectrum`, summed over the first images of each optics group.
    counts
        How many were summed; a group without images gets zeros.
    mean_image
        Mean of the same images of all groups.

    Returns
    -------
    noise_variance
        Where the difference is negative it is that of the shell before or, if there is none,
        of the next positive shell.
    """
    mean_spectrum = image_spectrum(mean_image[None])[0]
    spectra = sum_spectra / np.maximum(counts, 1)[:, None]
    variance = 0.5 * (spectra - mean_spectrum)
    variance[counts == 0] = 0.0
    return np.stack([_without_negatives(row) for row in variance])


def _without_negatives(spectrum: Float[Array, " shell"]) -> Float[Array, " shell"]:
    """Replace negative entries by the last positive one, or by the first one there is."""
    positive = np.flatnonzero(spectrum > 0.0)
    if len(positive) == 0:
        return np.zeros_like(spectrum)
    last = np.searchsorted(positive, np.arange(len(spectrum)), side="right") - 1
    filled = spectrum[positive[np.maximum(last, 0)]]
    return np.where(spectrum < 0.0, filled, spectrum)


def initial_signal_to_noise(
    volume: Float[Array, "z y x"],
    noise_variance: Float[Array, "optics shell"],
    n_expected_particles: float,
    tau2_fudge: float = 1.0,
    given_variance: Float[Array, " shell"] | None = None,
) -> tuple[Float[Array, " shell"], Float[Array, " shell"]]:
    """Guess from a reference how far the data will carry, to get a first resolution.

    Parameters
    ----------
    volume
        Reference of one class, on the grey scale of the particles.
    noise_variance
        Of each optics group; groups of zeros are ignored.
    n_expected_particles
        Particles of this half-set times the fraction of the class.
    tau2_fudge
        Factor on the power of the signal.
    given_variance
        tau2 in place of the power of the reference.

    Returns
    -------
    signal_variance
        tau2: power of the projections per real component, 0 to box/2.
    data_vs_prior
        ``n tau2 / (2 r sigma2)``: each of n central slices covers about 1 / 2r of the points of
        shell r of the map. An image covers all points of a 2D reference: ``n tau2 / sigma2``.
    """
    box = volume.shape[-1]
    n_shells = box // 2 + 1
    flat = len(volume) == 1
    shells = shells_3d(box, flat=flat)
    power = radial_mean(np.abs(transform_3d(volume)) ** 2, shells, n_shells)
    # The transform of a sum along z, divided by box² pixels instead of box³ voxels.
    projected = 0.5 * power * (1.0 if flat else box**2)
    signal = tau2_fudge * (projected if given_variance is None else given_variance)
    known = noise_variance[noise_variance.sum(axis=1) > 0.0]
    noise = known.mean(axis=0) if len(known) else np.zeros(n_shells)
    spread = np.maximum(2.0 * np.arange(n_shells) * (not flat), 1.0)
    weight = np.zeros(n_shells)
    np.divide(n_expected_particles, noise * spread, out=weight, where=noise > 0.0)
    return signal, weight * signal
