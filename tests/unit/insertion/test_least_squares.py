"""Exact transforms of slices, and the map that fits them best."""

import numpy as np
import pytest
from numpy import ndarray as Array
from scipy.spatial.transform import Rotation

from halfmap.kernels.insertion_protocol import Slices
from halfmap.model.insertion_kernel import InsertionKernel
from halfmap.model.insertion_modes import MODES
from halfmap.model.reconstruction_sizes import Sizes
from halfmap.steps.exact_transform import (
    Samples,
    back_projection,
    compensated,
    point_spread,
    projection,
    samples_of,
)
from halfmap.steps.least_squares import least_squares_map

from .small_slices import IDENTITY

N = 12
SHAPE = (N, N, N)
KERNEL = InsertionKernel(MODES["gauss_2"], Sizes((N, N), (N, N), SHAPE, SHAPE))


@pytest.fixture
def truth(rng: np.random.Generator) -> Array:
    """A few blobs, well inside the box."""
    square = (np.arange(N) - N // 2) ** 2
    ball = np.exp(-(square[:, None, None] + square[:, None] + square) / 6.0)
    shifts = rng.integers(-2, 3, (6, 3))
    heights = rng.normal(size=6)
    return np.sum(
        [h * np.roll(ball, s, (0, 1, 2)) for h, s in zip(heights, shifts, strict=True)], axis=0
    )


def measured(truth: Array, n: int, ctf: float = 1.0) -> Samples:
    """Slices of the truth, all with the same CTF: times it, and its square as their weight."""
    half = (n, N, N // 2 + 1)
    turned = Rotation.random(n, random_state=5).as_matrix()[:, None]
    empty = Slices(
        np.zeros(half, np.complex64),
        np.full((n, 1, 1), ctf**2, np.float32),
        turned,
        np.ones(1, np.float32),
    )
    samples = samples_of(empty, IDENTITY, KERNEL)
    image = ctf * projection(truth, samples.frequency)
    signal = samples.weight / ctf * image
    return samples._replace(signal=signal)


def test_a_sample_lies_where_its_slice_is_turned_to(truth: Array) -> None:
    # seen along z as it is; and along x, the z axis of the map being the x axis of the image
    turned = np.array([np.eye(3), [[0.0, 0.0, 1.0], [0.0, 1.0, 0.0], [-1.0, 0.0, 0.0]]])
    images = np.array([truth.sum(axis=0), truth.sum(axis=2).T])
    signal = np.fft.rfft2(np.fft.ifftshift(images, axes=(1, 2))).astype(np.complex64)
    ones = np.ones((2, 1, 1), np.float32)

    samples = samples_of(
        Slices(signal, ones, turned[:, None], np.ones(1, np.float32)), IDENTITY, KERNEL
    )

    exact = samples.weight * projection(truth, samples.frequency)
    np.testing.assert_allclose(samples.signal, exact, atol=1e-6 * np.abs(exact).max())


def test_back_projection_is_the_adjoint_of_projection(
    truth: Array, rng: np.random.Generator
) -> None:
    samples = measured(truth, 3)
    real, imaginary = rng.normal(size=(2, len(samples.weight)))
    data = real + 1j * imaginary

    there = 2.0 * np.vdot(projection(truth, samples.frequency), data).real  # mates bring the same
    back = np.sum(truth * back_projection(samples._replace(signal=data), SHAPE))

    assert back == pytest.approx(there)


def test_the_best_fit_of_enough_slices_is_the_truth_whatever_the_ctf(truth: Array) -> None:
    for ctf in (1.0, -0.5):
        samples = measured(truth, 60, ctf)
        found = least_squares_map(
            back_projection(samples, SHAPE), point_spread(samples, SHAPE), np.zeros(1)
        )
        within = np.s_[2:-2, 2:-2, 2:-2]
        # what lies beyond Nyquist, in the corners, is not measured
        assert np.abs(found - truth)[within].max() < 0.02 * np.abs(truth).max()


def test_a_prior_without_power_leaves_nothing(truth: Array) -> None:
    samples = measured(truth, 20)

    found = least_squares_map(
        back_projection(samples, SHAPE), point_spread(samples, SHAPE), np.full(1, 1e9)
    )

    assert np.abs(found).max() < 1e-3 * np.abs(truth).max()


def test_weights_that_make_up_for_density_give_a_map_like_the_truth(truth: Array) -> None:
    samples = measured(truth, 60)

    plain = back_projection(samples, SHAPE)
    even = back_projection(compensated(samples, SHAPE), SHAPE)

    def likeness(volume: Array) -> float:
        return float(np.corrcoef(volume.ravel(), truth.ravel())[0, 1])

    assert likeness(even) > 0.95 > likeness(plain)
