"""Windows, kernels and corrections of the modes of direct reconstruction."""

import numpy as np
import pytest

from halfmap.errors import OptionError
from halfmap.model.compat import EMAN2, HALFMAP
from halfmap.model.insertion_kernel import InsertionKernel
from halfmap.model.insertion_modes import MODES, InsertionMode, insertion_mode
from halfmap.model.kernel_profiles import (
    BETA,
    HALF_WIDTH,
    hypergeometric,
    kaiser_bessel_derived,
    transform_of,
)
from halfmap.model.kernel_values import scaled_table
from halfmap.model.radial_correction import radial_correction
from halfmap.model.reconstruction_sizes import Sizes
from halfmap.steps.iterative import edited

SIZES = Sizes((10, 10), (12, 12), (16, 16, 16), (10, 10, 10))


@pytest.mark.parametrize("mode", MODES.values(), ids=MODES)
def test_windows_reach_as_far_up_as_down(mode: InsertionMode) -> None:
    assert mode.width == 2 * mode.offset + 2


def test_windows_of_six_voxels_are_uneven_in_eman2() -> None:
    assert InsertionKernel(MODES["gauss_var"], SIZES, EMAN2).applied.offset == 2.5


def test_an_unknown_mode_lists_those_there_are() -> None:
    with pytest.raises(OptionError, match=r"found 'gauss_4'; expected one of .*gauss_5_slow"):
        insertion_mode("gauss_4")


@pytest.mark.parametrize("mode", ["gridding_5", "gridding_7", "kaiser_bessel", "gypergeom_5"])
def test_a_correction_is_one_at_the_centre_and_limited(mode: str) -> None:
    factors = radial_correction(InsertionKernel(MODES[mode], SIZES, HALFMAP))

    assert factors.shape == (16, 16, 16)
    assert factors[8, 8, 8] == pytest.approx(1.0)
    assert 1.5 < np.abs(factors).max() <= 8.0


def test_a_correction_can_be_had_plane_by_plane() -> None:
    for mode in ("gauss_5", "gridding_5", "kaiser_bessel_derived", "gypergeom_5", "gauss_var"):
        kernel = InsertionKernel(MODES[mode], SIZES)
        whole = radial_correction(kernel)
        np.testing.assert_array_equal(radial_correction(kernel, slice(3, 5)), whole[3:5])


def test_a_gaussian_correction_grows_with_the_square_of_the_radius() -> None:
    factors = radial_correction(InsertionKernel(MODES["gauss_5"], SIZES))

    assert factors[8, 8, 0] == pytest.approx(np.exp(10.4 / 4.0))
    assert factors[8, 0, 0] == pytest.approx(np.exp(10.4 / 2.0))


def test_the_transform_of_the_kaiser_bessel_kernel_is_the_known_one() -> None:
    frequency = np.array([0.0, 0.1, 0.25, 0.4])
    root = np.sqrt(BETA**2 - (2.0 * np.pi * HALF_WIDTH * frequency) ** 2)

    known = np.sinh(root) / root / (np.sinh(BETA) / BETA)

    np.testing.assert_allclose(transform_of("kaiser_bessel", frequency), known, rtol=1e-6)


def test_the_derived_window_loses_no_power_between_two_of_its_copies() -> None:
    d = np.linspace(0.0, HALF_WIDTH, 101)

    power = kaiser_bessel_derived(d) ** 2 + kaiser_bessel_derived(HALF_WIDTH - d) ** 2

    np.testing.assert_allclose(power, 1.0, atol=1e-6)


def test_the_hypergeometric_kernel_has_its_peak_its_sign_and_its_end() -> None:
    values = hypergeometric(np.array([0.0, 1.5, 1.55, 4.999]))

    assert values[0] == pytest.approx(0.889784545)
    assert values[1] > 0.0 > values[2]
    assert values[3] == 0.0


@pytest.mark.parametrize("mode", ["gridding_5", "gridding_7"])
def test_a_gridding_kernel_is_one_on_average_and_falls_off(mode: str) -> None:
    kernel = InsertionKernel(MODES[mode], SIZES)
    table, width = scaled_table(kernel), MODES[mode].width
    twice = np.where(np.arange(len(table)) > 0, 2.0, 1.0)

    total = np.einsum("zyx,z,y,x", table, twice, twice, twice)

    assert total / (3 * width) ** 3 == pytest.approx(1.0)
    assert table[0, 0, 0] == table.max()
    assert abs(table[-2, -2, -2]) < 1e-3 * table.max()


def test_a_map_between_passes_loses_a_standard_deviation() -> None:
    volume = np.zeros((4, 4, 4))
    volume[0, 0, 0], volume[1, 1, 1] = 10.0, -10.0
    sigma = volume.std(ddof=1)

    made = edited(volume)

    assert made[0, 0, 0] == pytest.approx(10.0 - sigma)
    assert made[1, 1, 1] == pytest.approx(sigma - 10.0)
    assert np.count_nonzero(np.abs(made) > 1e-12) == 2


def test_a_mask_takes_the_place_of_that() -> None:
    volume, mask = np.full((2, 2, 2), 3.0), np.eye(2, dtype=np.float32)[None].repeat(2, 0)

    np.testing.assert_array_equal(edited(volume, mask), 3.0 * mask)
