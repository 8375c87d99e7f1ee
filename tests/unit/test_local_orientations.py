from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from halfmap.model.local_orientations import LocalOrientations, local_grid, local_orientations
from halfmap.model.orientations import direction_pixels, psi_angles_deg
from halfmap.model.rotations import direction_vectors, euler_angles, euler_matrices
from halfmap.model.sampling import Sampling
from halfmap.model.symmetry import point_group

PRIOR = np.array([33.0, 64.0, 121.0])


def search(
    sigma_deg: tuple[float, float, float],
    symmetry: str = "C1",
    order: int = 4,
    prior: np.ndarray = PRIOR,
    **changes: Any,
) -> tuple[LocalOrientations, np.ndarray, np.ndarray]:
    """Return what is selected, and the angles of all directions and psi."""
    grid = Sampling(order, 60.0 / 2**order, 5.0, 1.0, 1, symmetry, prior_sigma_deg=sigma_deg)
    grid = replace(grid, **changes)
    return (
        local_orientations(local_grid(grid), prior),
        direction_pixels(grid)[1],
        psi_angles_deg(grid),
    )


def test_a_cone_of_three_sigma_around_the_prior_is_searched() -> None:
    found, angles, psi = search((3.0, 3.0, 3.0))

    cosine = direction_vectors(angles) @ direction_vectors(PRIOR)
    away = np.degrees(np.arccos(np.clip(cosine, -1.0, 1.0)))
    np.testing.assert_array_equal(np.unique(found.direction), np.flatnonzero(away < 9.0))
    np.testing.assert_array_equal(np.unique(found.psi), np.flatnonzero(np.abs(psi - 121.0) < 9.0))
    assert len(found.psi) == len(np.unique(found.psi)) * len(np.unique(found.direction))


def test_directions_are_the_outer_index_and_psi_the_inner_one() -> None:
    found, _, _ = search((3.0, 3.0, 3.0))

    n_psi = len(np.unique(found.psi))
    assert (found.direction[:n_psi] == found.direction[0]).all()
    np.testing.assert_array_equal(found.psi[:n_psi], np.unique(found.psi))


def test_the_prior_is_a_product_of_gaussians_that_sums_to_one() -> None:
    found, angles, psi = search((2.0, 4.0, 3.0))

    assert np.exp(found.log_prior).sum() == pytest.approx(1.0)
    cosine = direction_vectors(angles[found.direction]) @ direction_vectors(PRIOR)
    away = np.degrees(np.arccos(np.clip(cosine, -1.0, 1.0)))
    # The larger of the two widths counts for directions.
    expected = -0.5 * (away / 4.0) ** 2 - 0.5 * ((psi[found.psi] - 121.0) / 3.0) ** 2
    difference = found.log_prior - expected
    np.testing.assert_allclose(difference, difference[0], atol=1e-9)


def test_psi_is_compared_across_360_degrees() -> None:
    found, _, psi = search((3.0, 3.0, 3.0), prior=np.array([0.0, 90.0, -1.0]))

    chosen = psi[np.unique(found.psi)]
    assert (chosen < 10.0).any()
    assert (chosen > 350.0).any()
    assert ((chosen < 8.0) | (chosen > 350.0)).all()


def test_where_nothing_is_near_the_nearest_alone_is_searched() -> None:
    found, angles, psi = search((0.01, 0.01, 0.01))

    cosine = direction_vectors(angles) @ direction_vectors(PRIOR)
    assert found.direction.tolist() == [cosine.argmax()]
    assert found.psi.tolist() == [np.abs(psi - 121.0).argmin()]
    assert found.log_prior.tolist() == [0.0]


def test_only_rot_searches_along_the_meridian_of_the_prior() -> None:
    found, angles, _ = search((1.5, 0.0, 3.0))

    chosen = np.isin(np.arange(len(angles)), found.direction)
    across = np.sin(np.radians(angles[:, 1])) * np.sin(np.radians(angles[:, 0] - 33.0))
    np.testing.assert_array_equal(chosen, np.degrees(np.arcsin(np.abs(across))) < 4.5)
    assert angles[chosen, 1].min() < 5.0
    assert angles[chosen, 1].max() > 175.0


