from pathlib import Path

import mrcfile
import numpy as np
import pytest

from halfmap.model.fourier import (
    centring_signs,
    crop_transform,
    crop_transform_3d,
    frequencies_2d,
    frequencies_3d,
    inverse_2d,
    inverse_3d,
    low_pass,
    pixels_per_shell,
    radial_mean,
    resample_volume,
    resolution_shell,
    round_half_away,
    shell_resolution_A,
    shells_2d,
    shells_3d,
    transform_2d,
    transform_3d,
)


def test_halves_are_rounded_away_from_zero() -> None:
    halves = np.array([0.5, 1.5, 2.5, -0.5, -1.5, -2.5])

    np.testing.assert_array_equal(round_half_away(halves), [1, 2, 3, -1, -2, -3])
    assert [round_half_away(x) for x in (4.5, -4.5, 4.4999, 0.0)] == [5, -5, 4, 0]


def test_the_shell_of_an_exact_half_is_the_outer_one() -> None:
    # |(2, 1.5)| = 2.5 needs half frequencies; in integers sqrt(k²) is never n + 1/2, but the
    # ratio |K| / padding is: 5 / 2.
    assert round_half_away(5 / 2) == 3


def test_the_nyquist_row_is_the_positive_frequency() -> None:
    ky, kx = frequencies_2d(8)

    np.testing.assert_array_equal(ky[:, 0], [0, 1, 2, 3, 4, -3, -2, -1])
    np.testing.assert_array_equal(kx[0], [0, 1, 2, 3, 4])
    np.testing.assert_array_equal(frequencies_3d(8)[0][:, 0, 0], ky[:, 0])


def test_a_shell_holds_as_many_independent_pixels_as_relion_counts() -> None:
    counts = pixels_per_shell(64)

    assert [counts[r] for r in (0, 1, 2, 3, 8, 10, 16, 31, 32)] == [1, 4, 6, 8, 24, 28, 56, 96, 89]


def test_the_transform_of_a_plane_wave_is_one_at_its_frequency() -> None:
    y, x = np.mgrid[:16, :16]
    wave = 2.0 * np.cos(2.0 * np.pi * (3 * x - 2 * y) / 16 + 0.7)

    ft = transform_2d(wave)

    expected = np.zeros((16, 9), complex)
    expected[-2, 3] = np.exp(0.7j)
    np.testing.assert_allclose(ft, expected, atol=1e-15)


@pytest.mark.parametrize("box", [8, 12])
def test_the_inverse_undoes_the_transform(box: int, rng: np.random.Generator) -> None:
    images, volume = rng.normal(size=(3, box, box)), rng.normal(size=(box,) * 3)

    np.testing.assert_allclose(inverse_2d(transform_2d(images), box), images, atol=1e-14)
    np.testing.assert_allclose(inverse_3d(transform_3d(volume), box), volume, atol=1e-14)


def test_signs_move_the_origin_to_the_pixel_n_over_2() -> None:
    image, volume = np.zeros((12, 12)), np.zeros((12, 12, 12))
    image[6, 6] = volume[6, 6, 6] = 1.0

    centred = transform_2d(image) * centring_signs((12, 7))
    centred_volume = transform_3d(volume) * centring_signs((12, 12, 7))

    np.testing.assert_allclose(centred, 1.0 / 12**2, atol=1e-17)
    np.testing.assert_allclose(centred_volume, 1.0 / 12**3, atol=1e-18)


def test_cropping_keeps_frequencies_and_the_positive_nyquist_row(rng: np.random.Generator) -> None:
    ft = transform_2d(rng.normal(size=(2, 16, 16)))

    cropped = crop_transform(ft, 8)

    ky, kx = frequencies_2d(8)
    np.testing.assert_array_equal(cropped, ft[:, ky % 16, kx])
    np.testing.assert_array_equal(cropped[:, 4], ft[:, 4, :5])


def test_enlarging_drops_the_corners_of_the_old_window(rng: np.random.Generator) -> None:
    ft = transform_2d(rng.normal(size=(8, 8)))

    large = crop_transform(ft, 12)

    ky, kx = frequencies_2d(8)
    inside = kx**2 + ky**2 <= 16
    np.testing.assert_array_equal(large[ky % 12, kx], np.where(inside, ft, 0.0))
    assert np.count_nonzero(large) == inside.sum()


