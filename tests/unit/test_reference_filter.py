import numpy as np
import pytest

from halfmap.errors import DataError
from halfmap.io.mrc import check_transform_box, read_half_transform, write_map
from halfmap.model.interpolation import LINEAR, Interpolation
from halfmap.model.projection import ReferenceFilter, interpolation_windows
from halfmap.steps.references import fourier_reference

BOX = 16
FLAT = pytest.mark.parametrize("depth", [BOX, 1], ids=["map", "picture"])


def window_of(box: int, interpolation: Interpolation = LINEAR) -> np.ndarray:
    return np.stack(list(interpolation_windows((box, box), 2.0, interpolation)))


def noise(depth: int) -> np.ndarray:
    return np.random.default_rng(1).normal(size=(depth, BOX, BOX)).astype(np.float32)


@FLAT
def test_coarse_detail_is_left_out_of_projections_but_not_of_the_power(depth: int) -> None:
    plain = fourier_reference(noise(depth), 12, 2.0)

    found = fourier_reference(noise(depth), 12, 2.0, shown=ReferenceFilter(above_shell=3))

    gone = plain.sphere.squared_radius() <= 6**2
    assert not found.values[gone].any()
    np.testing.assert_array_equal(found.values[~gone], plain.values[~gone])
    np.testing.assert_array_equal(found.power, plain.power)


@FLAT
def test_every_frequency_is_multiplied_by_its_own_factor(depth: int) -> None:
    mask = np.random.default_rng(2).uniform(size=(depth, BOX, BOX // 2 + 1)).astype(np.float32)
    plain = fourier_reference(noise(depth), 12, 2.0)

    found = fourier_reference(noise(depth), 12, 2.0, shown=ReferenceFilter(mask=mask))

    half, half_z = plain.half, plain.sphere.half_z
    for z, y, x in [(0, 0, 0), (2, -3, 4), (-1, 5, 0), (0, -2, 5)]:
        z = z if depth > 1 else 0
        place = 2 * z + half_z, 2 * y + half, 2 * x
        # mask and transform are numbers of single precision
        expected = plain.values[place] * mask[z, y, x]
        np.testing.assert_allclose(found.values[place], expected, rtol=1e-5)


def test_the_window_of_the_nearest_voxel_is_a_box_where_nothing_is_linear() -> None:
    linear = window_of(BOX)

    np.testing.assert_allclose(
        window_of(BOX, Interpolation(nearest=True, linear_shells=0)) ** 2, linear
    )
    some = window_of(BOX, Interpolation(nearest=True, linear_shells=4))
    np.testing.assert_array_equal(some, linear)


def test_half_a_transform_is_read_and_nothing_else(tmp_path) -> None:
    values = np.ones((BOX, BOX, BOX // 2 + 1), np.float32)
    write_map(tmp_path / "half.mrc", values, 1.0)
    write_map(tmp_path / "cube.mrc", noise(BOX), 1.0)

    np.testing.assert_array_equal(read_half_transform(tmp_path / "half.mrc"), values)
    with pytest.raises(DataError, match=r"16 x 16 x 16 voxels; expected half a transform"):
        read_half_transform(tmp_path / "cube.mrc")
    with pytest.raises(DataError, match=r"half\.mrc is for maps of 16 px; expected 24 px"):
        check_transform_box("half.mrc", values, 24)
