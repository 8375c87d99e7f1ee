"""Brightness of the images: constants, norms, intensity scales, and correlation without them."""

from dataclasses import replace

import numpy as np
import pytest
from small_search import GLOBAL, density, model, particles, plan, search

from halfmap.kernels.protocol import Kernels
from halfmap.kernels.registry import make_kernels
from halfmap.model.particles import Poses

from .small_unit import (
    ASSUMED,
    EXHAUSTIVE,
    N,
    data,
    distance_deg,
    exhaustive_search_of,
    global_search_of,
    run,
)


def test_a_constant_added_to_an_image_changes_nothing(kernels: Kernels) -> None:
    pictures, those, _, _ = data(EXHAUSTIVE)
    made = exhaustive_search_of(those, kernels)
    plain, _ = run(pictures, those, made)

    found, _ = run(pictures + np.float32(0.5), those, made)

    # pixels of order 1 round by 6e-8 when the constant is added
    np.testing.assert_allclose(found.log_likelihood, plain.log_likelihood, rtol=1e-6)
    np.testing.assert_allclose(found.max_probability, plain.max_probability, rtol=1e-5)


@pytest.mark.parametrize("oversampling", [0, 1])
def test_correlation_does_not_depend_on_the_grey_scale(kernels: Kernels, oversampling: int) -> None:
    pictures, those, angles, offsets = data(EXHAUSTIVE)
    of = global_search_of if oversampling else exhaustive_search_of
    made = of(those, kernels, cross_correlation=True)

    found, _ = run(pictures, those, made)
    scaled, _ = run(5.0 * pictures, those, made)

    if not oversampling:
        assert distance_deg(found, angles).max() < 1e-5
        np.testing.assert_allclose(found.offset_A, offsets, atol=1e-9)
    np.testing.assert_array_equal(scaled.angles_deg, found.angles_deg)
    # correlations are sums of some 100 products in single precision
    np.testing.assert_allclose(scaled.log_likelihood, found.log_likelihood, rtol=1e-5)
    assert (found.n_significant == 1).all()
    assert (found.max_probability == 1.0).all()


def test_the_finer_state_of_best_correlation_is_the_one_that_brute_force_finds(
    kernels: Kernels,
) -> None:
    pictures, those, _, _ = data(GLOBAL)
    two_pass = global_search_of(those, kernels, cross_correlation=True)
    numpy = search(two_pass.model, two_pass.plan, make_kernels("reference"))

    found, _ = run(pictures, those, two_pass)
    expected, _ = run(pictures, those, numpy)

    np.testing.assert_array_equal(found.angles_deg, expected.angles_deg)
    # correlations are sums of some 100 products in single precision
    np.testing.assert_allclose(found.log_likelihood, expected.log_likelihood, rtol=1e-5)


def test_the_correlation_of_a_clean_image_with_its_own_projection_is_almost_one(
    kernels: Kernels,
) -> None:
    pictures, those, _, _ = data(EXHAUSTIVE, noise=0.0)

    found, _ = run(pictures, those, exhaustive_search_of(those, kernels, cross_correlation=True))

    # the mask takes a little from the image and not from the projection
    assert (found.log_likelihood > 0.99).all()
    assert (found.log_likelihood < 1.0).all()


def test_the_intensity_scale_of_brighter_images_is_measured(kernels: Kernels) -> None:
    pictures, those, _, _ = data(GLOBAL)
    made = global_search_of(those, kernels)
    plain, _ = run(pictures, those, made)

    brighter, _ = run(1.5 * pictures, those, made)

    # brighter images have sharper posteriors: other states, of scales that differ by 1 %
    ratio = brighter.scale_signal / brighter.scale_power
    np.testing.assert_allclose(ratio, 1.5 * plain.scale_signal / plain.scale_power, rtol=0.02)


def test_intensity_scales_are_kept_away_from_zero(kernels: Kernels) -> None:
    known = replace(model(density()[None], GLOBAL, ASSUMED), group_scale=np.array([-2.0, 1.5]))

    made = search(known, plan(particles(2)), kernels)

    assert made.weighting.group_scale.tolist() == [1e-3, 1.5]


def test_an_image_that_is_too_bright_is_dimmed_by_its_norm(kernels: Kernels) -> None:
    pictures, those, _, _ = data(GLOBAL)
    made = global_search_of(those, kernels)
    plain, sums = run(pictures, those, made)
    twice = replace(Poses.unknown(N), norm=np.full(N, 2.0))

    found, same = run(2.0 * pictures, those, made, twice)

    # a factor of two does not round
    np.testing.assert_array_equal(found.norm, 2.0 * plain.norm)
    for mine, other in zip(same.arrays(), sums.arrays(), strict=True):
        np.testing.assert_array_equal(mine, other)
