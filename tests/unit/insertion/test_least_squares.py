"""Exact transforms of slices, their sums as integers, and the map that fits them best."""

import finufft
import numpy as np
import pytest
from numpy import ndarray as Array
from scipy.spatial.transform import Rotation

from halfmap.kernels.insertion_protocol import Slices
from halfmap.model.faint_sums import FaintLimits, FixedPoint
from halfmap.model.insertion_kernel import InsertionKernel
from halfmap.model.insertion_modes import MODES
from halfmap.model.reconstruction_sizes import Sizes
from halfmap.steps.exact_sums import ExactSums, decoded_sums, sums_shape
from halfmap.steps.exact_transform import Samples, back_projection, point_spread, samples_of
from halfmap.steps.least_squares import lattice_weight, least_squares_map, wiener_prior

from .small_slices import IDENTITY

N = 12
SHAPE = (N, N, N)
KERNEL = InsertionKernel(MODES["gauss_2"], Sizes((N, N), (N, N), SHAPE, SHAPE))


def projection(volume: Array, frequency: Array) -> Array:
    """Return the transform of a map at frequencies."""
    z, y, x = frequency
    values = finufft.nufft3d2(z, y, x, volume.astype(np.complex128), isign=-1, eps=1e-10)
    return np.asarray(values)


@pytest.fixture
def truth(rng: np.random.Generator) -> Array:
    """A few blobs, well inside the box."""
    square = (np.arange(N) - N // 2) ** 2
    ball = np.exp(-(square[:, None, None] + square[:, None] + square) / 6.0)
    shifts = rng.integers(-2, 3, (6, 3))
    heights = rng.normal(size=6)
    blobs = [h * np.roll(ball, s, (0, 1, 2)) for h, s in zip(heights, shifts, strict=True)]
    return np.asarray(np.sum(blobs, axis=0))


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


def test_the_weights_of_frequencies_add_up_to_those_of_the_samples(truth: Array) -> None:
    samples = measured(truth, 60)

    weight = lattice_weight(point_spread(samples, SHAPE))

    whole = weight.sum() + weight[..., 1:-1].sum()  # the mates
    assert whole == pytest.approx(2.0 * samples.weight.sum(), rel=1e-5)  # single precision
    assert np.unravel_index(weight.argmax(), weight.shape) == (N // 2, N // 2, 0)


def test_a_wiener_prior_takes_its_share_of_each_shell(truth: Array) -> None:
    samples = measured(truth, 60)
    back, spread = back_projection(samples, SHAPE), point_spread(samples, SHAPE)

    free, held = (least_squares_map(back, spread, p) for p in (np.zeros(1), wiener_prior(spread)))
    damped = least_squares_map(back, spread, wiener_prior(spread, share=1.0))

    assert np.abs(held - free).max() < 0.02 * np.abs(truth).max()
    # A prior that weighs as much as the data leaves half, where coverage is even.
    assert np.sum(damped * truth) / np.sum(free * truth) == pytest.approx(0.5, abs=0.1)


def test_the_sums_of_slices_do_not_depend_on_how_they_are_cut_into_units(
    rng: np.random.Generator,
) -> None:
    n, scale, backend = 5, (2.0**30, 2.0**30), ExactSums()
    signal = rng.normal(size=(2, n, N, N // 2 + 1)).astype(np.float32)
    turned = Rotation.random(n, random_state=5).as_matrix()[:, None]
    weight = rng.uniform(0.5, 1.0, (n, 1, 1)).astype(np.float32)
    slices = Slices(signal[0] + 1j * signal[1], weight, turned, np.ones(1, np.float32))
    operators = np.stack([np.eye(3), np.diag([-1.0, -1.0, 1.0])])
    shape = sums_shape(KERNEL.sizes)
    out = np.zeros((np.prod(shape[:3]), 3), np.int64)

    for own in (slice(0, 2), slice(2, n)):
        unit = Slices(slices.signal[own], weight[own], turned[own], slices.copy_weight)
        grid = backend.empty_grid(KERNEL)
        backend.insert(unit, operators, KERNEL, grid)
        fixed = FixedPoint(scale, 2.0**60, FaintLimits(0.0, 8))
        assert backend.flush(grid, KERNEL, fixed, out)[0]
        assert not grid.any()

    samples = samples_of(slices, operators, KERNEL)
    back, spread = decoded_sums(out.reshape(shape), KERNEL.sizes, scale)
    for found, exact in (
        (back, back_projection(samples, SHAPE)),
        (spread, point_spread(samples, SHAPE)),
    ):
        np.testing.assert_allclose(found, exact, atol=1e-6 * np.abs(exact).max())


def test_a_unit_that_is_too_large_for_the_integers_adds_nothing() -> None:
    backend, out = ExactSums(), np.zeros((9 * N**3 // 3, 3), np.int64)
    grid = backend.empty_grid(KERNEL)
    grid[-1] = 3.0

    assert not backend.flush(grid, KERNEL, FixedPoint((1.0, 1.0), 2.0, FaintLimits(0.0, 8)), out)[0]
    assert not out.any()
