import numpy as np
import pytest

from halfmap.model.fsc import map_fsc, shell_correlation, signal_to_noise


def test_the_correlation_is_that_of_shells_not_of_the_whole() -> None:
    a = np.array([1.0, 2.0j, 3.0])
    b = np.array([2.0, 2.0j, -3.0])

    fsc = shell_correlation(a, b, np.array([0, 1, 2]), 4)

    np.testing.assert_allclose(fsc, [1.0, 1.0, -1.0, 0.0])


def test_points_beyond_the_last_shell_do_not_count() -> None:
    a, b = np.array([1.0 + 0j, 1.0]), np.array([1.0 + 0j, -1.0])

    np.testing.assert_allclose(shell_correlation(a, b, np.array([0, 5]), 2), [1.0, 0.0])


def test_a_phase_difference_lowers_the_correlation_by_its_cosine() -> None:
    a = np.array([2.0 + 0j])

    fsc = shell_correlation(a, a * np.exp(1j * np.pi / 3), np.array([0]), 1)

    assert fsc[0] == pytest.approx(0.5)


def test_maps_of_the_same_signal_and_equal_noise_correlate_by_half(rng) -> None:
    signal = rng.normal(size=(24, 24, 24))
    a, b = (signal + rng.normal(size=signal.shape) for _ in range(2))

    fsc = map_fsc(a, b)

    assert fsc[4:].mean() == pytest.approx(0.5, abs=0.03)  # 3 sigma of 7,000 voxels
    assert len(fsc) == 13


def test_the_signal_to_noise_ratio_has_relions_values() -> None:
    half = signal_to_noise(np.array([0.143, 0.5, 1.0, -0.2]))
    joined = signal_to_noise(np.array([0.143, 0.5]), of_joined_map=True)

    # The specification gives four or five digits.
    np.testing.assert_allclose(half, [0.16686, 1.0, 999.0, 0.001001], rtol=1e-4)
    np.testing.assert_allclose(joined, [1.00088, 4.449], rtol=2e-4)
