"""Particle images: projection, lens and detector, offset, noise, normalisation.

An image is ``norm (scale gain CTF projection + noise - mean) / deviation``: noise of unit
variance, and then what a particle extraction does, mean 0 and deviation 1 outside the particle. The
lens adds odd phases too, and the detector damps the signal. Premultiplied images are multiplied by
the CTF once more, noise and all, before they are normalised.
"""

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Complex128, Float, Float32, Int
from numpy import ndarray as Array

from halfmap.model.ctf import contrast_transfer, odd_factor
from halfmap.model.fourier import centring_signs, frequencies_2d, inverse_2d, transform_2d
from halfmap.model.geometry import ImageGeometry
from halfmap.model.image_noise import draw_noise
from halfmap.model.mask import soft_circle
from halfmap.model.optics import Defocus, Optics
from halfmap.model.particles import Particles, Poses
from halfmap.model.rotations import euler_matrices
from halfmap.model.spline_projection import SplineTransform, slices
from halfmap.steps.acquisition import Draw


@dataclass(frozen=True, slots=True)
class ImageFormation:
    """All that decides what the images of one grid of a data set look like."""

    reference: SplineTransform
    particles: Particles
    poses: Poses
    group_scale: Float[Array, " group"]
    norm: Float[Array, " particle"]
    """Factor on each normalised image."""
    noise_amplitude: Float[Array, "ky kx"]
    """Colour of the noise (`halfmap.model.image_noise`)."""
    background: Bool[Array, "y x"]
    """Pixels outside the particle."""
    seed: int
    geometry: ImageGeometry | None = None
    """Grid of the images; that of the reference if not given."""
    noise_deviation: float = 1.0
    """Of a pixel, before normalisation: a smaller one counts fewer electrons."""

    @property
    def box(self) -> int:
        """Of the images, px."""
        return self.reference.box if self.geometry is None else self.geometry.box


def background_pixels(
    box: int, pixel_size_A: float, particle_diameter_A: float
) -> Bool[Array, "y x"]:
    """Return which pixels lie outside the circle of the particle."""
    circle = soft_circle(box, particle_diameter_A / (2.0 * pixel_size_A), edge_px=0.0)
    return np.asarray(circle > 0.0)


def signal_images(
    formation: ImageFormation, rows: Int[Array, " image"]
) -> Float[Array, "image y x"]:
    """Return what the microscope would show without noise, on the scale of the reference.

    The offset of a pose is the shift that centres the image; so the particle stands at minus
    the offset.
    """
    poses, particles = formation.poses[rows], formation.particles
    signal = slices(formation.reference, euler_matrices(poses.angles_deg), formation.geometry)
    box = formation.box
    ky, kx = frequencies_2d(box)
    for group in np.unique(particles.optics_group[rows]):
        own = particles.optics_group[rows] == group
        optics = particles.optics[group]
        signal[own] *= _plain_ctf(kx, ky, particles.defocus[rows[own]], optics)
        signal[own] *= odd_factor(kx, ky, optics)
        if optics.detector is not None:
            width_A = box * optics.pixel_size_A
            signal[own] *= optics.detector.at(np.hypot(kx, ky) / width_A)
        offset_px = poses.offset_A[own] / optics.pixel_size_A
        signal[own] *= _displacement(kx, ky, offset_px, box)
    signal *= centring_signs((box, box // 2 + 1))
    scale = formation.group_scale[particles.scale_group[rows]]
    return np.asarray(inverse_2d(signal, box) * scale[:, None, None])


def _plain_ctf(
    kx: Int[Array, "y x"], ky: Int[Array, "y x"], defocus: Defocus, optics: Optics
) -> Float[Array, "image y x"]:
    """Return the CTF of the microscope, whatever is done to its images afterwards."""
    plain = replace(optics, ctf_premultiplied=False, ctf_corrected=False)
    return contrast_transfer(kx, ky, defocus, plain)


def _premultiplied(
    images: Float[Array, "image y x"], particles: Particles, rows: Int[Array, " image"]
) -> Float[Array, "image y x"]:
    """Multiply the images of some optics groups by their CTF, as an extraction does."""
    for group in np.unique(particles.optics_group[rows]):
        optics = particles.optics[group]
        if optics.ctf_premultiplied:
            own = particles.optics_group[rows] == group
            ky, kx = frequencies_2d(optics.box)
            ctf = _plain_ctf(kx, ky, particles.defocus[rows[own]], optics)
            images[own] = inverse_2d(transform_2d(images[own]) * ctf, optics.box)
    return images


def _displacement(
    kx: Int[Array, "y x"], ky: Int[Array, "y x"], offset_px: Float[Array, "image 2"], box: int
) -> Complex128[Array, "image y x"]:
    """Return the phases that move the particle to minus the offset."""
    cycles = np.multiply.outer(offset_px[:, 0], kx) + np.multiply.outer(offset_px[:, 1], ky)
    return np.asarray(np.exp(2j * np.pi / box * cycles))


def signal_variance(
    signal: Float[Array, "image y x"], background: Bool[Array, "y x"]
) -> Float[Array, " image"]:
    """Return the variance of each image inside the circle of the particle."""
    return np.asarray(signal[:, ~background].var(axis=1))


def simulated_images(
    formation: ImageFormation, rows: Int[Array, " image"], gain: float
) -> tuple[Float32[Array, "image y x"], Float[Array, " image"]]:
    """Return noisy, normalised images and the factor that their normalisation put on each.

    Parameters
    ----------
    rows
        Particles wanted. An image does not depend on which others are asked for with it.
    gain
        Factor on the reference; the noise has unit variance.

    Returns
    -------
    images
        Float32.
    factor
        ``norm / deviation``: an image is the CTF times the projection of ``gain`` times the
        reference, times this factor and the scale of its group, plus noise.
    """
    seeds = [np.random.SeedSequence((formation.seed, Draw.NOISE, int(row))) for row in rows]
    images = draw_noise(formation.noise_amplitude, seeds) * formation.noise_deviation
    images += gain * signal_images(formation, rows)
    images = _premultiplied(images, formation.particles, rows)
    outside = images[:, formation.background]
    factor = formation.norm[rows] / outside.std(axis=1)
    images -= outside.mean(axis=1)[:, None, None]
    images *= factor[:, None, None]
    return images.astype(np.float32), factor
