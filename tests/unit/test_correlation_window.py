"""Correlation in the coarse window, beside sums over the whole stored half plane in float64."""

from dataclasses import replace

import numpy as np
from numpy import ndarray as Array
from small_search import BOX, PIXEL_A, density, images, model, particles, plan, poses_at, search

from halfmap.kernels.protocol import Pixels, Volume
from halfmap.kernels.reference import ReferenceKernels
from halfmap.kernels.registry import make_kernels
from halfmap.model.ctf import contrast_transfer
from halfmap.model.fourier import centring_signs, crop_transform, frequencies_2d, transform_2d
from halfmap.model.mask import fill_outside_mean, soft_circle
from halfmap.model.orientations import direction_pixels, psi_angles_deg, translations_A
from halfmap.model.rotations import euler_matrices
from halfmap.model.sampling import Sampling
from halfmap.steps.batch import make_batch
from halfmap.steps.coarse_search import global_search
from halfmap.steps.prepare_images import prepare_images
from halfmap.steps.references import fourier_reference
from halfmap.steps.search_plan import SearchRules
from halfmap.steps.workspace import Workspace

GRID = Sampling(0, 60.0, 4.0, 4.0, 1, "C1")
"""12 directions, 6 psi, 5 shifts."""
COARSE = 8
TRUTH = np.array([[40.0, 70.0, 100.0], [10.0, 120.0, -60.0]])


def correlations(picture: Array, i: int) -> Array:
    """Return Re Σ conj(P) X / sqrt(Σ |P|²) of each (direction, psi, shift)."""
    those, volume = particles(2), density()
    masked = fill_outside_mean(picture.astype(float), soft_circle(BOX, 10.0, 2.0))
    plane = transform_2d(masked)
    x = crop_transform((plane * centring_signs(plane.shape))[None], COARSE)[0]
    ky, kx = np.broadcast_arrays(*frequencies_2d(COARSE))
    ctf = contrast_transfer(kx.ravel(), ky.ravel(), those.defocus[i : i + 1], those.optics[0])[0]
    inside = (kx**2 + ky**2 <= (COARSE // 2) ** 2).ravel()
    _, directions = direction_pixels(GRID)
    psi = psi_angles_deg(GRID)
    angles = np.empty((len(directions), len(psi), 3))
    angles[..., :2], angles[..., 2] = directions[:, None], psi
    axes = (euler_matrices(angles)[..., :2, :] * 2.0).reshape(-1, 6).astype(np.float32)
    reference = fourier_reference(volume, 16, 2.0)
    rows = np.zeros((len(axes), 2 * kx.size), np.float32)
    pixels = Pixels(kx.ravel().astype(np.float32), ky.ravel().astype(np.float32))
    source = Volume(reference.values.reshape(-1).view(np.float32), reference.half)
    ReferenceKernels().project(source, axes, pixels, rows)
    slices = rows.view(np.complex64) * ctf * inside
    norms = np.sqrt(np.sum(np.abs(slices) ** 2, axis=1))
    shifts = translations_A(GRID) / PIXEL_A
    turns = np.outer(shifts[:, 0], kx.ravel()) + np.outer(shifts[:, 1], ky.ravel())
    moved = np.exp(-2j * np.pi * turns / BOX) * x.ravel()
    return (slices.conj() @ moved.T).real / norms[:, None]


def test_the_best_coarse_correlation_is_that_over_every_stored_pixel_of_the_window() -> None:
    pictures = images(density(), particles(2), TRUTH, np.zeros((2, 2)), noise=4.0)
    known = model(density()[None], GRID, 9.0)
    rules = SearchRules(cross_correlation=True)
    made = search(known, replace(plan(particles(2), GRID), rules=rules), make_kernels())
    poses = poses_at(np.zeros((2, 3)), np.zeros((2, 2)))
    batch = make_batch(pictures, np.arange(2), particles(2), poses, made)
    prepared = prepare_images(batch, particles(2), made)

    found = global_search(prepared, batch.prior_deg, made, Workspace(made))

    for i in range(2):
        expected = correlations(pictures[i], i)
        # sums of 30 products in single precision
        np.testing.assert_allclose(found.peak[i], expected.max(), rtol=1e-5)
        row, shift = np.unravel_index(expected.argmax(), expected.shape)
        assert (found.samples.orientation[i], found.samples.shift[i]) == (row, shift)