def test_windowing_a_map_keeps_its_frequencies(rng: np.random.Generator) -> None:
    ft = transform_3d(rng.normal(size=(8, 8, 8)))

    kz, ky, kx = frequencies_3d(8)
    inside = kx**2 + ky**2 + kz**2 <= 16
    large = crop_transform_3d(ft, 12)
    np.testing.assert_array_equal(large[kz % 12, ky % 12, kx], np.where(inside, ft, 0.0))
    np.testing.assert_array_equal(crop_transform_3d(large, 8), np.where(inside, ft, 0.0))


def test_radial_mean_averages_every_stored_pixel_of_a_shell() -> None:
    shells = shells_2d(16)

    means = radial_mean(shells.astype(float) ** 2, shells, 14)

    np.testing.assert_allclose(means[:12], np.arange(12) ** 2)
    assert means[12] == means[13] == 0.0, "shells without a pixel"


def test_shells_and_resolutions_are_those_of_the_table() -> None:
    assert shell_resolution_A(128, 256, 1.2) == pytest.approx(2.4)
    assert shell_resolution_A(179, 360, 0.885) == pytest.approx(1.7799, abs=5e-5)
    assert shell_resolution_A(0, 256, 1.2) == 999.0
    first_shells = [
        resolution_shell(60.0, 256, 1.2),
        resolution_shell(50.0, 360, 0.885),
        resolution_shell(30.0, 100, 3.54),
    ]
    assert first_shells == [5, 6, 12]


def test_the_low_pass_of_a_reference_is_that_of_relion(shared: Path) -> None:
    folder = shared / "golden" / "relion"
    reference = mrcfile.read(folder / "ref2.mrc")
    expected = mrcfile.read(folder / "k2" / "run_it000_class002.mrc")

    filtered = low_pass(reference, 5.0, 30.0)

    # RELION filters in single precision: 1e-6 of the largest density.
    np.testing.assert_allclose(filtered, expected, atol=1e-6 * float(expected.max()))


def test_the_low_pass_falls_by_a_cosine_over_two_shells(rng: np.random.Generator) -> None:
    volume = rng.normal(size=(32, 32, 32))

    kept = transform_3d(low_pass(volume, 2.0, 64.0 / 10.0)) / transform_3d(volume)

    # The filtered map is single precision: 1e-5 of a typical coefficient.
    assert kept[0, 0, 9].real == pytest.approx(1.0, abs=1e-5)
    assert kept[0, 0, 10].real == pytest.approx(0.5, abs=1e-5)
    assert kept[0, 0, 11].real == pytest.approx(0.0, abs=1e-5)
    assert kept[0, 6, 8].real == pytest.approx(0.5, abs=1e-5)


def test_no_low_pass_is_asked_for_by_zero(rng: np.random.Generator) -> None:
    volume = rng.normal(size=(8, 8, 8)).astype(np.float32)

    np.testing.assert_array_equal(low_pass(volume, 1.0, 0.0), volume)


def test_a_resampled_map_has_an_even_box_and_says_its_true_pixel_size() -> None:
    volume = np.ones((100, 100, 100), np.float32)

    resampled, pixel_size_A = resample_volume(volume, 1.4, 1.1, 128)

    # 100 px of 1.4 Å are 127.27 px of 1.1 Å: 127, made even 126, padded to 128.
    assert pixel_size_A == pytest.approx(140.0 / 126.0)
    assert resampled.shape == (128, 128, 128)
    assert resampled.dtype == np.float32
    np.testing.assert_allclose(resampled[1:127, 1:127, 1:127], 1.0, rtol=1e-6)
    assert not resampled[0].any()
    assert not resampled[127].any()


@pytest.mark.parametrize("target_box", [20, 40])
def test_resampling_keeps_grey_values_and_the_centre(target_box: int) -> None:
    def blob(box: int, pixel_size_A: float) -> np.ndarray:
        z, y, x = (np.mgrid[:box, :box, :box] - box // 2) * pixel_size_A
        return np.exp(-((x - 2.0) ** 2 + (y + 1.0) ** 2 + z**2) / (2.0 * 3.0**2))

    resampled, pixel_size_A = resample_volume(blob(32, 1.5), 1.5, 2.0, target_box)

    # A Gaussian of 3 Å has lost its power, to 1e-4, at the new Nyquist frequency of 4 Å.
    assert pixel_size_A == 2.0
    np.testing.assert_allclose(resampled, blob(target_box, 2.0), atol=2e-4)


def test_shells_of_maps_count_all_three_axes() -> None:
    assert shells_3d(16)[2, 2, 1] == 3
    assert shells_3d(16)[-2, 5, 4] == 7
