from dataclasses import replace
from pathlib import Path

import healpix
import numpy as np
import pytest
import starfile

from halfmap.errors import OptionError
from halfmap.model.local_orientations import local_grid, local_orientations
from halfmap.model.orientations import (
    child_angles_deg,
    child_translations_A,
    direction_pixels,
    draw_perturbation,
    perturbation_shift_A,
    perturbed_matrices,
    psi_angles_deg,
    translations_A,
)
from halfmap.model.rotations import direction_vectors, euler_matrices
from halfmap.model.sampling import Sampling
from halfmap.model.symmetry import point_group

DIRECTIONS = {
    "C1": [12, 48, 192, 768, 3072, 12288, 49152],
    "C2": [6, 24, 96, 384, 1536, 6176, 24640],
    "C3": [3, 14, 60, 248, 1003, 4086, 16406],
    # Order 6: RELION in double precision has 12412; it drops 4 of 256 directions at exactly
    # rot ±45°. All of them are kept here, as in RELION's single precision.
    "C4": [3, 12, 48, 192, 768, 3072, 12416],
    "C6": [1, 6, 28, 118, 496, 2005, 8170],
    "D2": [4, 12, 48, 192, 768, 3072, 12384],
    "D3": [2, 8, 33, 129, 503, 2033, 8246],
    "D4": [2, 6, 24, 96, 384, 1536, 6240],
    "D7": [1, 3, 13, 53, 218, 864, 3493],
    "T": [1, 3, 14, 59, 250, 1009, 4075],
    "O": [1, 1, 7, 32, 126, 507, 2037],
    "I1": [1, 1, 3, 12, 49, 199, 807],
    "I2": [0, 0, 2, 11, 48, 199, 809],
    "I3": [0, 0, 4, 12, 53, 206, 820],
    "I4": [0, 1, 2, 11, 48, 196, 802],
}
TRANSLATIONS = {
    (6.0, 2.0): 29,
    (5.0, 1.0): 81,
    (3.0, 1.0): 29,
    (5.0, 2.0): 21,
    (10.0, 2.0): 81,
    (6.0, 1.0): 113,
    (4.0, 1.0): 49,
    (2.0, 1.0): 13,
    (1.5, 1.0): 9,
    (5.0, 1.5): 37,
}


def sampling(order: int = 2, symmetry: str = "C1") -> Sampling:
    return Sampling(order, 60.0 / 2**order, 6.0, 2.0, 1, symmetry)


def test_the_first_directions_are_those_of_nested_healpix() -> None:
    pixel, angles = direction_pixels(sampling(2))

    np.testing.assert_array_equal(pixel, np.arange(192))
    np.testing.assert_allclose(angles[:2], [[45.0, 80.4059], [56.25, 70.5288]], atol=5e-5)
    assert angles[:, 0].min() > -180.0
    assert angles[:, 0].max() <= 180.0


@pytest.mark.parametrize("symmetry", DIRECTIONS)
def test_symmetry_leaves_as_many_directions_as_in_relion(symmetry: str) -> None:
    for order, expected in enumerate(DIRECTIONS[symmetry]):
        if expected:
            assert len(direction_pixels(sampling(order, symmetry))[0]) == expected, order
        else:
            with pytest.raises(
                OptionError, match=rf"no direction is left .* {order} .* {symmetry}"
            ):
                direction_pixels(sampling(order, symmetry))


@pytest.mark.parametrize("symmetry", ["C4", "C7", "D1", "D3", "T", "O", "CS", "C3V", "TD", "IH"])
def test_every_direction_has_a_mate_in_the_list_within_a_pixel(symmetry: str) -> None:
    _, angles = direction_pixels(sampling(3, symmetry))
    operators = point_group(symmetry).direction_operators
    mates = np.einsum("oij,dj->odi", operators, direction_vectors(angles)).reshape(-1, 3)

    cosines = (direction_vectors(direction_pixels(sampling(3))[1]) @ mates.T).max(axis=1)

    # 7.47° is the largest pixel radius at order 3.
    assert np.degrees(np.arccos(cosines.min().clip(-1, 1))) < 7.47


