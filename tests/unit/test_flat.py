"""2D references: a map of one plane, whose projections are itself, turned."""

from dataclasses import replace

import numpy as np
import pytest
from numpy import ndarray as Array

from halfmap.kernels.protocol import Pixels, Volume
from halfmap.kernels.registry import make_kernels
from halfmap.model.disc import make_disc
from halfmap.model.fourier import low_pass, resample_volume, round_half_away
from halfmap.model.geometry import ImageGeometry
from halfmap.model.orientations import (
    child_angles_deg,
    direction_pixels,
    perturbed_matrices,
    psi_angles_deg,
)
from halfmap.model.particles import Poses
from halfmap.model.rotations import euler_angles, euler_matrices
from halfmap.model.sampling import Sampling
from halfmap.model.schedule_rules import ScheduleRules
from halfmap.model.sums import FourierSums
from halfmap.model.symmetry import point_group
from halfmap.steps.accuracy import LOG_ODDS, ROTATIONS_DEG, Trials, expected_accuracy
from halfmap.steps.complete_sums import hermitian
from halfmap.steps.convergence import pose_changes
from halfmap.steps.maximisation import spectra
from halfmap.steps.reconstruction import reconstruct
from halfmap.steps.references import fourier_reference
from halfmap.steps.resolution import first_schedule, image_sizes

BOX = 32
SAMPLING = Sampling(0, 12.0, 10.0, 4.0, 1, "C1", flat=True)


def picture(psi_deg: float = 0.0) -> Array:
    """Return blobs, lopsided, turned so that the density at r is seen at A(psi) r."""
    y, x = np.mgrid[:BOX, :BOX] - BOX // 2
    turned = np.zeros((BOX, BOX))
    a = euler_matrices(np.array([0.0, 0.0, psi_deg]))[:2, :2]
    for centre, height in (((3.0, -2.0), 1.0), ((-4.0, 1.5), 0.7), ((0.5, 5.0), -0.4)):
        cx, cy = a @ centre
        turned += height * np.exp(-((x - cx) ** 2 + (y - cy) ** 2) / (2 * 1.6**2))
    return turned[None]


def direct_transform(image: Array, kx: Array, ky: Array, period: float) -> Array:
    """Sum over pixels around the centre, in double precision, divided by their number."""
    y, x = np.mgrid[:BOX, :BOX] - BOX // 2
    phase = np.exp(-2j * np.pi * (np.multiply.outer(kx, x) + np.multiply.outer(ky, y)) / period)
    return np.sum(image * phase, axis=(-2, -1)) / BOX**2


@pytest.mark.parametrize("padding", [1.0, 2.0])
def test_the_plane_holds_the_transform_of_the_padded_sharpened_image(padding: float) -> None:
    reference = fourier_reference(picture(), 20, padding)

    y, x = np.mgrid[:BOX, :BOX] - BOX // 2
    sharpened = picture()[0] / np.sinc(np.hypot(x, y) / (padding * BOX)) ** 2
    half = reference.half
    ky, kx = np.mgrid[-half : half + 1, : half + 1]
    expected = direct_transform(sharpened, kx, ky, padding * BOX)
    expected[kx**2 + ky**2 > (10 * padding) ** 2] = 0.0
    assert reference.values.shape == (1, 2 * half + 1, half + 1)
    np.testing.assert_allclose(reference.values[0], expected, atol=1e-7)  # single precision


def test_its_power_is_half_the_mean_square_of_a_shell() -> None:
    reference = fourier_reference(picture(), 20, 2.0)

    half = reference.half
    ky, kx = np.mgrid[-half : half + 1, : half + 1]
    shell = round_half_away(np.hypot(kx, ky) / 2.0)
    inside = kx**2 + ky**2 <= 20**2
    for r in range(11):
        own = inside & (shell == r)
        power = np.mean(np.abs(reference.values[0][own]) ** 2) / 2.0
        assert reference.power[r] == pytest.approx(power, rel=1e-5)


