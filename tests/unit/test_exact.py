from dataclasses import replace

import numpy as np
import pytest
from small_search import GLOBAL, density, model

from halfmap.model.exact import (
    LIMIT,
    decode,
    scales_of_square,
    sum_scales,
    to_integers,
    within_bounds,
)
from halfmap.model.half_model import HalfModel
from halfmap.model.padded_sphere import PaddedSphere
from halfmap.model.sums import ExpectationSums
from halfmap.model.symmetry import point_group
from halfmap.model.touched_voxels import n_touched, packed
from halfmap.steps.complete_sums import completed, hermitian
from halfmap.steps.phases import alone

SPHERE = PaddedSphere(r_max=8, padding=2.0)
PLANE = PaddedSphere(r_max=8, padding=2.0, flat=True)


@pytest.fixture(scope="module")
def known() -> HalfModel:
    falling = model(density()[None], GLOBAL, noise=1.0, n_optics=2)
    shells = np.arange(falling.noise_variance.shape[1])
    return replace(falling, noise_variance=falling.noise_variance / (1.0 + shells) ** 2)


def test_scales_are_powers_of_two(known: HalfModel) -> None:
    scales = sum_scales(known, 10_000)

    for scale in (scales.signal, scales.weight, scales.noise, np.array(scales.direction)):
        assert (np.frexp(scale)[0] == 0.5).all()


def test_the_largest_allowed_contributions_of_all_particles_do_not_overflow(
    known: HalfModel,
) -> None:
    scales = sum_scales(known, 10_000)

    # 2^14 standard deviations in every particle, a CTF of 4, weights 4 around a voxel
    precision = 1.0 / known.noise_variance[0]
    assert (10_000 * 64.0 * precision * scales.weight[: len(precision)] <= LIMIT).all()
    assert (10_000 * 2.0**18 * np.sqrt(precision) * scales.signal[: len(precision)] <= LIMIT).all()
    assert 10_000 * scales.largest(1) <= LIMIT


def test_a_voxel_is_scaled_for_the_least_noisy_of_the_shells_around_it(known: HalfModel) -> None:
    # Interpolation carries the weight of a pixel into the shells next to its own.
    scales = sum_scales(known, 10_000)

    steepest = 64.0 * (1.0 / known.noise_variance[0])[6]
    assert 10_000 * steepest * scales.weight[5] <= LIMIT
    assert 10_000 * 2.0**14 * np.sqrt(4.0 * steepest) * scales.signal[5] <= LIMIT


def test_an_optics_group_without_noise_spectrum_does_not_matter(known: HalfModel) -> None:
    variance = known.noise_variance.copy()
    variance[1] = 0.0

    scales = sum_scales(replace(known, noise_variance=variance), 10_000)

    np.testing.assert_array_equal(scales.weight, sum_scales(known, 10_000).weight)
    assert np.isfinite(scales.noise).all()


@pytest.mark.parametrize("sphere", [SPHERE, PLANE], ids=["sphere", "plane"])
def test_decoding_gives_back_what_was_encoded(
    known: HalfModel, rng: np.random.Generator, sphere: PaddedSphere
) -> None:
    scales = sum_scales(known, 10_000)
    of_square = scales_of_square(scales, sphere)
    square = packed(sphere.squared_radius(), sphere)
    values = rng.normal(size=(square.size, 3))
    sums = ExpectationSums.zeros(1, square.size, known.noise_variance.shape, 12)
    sums.volume[0] = to_integers(values, of_square[square][:, [0, 0, 1]])
    sums.noise[:] = to_integers(np.full((2, 13), 0.25), scales.noise)
    sums.directions[0, 5] = to_integers(np.array(3.0), scales.direction)

    (volume,), noise, directions = decode(sums, scales, sphere)

    # rounding to an integer moves a value by half of 1 / scale at most
    step = 0.5 / of_square.min()
    np.testing.assert_allclose(volume.values, values, rtol=0, atol=step)
    np.testing.assert_allclose(noise, 0.25, rtol=1e-9)
    assert directions[0, 5] == 3.0
    assert directions.sum() == 3.0


@pytest.mark.parametrize("sphere", [SPHERE, PLANE], ids=["sphere", "plane"])
def test_sums_are_completed_from_the_decoded_integers(
    known: HalfModel, rng: np.random.Generator, sphere: PaddedSphere
) -> None:
    scales = sum_scales(known, 10_000)
    sums = ExpectationSums.zeros(1, n_touched(sphere), known.noise_variance.shape, 12)
    sums.volume[:] = rng.integers(-(2**60), 2**60, sums.volume.shape)
    integers = sums.volume[0].copy()

    found = alone(completed(integers, scales, sphere, point_group("C1")))

    (volume,), _, _ = decode(sums, scales, sphere)
    np.testing.assert_array_equal(found.values, hermitian(volume).values)


def test_the_order_of_summation_does_not_matter(rng: np.random.Generator) -> None:
    parts = to_integers(rng.normal(size=(50, 1000)) * 10.0 ** rng.integers(-6, 6, (50, 1)), 2.0**30)

    shuffled = parts[rng.permutation(50)]

    np.testing.assert_array_equal(parts.sum(axis=0), shuffled.sum(axis=0))


def test_what_is_too_large_or_not_a_number_is_out_of_bounds() -> None:
    assert within_bounds(np.array([3.0, -4.0]), 2.0, 8.0)
    assert not within_bounds(np.array([3.0, -4.1]), 2.0, 8.0)
    assert not within_bounds(np.array([3.0, np.nan]), 2.0, 8.0)


def test_interpolation_around_a_point_of_the_sphere_stays_inside_the_scaled_region(
    known: HalfModel,
) -> None:
    of_square = scales_of_square(sum_scales(known, 10), SPHERE)
    rng = np.random.default_rng(0)
    points = rng.normal(size=(2000, 3))
    points *= SPHERE.reach / np.linalg.norm(points, axis=1, keepdims=True)

    corners = np.floor(points)[:, None] + np.array(list(np.ndindex(2, 2, 2)))

    assert np.sum(corners**2, axis=2).max() < len(of_square)
