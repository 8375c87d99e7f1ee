import numpy as np
import pytest

from halfmap.steps.centring import centre_of_mass, centred, shifted

BOX = 12
PLACE = (1, -3, 2)
"""z, y, x from the centre."""


def point(shape: tuple[int, ...], place: tuple[int, ...], value: float = 1.0) -> np.ndarray:
    volume = np.zeros(shape, np.float32)
    volume[tuple(n // 2 + at for n, at in zip(shape, place, strict=True))] = value
    return volume


@pytest.mark.parametrize(
    ("shape", "place"), [((BOX,) * 3, PLACE), ((1, BOX, BOX), (0, -3, 2)), ((BOX,) * 3, (0, 0, 0))]
)
def test_a_point_is_moved_to_the_centre(shape: tuple[int, ...], place: tuple[int, ...]) -> None:
    np.testing.assert_array_equal(centre_of_mass(point(shape, place)), place)
    np.testing.assert_array_equal(centred(point(shape, place), 10.0), point(shape, (0, 0, 0)))


def test_only_positive_voxels_have_mass() -> None:
    volume = point((BOX,) * 3, PLACE, 2.0) + point((BOX,) * 3, (-3, 1, -4), -5.0)

    np.testing.assert_array_equal(centre_of_mass(volume), PLACE)


def test_mass_is_weighed_by_its_value() -> None:
    volume = point((BOX,) * 3, (0, 0, 4), 3.0) + point((BOX,) * 3, (0, 0, -4), 1.0)

    np.testing.assert_allclose(centre_of_mass(volume), [0.0, 0.0, 2.0])


def test_the_shift_keeps_its_direction_but_not_more_than_the_limit() -> None:
    moved = centred(point((BOX,) * 3, (0, 4, -3)), 2.5)

    np.testing.assert_allclose(centre_of_mass(moved), [0.0, 2.0, -1.5])


def test_a_map_without_positive_voxels_stays() -> None:
    volume = -point((BOX,) * 3, PLACE)

    np.testing.assert_array_equal(centred(volume, 5.0), volume)


def test_what_leaves_the_box_does_not_come_back() -> None:
    volume = point((BOX,) * 3, (0, 0, -BOX // 2))

    assert not shifted(volume, np.array([0.0, 0.0, -1.0])).any()
    assert not shifted(volume, np.array([0.0, 0.0, 2.0 * BOX])).any()


def test_a_shift_is_that_of_interpolation_point_by_point() -> None:
    volume = np.random.default_rng(1).normal(size=(5,) * 3).astype(np.float32)
    shift = np.array([0.3, -1.6, 2.25])
    padded = np.pad(volume.astype(float), 5)
    expected = np.empty((5,) * 3)
    for index in np.ndindex(expected.shape):
        at = np.array(index) - shift + 5
        low = np.floor(at).astype(int)
        total = 0.0
        if (at < 5.0).any() or (at > 9.0).any():  # beyond the outermost voxels
            expected[index] = 0.0
            continue
        for corner in np.ndindex(2, 2, 2):
            weight = np.prod(np.where(corner, at - low, 1.0 - (at - low)))
            total += weight * padded[tuple(low + corner)]
        expected[index] = total

    # float32 result of numbers of order one
    np.testing.assert_allclose(shifted(volume, shift), expected, atol=3e-7)