@pytest.mark.parametrize("psi", [0.0, 37.0, -120.0])
def test_a_slice_is_the_transform_of_the_turned_image(psi: float) -> None:
    reference = fourier_reference(picture(), 20, 2.0)
    disc = make_disc(20, 20)
    axes = 2.0 * euler_matrices(np.array([[0.0, 0.0, psi]]))[:, :2].reshape(1, 6)
    cut = np.empty((1, disc.width), np.float32)

    make_kernels("numba").project(
        Volume(reference.values.reshape(-1).view(np.float32), reference.half),
        axes.astype(np.float32),
        Pixels(disc.kx.astype(np.float32), disc.ky.astype(np.float32)),
        cut,
    )

    found = cut.view(np.complex64)[0, : len(disc)]
    expected = direct_transform(picture(psi)[0], disc.kx, disc.ky, BOX)
    # linear interpolation of a transform padded twice is good to about 2 %
    inside = disc.kx**2 + disc.ky**2 < 100
    error = np.linalg.norm((found - expected)[inside]) / np.linalg.norm(expected)
    assert error < 0.02


def known_sums(weight_of_shell: Array, rng: np.random.Generator) -> FourierSums:
    """Return sums whose quotient is the transform of the picture, seen through the window."""
    half_sphere = fourier_reference(picture(), BOX, 2.0).sphere
    y, x = np.mgrid[:BOX, :BOX] - BOX // 2
    windowed = picture()[0] * np.sinc(np.hypot(x, y) / (2 * BOX)) ** 2
    half = half_sphere.half
    ky, kx = np.mgrid[-half : half + 1, : half + 1]
    shell = half_sphere.shell_of_square()[half_sphere.squared_radius()]
    weight = weight_of_shell[shell] * rng.uniform(0.5, 1.5, shell.shape)
    signal = direct_transform(windowed, kx, ky, 2 * BOX) * weight[0]
    return FourierSums.of(signal[None], weight, half_sphere.r_max, half_sphere.padding)


def test_without_a_prior_the_picture_comes_back(rng: np.random.Generator) -> None:
    sums = known_sums(np.full(BOX, 3.0), rng)

    found = reconstruct(sums, BOX, None)

    assert found.shape == (1, BOX, BOX)
    # what lies beyond Nyquist, and in the rim that is filled with the mean, is not in the sums
    assert np.abs(found - picture()).max() < 2e-3


