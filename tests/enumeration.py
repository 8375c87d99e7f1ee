"""Likelihoods of every state of a tiny problem, in float64 and without a grid or a kernel."""

import numpy as np
from numpy import ndarray as Array
from small_search import BOX

from halfmap.kernels.protocol import Pixels, Volume
from halfmap.kernels.reference import ReferenceKernels
from halfmap.model.ctf import contrast_transfer
from halfmap.model.disc import make_disc, plane_index
from halfmap.model.fourier import centring_signs, transform_2d
from halfmap.model.mask import fill_outside_mean, soft_circle
from halfmap.model.particles import Particles
from halfmap.model.rotations import euler_matrices
from halfmap.steps.references import fourier_reference


def log_likelihoods(
    picture: Array,
    of: tuple[Particles, int],
    volumes: Array,
    states: tuple[Array, Array],
    window: tuple[int, int, float],
) -> Array:
    """Return -½ Σ |C P - X|² / σ² of each (class, orientation, shift).

    Parameters
    ----------
    picture
        The image, normalised.
    of
        All particles, and which of them it shows.
    volumes
        Maps of the classes.
    states
        Euler angles (orientation, 3) and shifts in px (shift, 2).
    window
        Fourier windows of the reference and of the comparison, px, and the standard deviation of
        the noise.
    """
    (those, i), (angles, shifts_px), (size, compared, noise) = of, states, window
    disc = make_disc(size, size)
    masked = fill_outside_mean(picture.astype(float), soft_circle(BOX, 10.0, 2.0))
    plane = transform_2d(masked)
    x = (plane * centring_signs(plane.shape)).ravel()[plane_index(disc, BOX)]
    ctf = contrast_transfer(disc.kx, disc.ky, those.defocus[i : i + 1], those.optics[0])[0]
    turns = np.outer(shifts_px[:, 0], disc.kx) + np.outer(shifts_px[:, 1], disc.ky)
    moved = np.exp(-2j * np.pi * turns / BOX) * x
    square = disc.kx**2 + disc.ky**2
    counted = (square > 0) & (square <= (compared // 2) ** 2)
    axes = (euler_matrices(angles)[..., :2, :] * 2.0).reshape(-1, 6).astype(np.float32)
    found = np.empty((len(volumes), len(axes), len(shifts_px)))
    for k, volume in enumerate(volumes):
        reference = fourier_reference(volume, size, 2.0)
        rows = np.zeros((len(axes), disc.width), np.float32)
        pixels = Pixels(disc.kx.astype(np.float32), disc.ky.astype(np.float32))
        source = Volume(reference.values.reshape(-1).view(np.float32), reference.half)
        ReferenceKernels().project(source, axes, pixels, rows)
        slices = rows.view(np.complex64)[:, : len(disc)] * ctf
        misfit = np.abs(slices[:, None, counted] - moved[None, :, counted]) ** 2
        found[k] = -0.5 * misfit.sum(axis=2) / (0.5 * noise**2 / BOX**2)
    return found
