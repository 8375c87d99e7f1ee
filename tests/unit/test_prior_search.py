"""Searches with priors, beside an enumeration of every state of a tiny problem in float64."""

from dataclasses import replace

import numpy as np
import pytest
from enumeration import log_likelihoods
from numpy import ndarray as Array
from small_search import PIXEL_A, density, images, model, particles, plan, poses_at, search

from halfmap.kernels.registry import make_kernels
from halfmap.model.exact import decode
from halfmap.model.orientations import direction_pixels, psi_angles_deg, translations_A
from halfmap.model.particles import Particles
from halfmap.model.rotations import direction_vectors, euler_angles, euler_matrices
from halfmap.model.sampling import Sampling
from halfmap.model.symmetry import point_group
from halfmap.steps import search as search_module
from halfmap.steps.expectation import UnitResult, Workspace, run_unit
from halfmap.steps.search_plan import SearchRules

ONE_PASS = Sampling(1, 30.0, 4.0, 4.0, 0, "C1")
"""48 directions, 12 psi, 5 shifts."""
SIZE, NOISE, OFFSET_SIGMA_A = 16, 9.0, 5.0
"""So noisy that hundreds of states count."""
ALL_STATES = SearchRules(adaptive_fraction=1.0)
TRUTH = np.array([[40.0, 70.0, 100.0], [-120.0, 35.0, 200.0]])
POSES = TRUTH + np.array([10.0, -8.0, 12.0])
PRIORS = np.array([[170.0, 100.0, 20.0], [10.0, np.nan, 310.0]])
"""Of the table; no tilt for the second particle."""
PRIOR_OFFSETS_A = np.array([[3.0, -2.0], [0.0, 5.0]])


VOLUMES = np.stack([density(3), density(5)])


def gaussian(away: Array, sigma: float) -> Array:
    """Prior of an angle: 1 if it is free, 0 beyond three sigma."""
    if sigma == 0.0:
        return np.ones_like(away)
    return np.where(away < 3.0 * sigma, np.exp(-0.5 * (away / sigma) ** 2), 0.0)


def short_way(turn: Array, bimodal: bool) -> Array:
    """Return an angle between 0° and 180°, or 90° where opposites are alike."""
    away = np.abs(turn) % 360.0
    away = np.minimum(away, 360.0 - away)
    return np.minimum(away, 180.0 - away) if bimodal else away


def prior_at(angles: Array, centre: Array, sampling: Sampling) -> tuple[Array, Array]:
    """Return the priors of directions and of psi at (rot, tilt, psi), not normalised."""
    assert sampling.prior_sigma_deg is not None
    rot, tilt, psi = np.moveaxis(angles, -1, 0)
    sigma_rot, sigma_tilt, sigma_psi = sampling.prior_sigma_deg
    of_psi = gaussian(short_way(psi - centre[2], sampling.bimodal_psi), sigma_psi)
    if sigma_rot > 0.0 and sigma_tilt > 0.0:
        cosine = np.clip(direction_vectors(angles) @ direction_vectors(centre), -1.0, 1.0)
        away = short_way(np.degrees(np.arccos(cosine)), sampling.bimodal_psi)
        return gaussian(away, max(sigma_rot, sigma_tilt)), of_psi
    if sigma_rot > 0.0:
        across = np.sin(np.radians(tilt)) * np.sin(np.radians(rot - centre[0]))
        return gaussian(np.degrees(np.arcsin(np.abs(across))), sigma_rot), of_psi
    away = np.abs(tilt - centre[1])
    if sampling.bimodal_psi:
        away = np.minimum(away, np.abs(180.0 - tilt - centre[1]))
    return gaussian(away, sigma_tilt), of_psi


def prior_on_grid(centre: Array, sampling: Sampling) -> Array:
    """Return the prior of each (direction, psi): the mean over the mates of the relaxed group."""
    _, directions = direction_pixels(sampling)
    psi = psi_angles_deg(sampling)
    angles = np.empty((len(directions), len(psi), 3))
    angles[..., :2], angles[..., 2] = directions[:, None], psi
    group = point_group(sampling.relaxed_symmetry or "C1")
    left = np.concatenate([np.eye(3)[None], group.left])
    right = np.concatenate([np.eye(3)[None], group.right])
    total = np.zeros(angles.shape[:2])
    for a, b in zip(left, right, strict=True):
        mates = euler_angles(a @ euler_matrices(angles) @ b)
        of_direction, of_psi = prior_at(mates, centre, sampling)
        both = of_direction / of_direction[:, 0].sum() * of_psi / of_psi.sum(axis=1)[:, None]
        total += both / len(left)
    return total


def every_state(picture: Array, i: int) -> Array:
    """Return the log-likelihoods of each (class, direction, psi, shift)."""
    _, directions = direction_pixels(ONE_PASS)
    psi = psi_angles_deg(ONE_PASS)
    angles = np.empty((len(directions), len(psi), 3))
    angles[..., :2], angles[..., 2] = directions[:, None], psi
    states = angles.reshape(-1, 3), translations_A(ONE_PASS) / PIXEL_A
    found = log_likelihoods(picture, (particles(2), i), VOLUMES, states, (SIZE, SIZE, NOISE))
    return found.reshape(len(VOLUMES), *angles.shape[:2], -1)


@pytest.fixture(scope="module")
def pictures() -> Array:
    return images(VOLUMES[0], particles(2), TRUTH, np.zeros((2, 2)), noise=6.0)


@pytest.fixture(scope="module")
def enumerated(pictures: Array) -> Array:
    """Log-likelihood of every state of each particle."""
    return np.array([every_state(p, i) for i, p in enumerate(pictures)])