@pytest.mark.parametrize(
    ("limit", "n"), [(-60.0, 112), (60.0, 112), (-30.0, 24), (30.0, 168), (-91.0, 192)]
)
def test_a_tilt_limit_keeps_side_views_or_top_views(limit: float, n: int) -> None:
    _, angles = direction_pixels(replace(sampling(2), limit_tilt_deg=limit))

    assert len(angles) == n
    from_pole = np.minimum(angles[:, 1], 180.0 - angles[:, 1])
    assert from_pole.max() <= 60.0001 or limit != -60.0
    assert from_pole.min() >= 59.9999 or limit != 60.0


def test_psi_runs_from_zero_in_steps_that_divide_360() -> None:
    np.testing.assert_allclose(psi_angles_deg(sampling(2)), np.arange(24) * 15.0)
    assert [len(psi_angles_deg(sampling(order))) for order in range(7)] == [
        6, 12, 24, 48, 96, 192, 384,
    ]  # fmt: skip
    np.testing.assert_allclose(
        psi_angles_deg(replace(sampling(2), psi_step_deg=50.0)), np.arange(8) * 45.0
    )


def test_children_are_the_nested_pixels_and_the_parts_of_the_psi_step() -> None:
    pixel, psi = np.array([5, 17]), np.array([30.0, 345.0])

    children = child_angles_deg(sampling(2), pixel, psi)

    assert children.shape == (2, 8, 3)
    _, finer = direction_pixels(sampling(3))
    for parent in (0, 1):
        for over_direction in range(4):
            pair = children[parent, 2 * over_direction : 2 * over_direction + 2]
            expected = finer[4 * pixel[parent] + over_direction]
            np.testing.assert_allclose(pair[:, :2], [expected, expected])
            np.testing.assert_allclose(pair[:, 2], psi[parent] + np.array([-3.75, 3.75]))


def test_without_oversampling_the_only_child_is_the_parent() -> None:
    coarse = replace(sampling(2), oversampling=0)
    pixel, angles = direction_pixels(coarse)

    children = child_angles_deg(coarse, pixel, np.full(len(pixel), 15.0))

    assert children.shape == (192, 1, 3)
    np.testing.assert_allclose(children[:, 0, :2], angles)
    np.testing.assert_allclose(children[:, 0, 2], 15.0)
    np.testing.assert_allclose(child_translations_A(coarse)[:, 0], translations_A(coarse))


def test_oversampling_twice_gives_the_pixels_two_orders_finer() -> None:
    twice = replace(sampling(1), oversampling=2)

    children = child_angles_deg(twice, np.array([7]), np.array([60.0]))

    assert children.shape == (1, 64, 3)
    tilt, rot = healpix.pix2ang(8, np.arange(16 * 7, 16 * 8), nest=True)
    np.testing.assert_allclose(
        direction_vectors(children[0, ::4, :2]),
        direction_vectors(np.degrees(np.stack([rot, tilt], axis=-1))),
        atol=1e-12,
    )
    np.testing.assert_allclose(children[0, :4, 2], 60.0 + np.array([-11.25, -3.75, 3.75, 11.25]))


@pytest.mark.parametrize(("grid", "n"), TRANSLATIONS.items())
def test_translations_fill_the_circle_of_the_range(grid: tuple[float, float], n: int) -> None:
    of_grid = replace(sampling(), offset_range_A=grid[0], offset_step_A=grid[1])

    assert translations_A(of_grid).shape == (n, 2)
    assert child_translations_A(of_grid).shape == (n, 4, 2)


def test_x_is_the_outer_index_of_translations() -> None:
    of_grid = replace(sampling(), offset_range_A=1.0, offset_step_A=1.0)

    expected = [[-1, 0], [0, -1], [0, 0], [0, 1], [1, 0]]
    np.testing.assert_array_equal(translations_A(of_grid), expected)
    np.testing.assert_array_equal(
        child_translations_A(of_grid)[2],
        [[-0.25, -0.25], [-0.25, 0.25], [0.25, -0.25], [0.25, 0.25]],
    )