def test_only_tilt_searches_a_band() -> None:
    found, angles, _ = search((0.0, 1.5, 3.0))

    chosen = np.isin(np.arange(len(angles)), found.direction)
    np.testing.assert_array_equal(chosen, np.abs(angles[:, 1] - 64.0) < 4.5)


def test_an_angle_without_a_width_is_free() -> None:
    no_psi, angles, psi = search((3.0, 3.0, 0.0))
    only_psi, _, _ = search((0.0, 0.0, 3.0))

    assert len(np.unique(no_psi.psi)) == len(psi)
    assert len(np.unique(only_psi.direction)) == len(angles)
    assert np.exp(only_psi.log_prior).sum() == pytest.approx(1.0)


@pytest.mark.parametrize("sigma", [(3.0, 3.0, 3.0), (1.5, 0.0, 3.0), (0.0, 1.5, 3.0)])
@pytest.mark.parametrize("symmetry", ["D3", "O", "I1", "C3V"])
def test_a_direction_is_as_near_as_its_nearest_symmetry_mate(
    symmetry: str, sigma: tuple[float, float, float]
) -> None:
    from_prior, angles, _ = search(sigma, symmetry)
    mates = point_group(symmetry).direction_operators @ direction_vectors(angles).T
    x, y, z = np.moveaxis(mates, 1, 0)
    toward = direction_vectors(PRIOR)
    if sigma[0] == 0.0:
        away = np.abs(np.degrees(np.arccos(np.clip(z, -1.0, 1.0))) - PRIOR[1])
    elif sigma[1] == 0.0:
        rot = np.radians(PRIOR[0])
        away = np.degrees(np.arcsin(np.clip(np.abs(np.cos(rot) * y - np.sin(rot) * x), 0, 1)))
    else:
        away = np.degrees(np.arccos(np.clip(np.einsum("i,oid->od", toward, mates), -1.0, 1.0)))

    near = np.flatnonzero(away.min(axis=0) < 3.0 * max(sigma[:2]))

    np.testing.assert_array_equal(np.unique(from_prior.direction), near)


def test_a_global_sampling_has_no_local_searches() -> None:
    grid = Sampling(2, 15.0, 5.0, 1.0, 1, "C1")

    with pytest.raises(ValueError, match="prior_sigma_deg"):
        local_grid(replace(grid, prior_sigma_deg=None))