def posteriors(enumerated: Array, those: Particles, sampling: Sampling) -> Array:
    """Return the posterior of every state of each particle."""
    offset = translations_A(sampling)
    centres = POSES.copy()
    if not sampling.priors_follow_poses and those.prior_deg is not None:
        centres = np.where(np.isnan(those.prior_deg), POSES, those.prior_deg)
    at = np.zeros((2, 2)) if those.prior_offset_A is None else those.prior_offset_A
    found = []
    for i, log_likelihood in enumerate(enumerated):
        log_shift = -0.5 * np.sum((offset - at[i]) ** 2, axis=1) / OFFSET_SIGMA_A**2
        prior = prior_on_grid(centres[i], sampling)
        joint = log_likelihood + log_shift
        weights = np.exp(joint - joint.max()) * prior[:, :, None]
        found.append(weights / weights.sum())
    return np.array(found)


CASES = {
    "all three": {"prior_sigma_deg": (12.0, 15.0, 20.0)},
    "rot": {"prior_sigma_deg": (12.0, 0.0, 0.0)},
    "tilt": {"prior_sigma_deg": (0.0, 12.0, 0.0)},
    "psi": {"prior_sigma_deg": (0.0, 0.0, 15.0)},
    "rot, tilt": {"prior_sigma_deg": (12.0, 12.0, 0.0)},
    "rot, psi": {"prior_sigma_deg": (12.0, 0.0, 15.0)},
    "tilt, psi": {"prior_sigma_deg": (0.0, 12.0, 15.0)},
    "bimodal": {"prior_sigma_deg": (12.0, 12.0, 15.0), "bimodal_psi": True},
    "bimodal tilt": {"prior_sigma_deg": (0.0, 12.0, 15.0), "bimodal_psi": True},
    "relaxed": {"prior_sigma_deg": (12.0, 12.0, 15.0), "relaxed_symmetry": "D2"},
    "relaxed tilt": {"prior_sigma_deg": (0.0, 12.0, 15.0), "relaxed_symmetry": "C3"},
    "columns": {"prior_sigma_deg": (0.0, 15.0, 15.0), "priors_follow_poses": False},
}


@pytest.mark.parametrize("shared_slices", [False, True], ids=["own", "shared"])
@pytest.mark.parametrize("case", CASES)
def test_the_posterior_is_that_of_an_enumeration(
    case: str,
    shared_slices: bool,
    pictures: Array,
    enumerated: Array,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(search_module, "BROAD_SHARE", 0.0 if shared_slices else 2.0)
    sampling = replace(ONE_PASS, **CASES[case])
    those = particles(2)
    if case == "columns":
        those = replace(those, prior_deg=PRIORS, prior_offset_A=PRIOR_OFFSETS_A)
    known = replace(model(VOLUMES, sampling, NOISE), offset_sigma_A=OFFSET_SIGMA_A)
    made = search(known, plan(those, sampling, ALL_STATES), make_kernels())
    assert (made.candidates is not None) == shared_slices

    expected = posteriors(enumerated, those, sampling)
    found, directions = searched(pictures, those, made)

    # scores of a few hundred in single precision
    np.testing.assert_allclose(found.class_weight, expected.sum(axis=(2, 3, 4)), atol=2e-3)
    np.testing.assert_allclose(directions, expected.sum(axis=(0, 3, 4)), atol=2e-3)
    np.testing.assert_allclose(found.max_probability, expected.max(axis=(1, 2, 3, 4)), rtol=5e-3)
    at = np.zeros((2, 2)) if those.prior_offset_A is None else those.prior_offset_A
    square = np.sum((translations_A(sampling) - at[:, None]) ** 2, axis=2)
    power = np.sum(expected.sum(axis=(1, 2, 3)) * square, axis=1)
    np.testing.assert_allclose(found.offset_power_A2, power, rtol=5e-3)
    # hundreds of states count, and the priors decide about them
    assert ((expected > 1e-3).sum(axis=(1, 2, 3, 4)) > 5).all()


@pytest.mark.parametrize("case", ["tilt", "bimodal tilt", "relaxed tilt", "rot, psi"])
def test_the_second_pass_has_the_priors_whichever_slices_the_first_one_took(
    case: str, pictures: Array, monkeypatch: pytest.MonkeyPatch
) -> None:
    sampling = replace(ONE_PASS, oversampling=1, **CASES[case])
    known = replace(model(VOLUMES, sampling, NOISE), offset_sigma_A=OFFSET_SIGMA_A)
    found = []
    for share in (0.0, 2.0):
        monkeypatch.setattr(search_module, "BROAD_SHARE", share)
        made = search(known, plan(particles(2), sampling, ALL_STATES), make_kernels())
        found.append(searched(pictures, particles(2), made)[0])

    shared, own = found
    np.testing.assert_array_equal(shared.angles_deg, own.angles_deg)
    # scores of a few hundred in single precision
    np.testing.assert_allclose(shared.max_probability, own.max_probability, rtol=1e-3)
    np.testing.assert_allclose(shared.class_weight, own.class_weight, atol=1e-3)
    np.testing.assert_allclose(shared.log_likelihood, own.log_likelihood, atol=5e-3)


def searched(
    pictures: Array, those: Particles, made: search_module.Search
) -> tuple[UnitResult, Array]:
    """Run the unit and return its rows, and the posterior of each class and direction."""
    workspace, sums = Workspace(made), made.zero_sums()
    poses = poses_at(POSES, np.zeros((2, 2)))
    found = run_unit(pictures, np.arange(2), those, poses, made, workspace)
    workspace.add_to(sums)
    return found, decode(sums, made.scales, made.sphere)[2]
