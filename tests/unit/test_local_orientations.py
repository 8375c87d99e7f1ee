from dataclasses import replace

import numpy as np
import pytest

from halfmap.model.orientations import (
    LocalOrientations,
    direction_pixels,
    local_grid,
    local_orientations,
    psi_angles_deg,
)
from halfmap.model.rotations import direction_vectors
from halfmap.model.sampling import Sampling
from halfmap.model.symmetry import point_group

PRIOR = np.array([33.0, 64.0, 121.0])


def search(
    sigma_deg: tuple[float, float, float],
    symmetry: str = "C1",
    order: int = 4,
    prior: np.ndarray = PRIOR,
) -> tuple[LocalOrientations, np.ndarray, np.ndarray]:
    """Return what is selected, and the angles of all directions and psi."""
    grid = Sampling(order, 60.0 / 2**order, 5.0, 1.0, 1, symmetry, prior_sigma_deg=sigma_deg)
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