def test_bimodal_looks_at_opposite_psi_and_opposite_directions() -> None:
    found, angles, psi = search((3.0, 3.0, 3.0), bimodal_psi=True)

    cosine = direction_vectors(angles) @ direction_vectors(PRIOR)
    away = np.degrees(np.arccos(np.clip(np.abs(cosine), 0.0, 1.0)))
    np.testing.assert_array_equal(np.unique(found.direction), np.flatnonzero(away < 9.0))
    turn = np.abs(psi - 121.0)
    near = np.minimum(turn, np.abs(turn - 180.0)) < 9.0
    np.testing.assert_array_equal(np.unique(found.psi), np.flatnonzero(near))
    # an angle and its opposite are equally probable
    opposite = (found.psi + len(psi) // 2) % len(psi)
    keys = found.direction * len(psi) + found.psi
    mates = np.searchsorted(keys, found.direction * len(psi) + opposite)
    np.testing.assert_allclose(found.log_prior[mates], found.log_prior, atol=1e-9)


def test_bimodal_looks_at_the_opposite_tilt() -> None:
    found, angles, _ = search((0.0, 1.5, 3.0), bimodal_psi=True)

    near = np.minimum(np.abs(angles[:, 1] - 64.0), np.abs(angles[:, 1] - 116.0)) < 4.5
    np.testing.assert_array_equal(np.unique(found.direction), np.flatnonzero(near))


def gaussian(away: np.ndarray, sigma: float) -> np.ndarray:
    """Prior of an angle; 1 if it is free, 0 beyond three sigma."""
    if sigma == 0.0:
        return np.ones_like(away)
    return np.where(away < 3.0 * sigma, np.exp(-0.5 * (away / sigma) ** 2), 0.0)


def priors_of(
    angles: np.ndarray, sigma_deg: tuple[float, float, float]
) -> tuple[np.ndarray, np.ndarray]:
    """Return the priors of the directions and of the psi of orientations, from Euler angles."""
    rot, tilt, psi = np.moveaxis(angles, -1, 0)
    turn = np.abs(psi - PRIOR[2]) % 360.0
    of_psi = gaussian(np.minimum(turn, 360.0 - turn), sigma_deg[2])
    if sigma_deg[0] > 0.0 and sigma_deg[1] > 0.0:
        cosine = direction_vectors(angles) @ direction_vectors(PRIOR)
        away = np.degrees(np.arccos(np.clip(cosine, -1.0, 1.0)))
        return gaussian(away, max(sigma_deg[:2])), of_psi
    if sigma_deg[0] > 0.0:
        across = np.sin(np.radians(tilt)) * np.sin(np.radians(rot - PRIOR[0]))
        return gaussian(np.degrees(np.arcsin(np.abs(across))), sigma_deg[0]), of_psi
    return gaussian(np.abs(tilt - PRIOR[1]), sigma_deg[1]), of_psi


@pytest.mark.parametrize(
    "sigma",
    [(9.0, 6.0, 8.0), (9.0, 9.0, 0.0), (7.0, 0.0, 8.0), (0.0, 7.0, 8.0), (0.0, 0.0, 8.0)],
)
@pytest.mark.parametrize("group", ["C2", "D2", "T", "C2V"])
def test_relaxed_symmetry_gives_all_mates_of_an_orientation_the_mean_of_their_priors(
    group: str, sigma: tuple[float, float, float]
) -> None:
    """Enumerate every orientation and every operator: A, L A R and the Euler angles of both."""
    found, angles, psi = search(sigma, order=2, relaxed_symmetry=group)
    operators = point_group(group)
    left = np.concatenate([np.eye(3)[None], operators.left])
    right = np.concatenate([np.eye(3)[None], operators.right])
    expected = np.zeros((len(angles), len(psi)))
    every = np.empty((*expected.shape, 3))
    every[..., :2], every[..., 2] = angles[:, None], psi
    for a, b in zip(left, right, strict=True):
        of_direction, of_psi = priors_of(euler_angles(a @ euler_matrices(every) @ b), sigma)
        # each list sums to one: over directions, and over psi at each direction
        both = of_direction / of_direction[:, 0].sum() * of_psi / of_psi.sum(axis=1)[:, None]
        expected += both / len(left)

    assert expected.sum() == pytest.approx(1.0)
    result = np.zeros_like(expected)
    result[found.direction, found.psi] = np.exp(found.log_prior)
    np.testing.assert_allclose(result, expected, atol=1e-9)


def test_relaxed_symmetry_turns_psi_with_the_direction() -> None:
    """A 2-fold along x takes (rot, tilt, psi) to (-rot, 180 - tilt, psi + 180), not to psi."""
    found, angles, psi = search((0.003, 0.003, 0.003), relaxed_symmetry="D1")

    chosen = np.column_stack([angles[found.direction], psi[found.psi]])

    np.testing.assert_allclose(
        np.sort(chosen, axis=0), np.sort([PRIOR, [-33.0, 116.0, 301.0]], axis=0), atol=2.0
    )
    np.testing.assert_allclose(np.exp(found.log_prior), 0.5)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"sigma_deg": (0.5, 0.5, 0.2)},  # of which some particles keep the nearest alone
        {"sigma_deg": (0.0, 3.0, 0.0)},
        {"sigma_deg": (3.0, 0.0, 3.0), "bimodal_psi": True},
        {"relaxed_symmetry": "C2"},
    ],
)
def test_several_particles_get_what_each_gets_alone(changes: dict[str, Any]) -> None:
    priors = np.array([PRIOR, [-120.0, 91.0, 359.0], [10.0, 1.0, -20.0]])
    wanted = {"sigma_deg": (3.0, 3.0, 3.0), **changes}

    together, _, _ = search(prior=priors, **wanted)

    for particle, prior in enumerate(priors):
        alone, _, _ = search(prior=prior, **wanted)
        own = together.particle == particle
        np.testing.assert_array_equal(together.direction[own], alone.direction)
        np.testing.assert_array_equal(together.psi[own], alone.psi)
        np.testing.assert_array_equal(together.log_prior[own], alone.log_prior)
