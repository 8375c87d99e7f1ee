"""Particle images: projection, CTF, offset, noise, normalisation.

An image is ``norm (scale gain CTF projection + noise - mean) / deviation``: noise of unit
variance, and then what a particle extraction does, mean 0 and deviation 1 outside the particle.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Complex128, Float, Float32, Int
from numpy import ndarray as Array

from halfmap.model.ctf import contrast_transfer
from halfmap.model.fourier import centring_signs, frequencies_2d, inverse_2d
from halfmap.model.image_noise import draw_noise
from halfmap.model.mask import soft_circle
from halfmap.model.particles import Particles, Poses
from halfmap.model.rotations import euler_matrices
from halfmap.model.spline_projection import SplineTransform, slices
from halfmap.steps.acquisition import Draw


@dataclass(frozen=True, slots=True)
class ImageFormation:
    """All that decides what the images of a data set look like."""

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
    signal = slices(formation.reference, euler_matrices(poses.angles_deg))
    box = formation.reference.box
    ky, kx = frequencies_2d(box)
    for group in np.unique(particles.optics_group[rows]):
        own = particles.optics_group[rows] == group
        optics = particles.optics[group]
        signal[own] *= contrast_transfer(kx, ky, particles.defocus[rows[own]], optics)
        offset_px = poses.offset_A[own] / optics.pixel_size_A
        signal[own] *= _displacement(kx, ky, offset_px, box)
    signal *= centring_signs((box, box // 2 + 1))
    scale = formation.group_scale[particles.scale_group[rows]]
    return np.asarray(inverse_2d(signal, box) * scale[:, None, None])


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
    images = draw_noise(formation.noise_amplitude, seeds)
    images += gain * signal_images(formation, rows)
    outside = images[:, formation.background]
    factor = formation.norm[rows] / outside.std(axis=1)
    images -= outside.mean(axis=1)[:, None, None]
    images *= factor[:, None, None]
    return images.astype(np.float32), factor
