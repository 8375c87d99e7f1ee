"""Weights of scores, and the threshold of the significant ones."""

import numpy as np
import pytest
from numpy import ndarray as Array

from halfmap.kernels.numba_cpu.weigh import TINY
from halfmap.kernels.protocol import Kernels, LogPriors
from halfmap.kernels.registry import BACKENDS, make_kernels

from .small_problem import REFERENCE


def log_joint(rng: np.random.Generator) -> tuple[Array, Array, LogPriors]:
    scores = rng.normal(scale=5.0, size=(3, 5, 40))
    norms, orientation = rng.normal(size=(3, 40)), rng.normal(size=40)
    shift = rng.normal(size=(3, 3, 5))
    orientation[7] = -1e30
    scores, norms, orientation, shift = (
        x.astype(np.float32) for x in (scores, norms, orientation, shift)
    )
    # three classes, the second without orientations
    return scores, norms, LogPriors(orientation, shift, np.array([0, 13, 13, 40]))


def test_weights_agree(kernels: Kernels, rng: np.random.Generator) -> None:
    scores, *priors = log_joint(rng)
    expected = scores.copy()

    peak, total = kernels.weigh(scores, *priors)
    expected_peak, expected_total = REFERENCE.weigh(expected, *priors)

    # exp of a polynomial: 4e-6 relative; arguments near 30 carry 2e-6 each
    np.testing.assert_allclose(scores, expected, rtol=2e-5, atol=1e-30)
    np.testing.assert_allclose(peak, expected_peak, rtol=1e-6)
    np.testing.assert_allclose(total, expected_total, rtol=1e-5)


@pytest.mark.parametrize("name", BACKENDS)
def test_a_forbidden_orientation_gets_no_weight(name: str, rng: np.random.Generator) -> None:
    scores, *priors = log_joint(rng)

    make_kernels(name).weigh(scores, *priors)

    assert scores[:, :, 7].max() < TINY  # which counts as zero
    np.testing.assert_allclose(scores.max(axis=(1, 2)), 1.0, atol=4e-6)  # as exp itself


@pytest.mark.parametrize("fraction", [0.01, 0.5, 0.9, 0.999, 0.999_999])
@pytest.mark.parametrize("spread", [0.0, 1.0, 8.0])
def test_thresholds_are_those_of_sorting(
    kernels: Kernels, rng: np.random.Generator, fraction: float, spread: float
) -> None:
    weights = np.exp(-spread * np.abs(rng.normal(size=4000))).astype(np.float32)
    first = np.array([0, 1500, 1500, 1501, 4000])
    totals = np.add.reduceat(weights.astype(np.float64), [0, 1500, 1501])
    totals = np.array([totals[0], 0.0, totals[1], totals[2]])

    found = kernels.threshold(weights, first, totals, fraction)

    expected = REFERENCE.threshold(weights, first, totals, fraction)
    np.testing.assert_array_equal(found[0], expected[0])
    np.testing.assert_array_equal(found[1], expected[1])


@pytest.mark.parametrize("name", BACKENDS)
def test_the_sum_must_exceed_the_fraction_not_just_reach_it(name: str) -> None:
    weights = np.array([0.5, 0.25, 0.25, 1.0], np.float32)

    smallest, count = make_kernels(name).threshold(
        weights, np.array([0, 4]), np.array([2.0]), fraction=0.75
    )

    # 1 + 0.5 is exactly 0.75 of the total: one more is needed
    assert (smallest[0], count[0]) == (0.25, 3)


@pytest.mark.parametrize("name", BACKENDS)
def test_a_fraction_of_one_takes_every_positive_weight(name: str) -> None:
    weights = np.array([0.5, 0.0, 1.0, 1e-6], np.float32)

    smallest, count = make_kernels(name).threshold(
        weights, np.array([0, 4]), weights.sum(dtype=np.float64)[None], fraction=1.0
    )

    assert (smallest[0], count[0]) == (np.float32(1e-6), 3)