def test_the_prior_of_a_shell_is_added_to_its_weight(rng: np.random.Generator) -> None:
    falling = 40.0 / (1.0 + np.arange(BOX)) ** 2
    sums, tau2 = known_sums(falling, rng), 0.01 / (1.0 + np.arange(BOX // 2 + 1))

    found = reconstruct(sums, BOX, tau2, fudge=2.0)

    square = sums.sphere.squared_radius()
    shell = np.minimum(sums.sphere.shell_of_square()[square], BOX // 2)
    prior = np.where((shell >= 5) & (square < BOX**2), 1.0 / (4.0 * 2.0 * tau2[shell]), 0.0)
    damped = replace_weight(sums, sums.weight + prior)
    np.testing.assert_allclose(found, reconstruct(damped, BOX, None), atol=1e-6)
    assert np.abs(found - picture()).max() > 0.1


def replace_weight(sums: FourierSums, weight: Array) -> FourierSums:
    return FourierSums.of(sums.signal, weight, sums.r_max, sums.padding)


def test_spectra_are_means_over_the_plane(rng: np.random.Generator) -> None:
    sums, power = known_sums(np.full(BOX, 3.0), rng), np.linspace(1.0, 0.1, BOX // 2 + 1)

    found = spectra(sums, BOX, power, fudge=2.0)

    square = sums.sphere.squared_radius()
    shell = sums.sphere.shell_of_square()[square]
    own = (shell == 7) & (square < BOX**2)
    assert found.map_variance[7] == pytest.approx(1.0 / np.mean(4.0 * sums.weight[own]))
    expected = np.mean(4.0 * 2.0 * power[7] * sums.weight[own])
    assert found.data_vs_prior[7] == pytest.approx(expected)


def test_the_plane_becomes_its_own_mate(rng: np.random.Generator) -> None:
    sums = known_sums(np.full(BOX, 3.0), rng)
    before, half = sums.weight[0, :, 0], sums.half

    after = hermitian(sums).weight[0, :, 0]

    assert after[half] == before[half]
    np.testing.assert_allclose(after[:half], before[:half] + before[:half:-1])


def test_there_is_one_direction_and_psi_alone_is_oversampled() -> None:
    pixel, angles = direction_pixels(SAMPLING)

    children = child_angles_deg(SAMPLING, pixel, np.array([24.0]))

    assert angles.tolist() == [[0.0, 0.0]]
    assert len(psi_angles_deg(SAMPLING)) == 30
    assert children.tolist() == [[[0.0, 0.0, 21.0], [0.0, 0.0, 27.0]]]
    assert SAMPLING.n_child_orientations == 2
    assert replace(SAMPLING, oversampling=3).n_child_orientations == 8
    assert SAMPLING.n_child_shifts == 4


def test_the_step_is_that_of_psi() -> None:
    assert SAMPLING.angular_step_deg == 12.0
    assert SAMPLING.fine_angular_step_deg == 6.0


def test_a_perturbation_is_added_to_psi() -> None:
    turned = perturbed_matrices(np.array([0.0, 0.0, 24.0]), replace(SAMPLING, perturbation=0.25))

    np.testing.assert_allclose(euler_angles(turned), [0.0, 0.0, 27.0], atol=1e-9)


def test_without_oversampling_the_pair_is_its_only_child() -> None:
    plain = replace(SAMPLING, oversampling=0)

    assert child_angles_deg(plain, np.zeros(1, int), np.array([24.0])).tolist() == [[[0, 0, 24]]]


def test_the_coarse_window_follows_from_the_step_of_psi() -> None:
    rules = ScheduleRules(
        box=100, pixel_size_A=3.54, particle_diameter_A=200.0, initial_low_pass_A=30.0
    )
    schedule = first_schedule(SAMPLING, np.zeros((1, 51)), rules)

    assert image_sizes(replace(schedule, resolution_shell=40), rules)[1] == 52


@pytest.mark.parametrize("choice", [0.1, 0.5, 0.9])
def test_only_psi_is_varied_to_find_the_accuracy(choice: float) -> None:
    disc = make_disc(20, 20)
    trials = Trials(
        disc=disc,
        angles_deg=np.array([[0.0, 0.0, 10.0], [0.0, 0.0, 130.0]]),
        precision=np.where(disc.shell > 0, 3e4, 0.0) * np.ones((2, 1)),
        choice=np.full(2, choice),
        geometry=ImageGeometry.plain(BOX, 1.0),
    )
    reference = fourier_reference(picture(), 20, 2.0)

    found = expected_accuracy((trials,), (reference,), np.ones(1), make_kernels("numba"))

    def odds(turn_deg: float) -> float:
        images = (direct_transform(picture(a)[0], disc.kx, disc.ky, BOX) for a in (0.0, turn_deg))
        return float(np.sum(trials.precision[0] * np.abs(np.subtract(*images)) ** 2))

    tried = list(ROTATIONS_DEG)
    assert odds(found.rotation_deg[0] * 1.1) > LOG_ODDS
    assert odds(tried[tried.index(found.rotation_deg[0]) - 1] * 0.9) < LOG_ODDS


def test_the_change_of_orientations_is_the_mean_turn_in_the_plane() -> None:
    before = replace(Poses.unknown(2), angles_deg=np.array([[0, 0, 170.0], [0, 0, 10.0]]))
    after = replace(before, angles_deg=np.array([[0, 0, -170.0], [0, 0, 14.0]]))

    changes = pose_changes(before, after, point_group("C1"), flat=True)

    assert changes.orientations_deg == pytest.approx(12.0)


def test_filter_and_resampling_of_a_plane_are_those_of_a_map_that_is_constant_along_z() -> None:
    plane = picture()
    column = np.repeat(plane, BOX, axis=0)

    filtered, resampled = low_pass(plane, 2.0, 10.0), resample_volume(plane, 2.0, 3.0, 24)

    assert resampled[0].shape == (1, 24, 24)
    np.testing.assert_allclose(filtered, low_pass(column, 2.0, 10.0)[:1], atol=1e-6)
    of_column = resample_volume(column, 2.0, 3.0, 24)
    assert resampled[1] == of_column[1]
    # 20 of its planes are left, and none of them knows of the others
    np.testing.assert_allclose(resampled[0][0], of_column[0][12], atol=1e-6)
