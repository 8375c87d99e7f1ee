import numpy as np
import pytest

from halfmap.model.eman_orientations import (
    Placements,
    centring_shifts,
    eman_angles,
    eman_matrices,
    take_apart,
    tilt_matrices,
)
from halfmap.model.rotations import euler_matrices

ANGLES = np.array([[10.0, 50.0, 200.0], [300.0, 120.0, 5.0], [0.0, 90.0, 90.0]])


def written_out(az: float, alt: float, phi: float) -> list[list[float]]:
    ca, sa = np.cos(np.radians(az)), np.sin(np.radians(az))
    cb, sb = np.cos(np.radians(alt)), np.sin(np.radians(alt))
    cp, sp = np.cos(np.radians(phi)), np.sin(np.radians(phi))
    return [
        [cp * ca - cb * sa * sp, cp * sa + cb * ca * sp, sb * sp],
        [-sp * ca - cb * sa * cp, -sp * sa + cb * ca * cp, sb * cp],
        [sb * sa, -sb * ca, cb],
    ]


def put_together(placements: Placements) -> np.ndarray:
    """Return the matrices as they are stored; the inverse of `take_apart`."""
    scaled = placements.rotation * placements.scale[:, None, None]
    depth = np.zeros(len(scaled))
    moved = np.column_stack([placements.translation_px, depth])
    stored = np.concatenate([scaled, moved[:, :, None]], axis=2)
    stored[placements.mirror, 0] *= -1.0
    return stored


def test_the_matrix_is_that_of_three_turns_about_z_x_z() -> None:
    expected = [written_out(*angles) for angles in ANGLES]

    np.testing.assert_allclose(eman_matrices(ANGLES), expected, atol=1e-12)


def test_angles_are_those_of_relion_turned_by_90_degrees(shared) -> None:
    rows = np.loadtxt(shared / "golden/eman2/proj_angles.txt", usecols=range(6))

    # The angles went through single precision: half a step at 360° is 2.7e-7 radians.
    np.testing.assert_allclose(eman_matrices(rows[:, :3]), euler_matrices(rows[:, 3:]), atol=3e-7)


@pytest.mark.parametrize("alt", [0.0, 1e-3, 40.0, 179.0, 180.0])
def test_angles_of_a_matrix_give_the_matrix(alt: float) -> None:
    matrices = eman_matrices(np.array([[33.0, alt, 71.0]]))

    found = eman_angles(matrices)

    np.testing.assert_allclose(eman_matrices(found), matrices, atol=1e-9)
    assert alt not in (0.0, 180.0) or found[0, 0] == 0.0


def test_a_tilted_image_shows_a_point_at_x_cos_minus_z_sin() -> None:
    (matrix,) = tilt_matrices(np.array([30.0]))

    seen = matrix @ [5.0, 7.0, 2.0]

    assert seen[:2] == pytest.approx([5.0 * np.cos(np.pi / 6) - 2.0 * 0.5, 7.0])
    np.testing.assert_allclose(matrix, eman_matrices(np.array([90.0, 30.0, -90.0])), atol=1e-12)


def placements() -> Placements:
    return Placements(
        eman_matrices(ANGLES),
        np.array([[3.0, -1.0], [2.0, 5.0], [-4.0, 1.0]]),
        np.array([False, True, True]),
        np.array([1.0, 1.0, 2.0]),
    )


def test_a_mirrored_matrix_has_its_first_row_turned_round_with_the_translation() -> None:
    stored = put_together(placements())

    np.testing.assert_allclose(stored[1, 0, :3], -eman_matrices(ANGLES[1])[0])
    assert stored[1, :, 3].tolist() == [-2.0, 5.0, 0.0]


def test_a_stored_matrix_is_taken_apart_into_what_it_was_made_of() -> None:
    found, put_in = take_apart(put_together(placements())), placements()

    for name in ("rotation", "translation_px", "mirror", "scale"):
        np.testing.assert_allclose(getattr(found, name), getattr(put_in, name), atol=1e-12)


def test_shifts_of_lists_undo_the_translation_and_others_apply_it() -> None:
    put_in = placements()

    assert centring_shifts(put_in, False).tolist() == [[3.0, -1.0], [2.0, 5.0], [-4.0, 1.0]]
    # The content went to mirror(x + t); mirror(x + s) brings it back if s = -mirror(t).
    assert centring_shifts(put_in, True).tolist() == [[-3.0, 1.0], [2.0, -5.0], [-4.0, -1.0]]
