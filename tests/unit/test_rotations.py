import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from halfmap.model.rotations import (
    angular_distance_deg,
    direction_angles,
    direction_vectors,
    euler_angles,
    euler_matrices,
)
from halfmap.model.symmetry import point_group

NO_SYMMETRY = np.empty((0, 3, 3))


def test_the_matrix_of_30_40_50_is_that_of_relion() -> None:
    matrix = euler_matrices(np.array([30.0, 40.0, 50.0]))

    expected = [
        [0.043412, 0.909616, -0.413176],
        [-0.829598, 0.263258, 0.492404],
        [0.556670, 0.321394, 0.766044],
    ]
    np.testing.assert_allclose(matrix, expected, atol=5e-7)  # six decimals are given


def test_the_matrix_is_rz_psi_ry_tilt_rz_rot_with_passive_factors() -> None:
    def rz(angle: float) -> np.ndarray:
        c, s = np.cos(np.radians(angle)), np.sin(np.radians(angle))
        return np.array([[c, s, 0.0], [-s, c, 0.0], [0.0, 0.0, 1.0]])

    def ry(angle: float) -> np.ndarray:
        c, s = np.cos(np.radians(angle)), np.sin(np.radians(angle))
        return np.array([[c, 0.0, -s], [0.0, 1.0, 0.0], [s, 0.0, c]])

    matrix = euler_matrices(np.array([-70.0, 130.0, 200.0]))

    np.testing.assert_allclose(matrix, rz(200.0) @ ry(130.0) @ rz(-70.0), atol=1e-15)


def test_the_third_row_is_the_projection_direction() -> None:
    angles = np.array([[30.0, 40.0, 50.0], [-120.0, 100.0, 7.0]])

    np.testing.assert_allclose(
        euler_matrices(angles)[:, 2], direction_vectors(angles[:, :2]), atol=1e-15
    )


@given(rot=st.floats(-179.0, 179.0), tilt=st.floats(0.01, 179.99), psi=st.floats(-179.0, 179.0))
def test_angles_come_back_from_their_matrix(rot: float, tilt: float, psi: float) -> None:
    angles = np.array([rot, tilt, psi])

    # Next to a pole the angles are known to the rounding of a sine of 2e-4 only.
    np.testing.assert_allclose(euler_angles(euler_matrices(angles)), angles, atol=1e-8)


@pytest.mark.parametrize(("tilt", "expected"), [(0.0, [0, 0, 80]), (180.0, [0, 180, 20])])
def test_at_a_pole_rot_is_zero_and_psi_holds_the_rest(tilt: float, expected: list[int]) -> None:
    matrix = euler_matrices(np.array([30.0, tilt, 50.0]))

    np.testing.assert_allclose(euler_angles(matrix), expected, atol=1e-10)
    np.testing.assert_allclose(euler_matrices(euler_angles(matrix)), matrix, atol=1e-12)


def test_a_negative_tilt_comes_back_as_the_positive_one_of_the_same_matrix() -> None:
    matrix = euler_matrices(np.array([30.0, -40.0, 50.0]))

    angles = euler_angles(matrix)

    assert angles[1] == pytest.approx(40.0)
    np.testing.assert_allclose(euler_matrices(angles), matrix, atol=1e-12)


def test_directions_and_their_angles_agree() -> None:
    angles = np.array([[45.0, 80.0], [-170.0, 10.0], [0.0, 180.0]])

    np.testing.assert_allclose(direction_angles(direction_vectors(angles)), angles, atol=1e-12)
    np.testing.assert_array_equal(direction_angles(np.array([1e-6, 1e-6, 1.0])), [0.0, 0.0])


def test_the_distance_is_the_mean_angle_of_the_three_axes() -> None:
    rng = np.random.default_rng(1)
    a = euler_matrices(rng.uniform(-180.0, 180.0, (50, 3)))
    about_z = euler_matrices(np.array([12.0, 0.0, 0.0]))

    # In-plane: x and y turn by 12°, z stays.
    np.testing.assert_allclose(angular_distance_deg(a, about_z @ a, NO_SYMMETRY), 8.0)
    assert not angular_distance_deg(a, a, NO_SYMMETRY).max() > 2e-6  # acos next to 1


@pytest.mark.parametrize("name", ["C5", "D3", "T", "O", "I2", "CI", "CS", "D3V", "TH"])
def test_symmetry_mates_are_at_no_distance(name: str) -> None:
    rng = np.random.default_rng(2)
    group = point_group(name)
    a = euler_matrices(rng.uniform(-180.0, 180.0, (20, 3)))
    for left, right in zip(group.left, group.right, strict=True):
        mates = left @ a @ right
        assert angular_distance_deg(a, mates, group.right).max() < 1e-5
    # Some mates differ: without symmetry the last ones are far away.
    assert angular_distance_deg(a, mates, NO_SYMMETRY).max() > 10.0
