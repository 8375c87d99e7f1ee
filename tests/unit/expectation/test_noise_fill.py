"""Noise that fills the outside of a particle, where zeros are not wanted."""

from dataclasses import replace

import numpy as np
from numpy import ndarray as Array
from small_search import BOX, GLOBAL, density, model, particles, plan, search, settings

from halfmap.kernels.protocol import Kernels
from halfmap.model.fourier import pixels_per_shell
from halfmap.model.particles import Poses
from halfmap.steps.batch import make_batch
from halfmap.steps.prepare_images import prepare_images

from .small_unit import ASSUMED, data


def test_noise_that_fills_the_outside_belongs_to_the_particle(kernels: Kernels) -> None:
    pictures, those, _, _ = data(GLOBAL)
    noisy = replace(plan(those).images, zero_mask=False)
    made = search(
        model(density()[None], GLOBAL, ASSUMED), replace(plan(those), images=noisy), kernels
    )

    def masked(rows: list[int]) -> Array:
        own = np.array(rows)
        batch = make_batch(pictures[own], own, those, Poses.unknown(len(own)), made)
        return prepare_images(batch, those, made).compared.masked

    together = masked([0, 1, 2, 3])
    np.testing.assert_array_equal(masked([3, 1]), together[[3, 1]])
    assert np.abs(together[0] - together[1]).max() > 0


def test_noise_that_fills_the_outside_has_the_spectrum_of_the_noise(kernels: Kernels) -> None:
    n = 40
    those, noise = particles(n), np.linspace(2.0, 0.5, BOX // 2 + 1)
    filled = replace(settings(those), zero_mask=False, mask_radius_px=0.0, mask_edge_px=0.1)
    known = model(density()[None], GLOBAL, ASSUMED)
    known = replace(known, noise_variance=noise[None])
    made = search(known, replace(plan(those), images=filled), kernels)
    pictures = np.zeros((n, BOX, BOX), np.float32)
    batch = make_batch(pictures, np.arange(n), those, Poses.unknown(n), made)

    power = prepare_images(batch, those, made).power.mean(axis=0)

    # all of the image is outside; 40 images of 6 to 29 complex pixels a shell: 6 % or better
    shells = slice(2, 8)
    per_component = power[shells] / (2.0 * pixels_per_shell(BOX)[shells])
    np.testing.assert_allclose(per_component, noise[shells], rtol=0.2)