def test_the_number_of_hidden_variables_is_what_relion_prints() -> None:
    grid = replace(sampling(2), offset_range_A=6.0, offset_step_A=2.0)
    n_pairs = len(direction_pixels(grid)[0]) * len(psi_angles_deg(grid))

    assert n_pairs * len(translations_A(grid)) == 133_632
    assert n_pairs * 8 * child_translations_A(grid)[..., 0].size == 4_276_224


def test_a_perturbation_turns_the_frame_of_the_map_and_shifts_x_and_y_alike() -> None:
    angles = np.array([[10.0, 20.0, 30.0], [100.0, 70.0, -5.0]])
    perturbed = replace(sampling(2), perturbation=-0.2)

    matrices = perturbed_matrices(angles, perturbed)

    turn = euler_matrices(np.array([-3.0, -3.0, -3.0]))  # 0.2 of 15°
    np.testing.assert_allclose(matrices, euler_matrices(angles) @ turn, atol=1e-15)
    assert perturbation_shift_A(perturbed) == pytest.approx(-0.4)
    np.testing.assert_array_equal(perturbed_matrices(angles, sampling(2)), euler_matrices(angles))


def test_perturbations_move_on_by_half_to_one_factor_and_wrap() -> None:
    drawn = [draw_perturbation(0.1, 0.5, seed=7, iteration=i) for i in range(2000)]
    steps = (np.array(drawn) - 0.1) % 1.0

    assert steps.min() >= 0.25
    assert steps.max() <= 0.5
    assert np.mean(steps) == pytest.approx(0.375, abs=0.01)  # six standard errors
    assert min(drawn) >= -0.5
    assert max(drawn) < 0.5


def test_the_same_perturbation_is_drawn_everywhere_and_another_each_iteration() -> None:
    assert draw_perturbation(0.0, 0.5, 7, 3) == draw_perturbation(0.0, 0.5, 7, 3)
    assert draw_perturbation(0.0, 0.5, 7, 3) != draw_perturbation(0.0, 0.5, 7, 4)
    assert draw_perturbation(0.3, 0.0, 7, 3) == 0.0, "no perturbation is asked for"


@pytest.mark.parametrize("case", ["em", "local"])
def test_the_poses_that_relion_finds_are_on_our_grid(shared: Path, case: str) -> None:
    folder = shared / "golden" / "relion"
    found = starfile.read(folder / case / "run_it001_data.star")["particles"]
    start = starfile.read(folder / ("p240_near.star" if case == "local" else "p240.star"))
    order = {"em": 1, "local": 4}[case]
    grid = replace(sampling(order), offset_range_A=25.0, offset_step_A=10.0)
    poses = found[["rlnAngleRot", "rlnAngleTilt", "rlnAnglePsi"]].to_numpy()

    pixel, _ = direction_pixels(grid)
    psi = psi_angles_deg(grid)
    tilt_rad, rot_rad = np.radians(poses[:, 1]), np.radians(poses[:, 0])
    parent = healpix.ang2pix(2**order, tilt_rad, rot_rad, nest=True)
    nearest = np.round(poses[:, 2] / grid.psi_step_deg - 1e-6).astype(int) % len(psi)
    ours = child_angles_deg(grid, pixel[parent], psi[nearest])

    distance = euler_matrices(ours) - euler_matrices(poses)[:, None]
    # Angles are written to 1e-6° after a trip through single-precision matrices.
    assert np.abs(distance).max(axis=(2, 3)).min(axis=1).max() < 2e-5
    if case == "local":
        assert_selected(replace(grid, prior_sigma_deg=(3.0, 3.0, 3.0)), start, parent, nearest)


def assert_selected(
    grid: Sampling, start: dict[str, object], parent: np.ndarray, psi: np.ndarray
) -> None:
    """Every pose that RELION found has a parent that we select for that particle."""
    columns = ["rlnAngleRot", "rlnAngleTilt", "rlnAnglePsi"]
    priors = start["particles"][columns].to_numpy()  # type: ignore[index]
    prepared = local_grid(grid)
    for prior, direction, psi_index in zip(priors, parent, psi, strict=True):
        selected = local_orientations(prepared, prior)
        assert ((selected.direction == direction) & (selected.psi == psi_index)).any()
