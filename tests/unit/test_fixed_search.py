"""Particles that keep their angles, or their whole pose, beside an enumeration in float64."""

from dataclasses import replace

import numpy as np
import pytest
from enumeration import log_likelihoods
from numpy import ndarray as Array
from small_search import PIXEL_A, density, images, model, particles, plan, poses_at, search

from halfmap.kernels.registry import make_kernels
from halfmap.model.orientations import child_translations_A, perturbation_shift_A, translations_A
from halfmap.model.particles import Poses
from halfmap.model.sampling import Sampling
from halfmap.model.sums import ExpectationSums
from halfmap.steps.expectation import UnitResult, Workspace, run_unit
from halfmap.steps.search import Search
from halfmap.steps.search_plan import SearchRules

N, SIZE, COARSE, NOISE, OFFSET_SIGMA_A = 5, 16, 8, 30.0, 5.0
VOLUMES = np.stack([density(3), density(5)])
ANGLES = np.random.default_rng(2).uniform([-180, 0, -180], [180, 180, 180], (N, 3))
OFFSETS_A = np.random.default_rng(3).uniform(-9.0, 9.0, (N, 2))
"""Not a whole number of pixels of 4 Å."""
SKIP_ALIGN = Sampling(1, 30.0, 4.0, 4.0, 0, "C1", fixed_angles=True, fixed_offsets=True)
SKIP_ROTATE = Sampling(0, 60.0, 4.0, 4.0, 1, "C1", perturbation=0.2, fixed_angles=True)
EVERY = SearchRules(adaptive_fraction=1.0)


def pictures() -> Array:
    return images(VOLUMES[0], particles(N), ANGLES, OFFSETS_A, noise=6.0)


def made_search(sampling: Sampling) -> Search:
    known = model(VOLUMES, sampling, NOISE)
    known = replace(known, offset_sigma_A=OFFSET_SIGMA_A, class_fraction=np.array([0.7, 0.3]))
    return search(known, plan(particles(N), sampling, EVERY), make_kernels())


def run(made: Search, poses: Poses) -> tuple[UnitResult, ExpectationSums]:
    workspace, sums = Workspace(made), made.zero_sums()
    found = run_unit(pictures(), np.arange(N), particles(N), poses, made, workspace)
    workspace.add_to(sums)
    return found, sums


def shifted(picture: Array, offset_A: Array) -> Array:
    """Shift by whole pixels, zeros entering."""
    moved = np.zeros_like(picture)
    n = len(picture)
    x, y = np.rint(offset_A / PIXEL_A).astype(int)
    to_y, to_x = slice(max(y, 0), n + min(y, 0)), slice(max(x, 0), n + min(x, 0))
    from_y, from_x = slice(max(-y, 0), n + min(-y, 0)), slice(max(-x, 0), n + min(-x, 0))
    moved[to_y, to_x] = picture[from_y, from_x]
    return moved


def enumerated(i: int, shifts_A: Array, window: int) -> Array:
    """Log-likelihood of each class and residual shift of a particle."""
    picture = shifted(pictures()[i], OFFSETS_A[i])
    states = ANGLES[i : i + 1], shifts_A / PIXEL_A
    return log_likelihoods(picture, (particles(N), i), VOLUMES, states, (SIZE, window, NOISE))[:, 0]


def test_with_whole_poses_fixed_only_the_class_is_open() -> None:
    found, sums = run(made_search(SKIP_ALIGN), poses_at(ANGLES, OFFSETS_A))

    residual = OFFSETS_A - np.rint(OFFSETS_A / PIXEL_A) * PIXEL_A
    for i in range(N):
        joint = enumerated(i, residual[i : i + 1], SIZE)[:, 0] + np.log([0.7, 0.3])
        expected = np.exp(joint - np.logaddexp.reduce(joint))
        # scores of a few hundred in single precision
        np.testing.assert_allclose(found.class_weight[i], expected, atol=2e-3)
    np.testing.assert_array_equal(found.angles_deg, ANGLES)
    np.testing.assert_array_equal(found.offset_A, OFFSETS_A)
    np.testing.assert_allclose(found.offset_power_A2, np.sum(OFFSETS_A**2, axis=1), rtol=1e-6)
    assert found.n_significant.tolist() == [2] * N
    assert not sums.directions.any()


def test_with_angles_fixed_class_and_offset_are_searched_twice() -> None:
    found, sums = run(made_search(SKIP_ROTATE), poses_at(ANGLES, OFFSETS_A))

    coarse = translations_A(SKIP_ROTATE)
    fine = child_translations_A(SKIP_ROTATE) + perturbation_shift_A(SKIP_ROTATE)
    applied = np.rint(OFFSETS_A / PIXEL_A) * PIXEL_A
    for i in range(N):
        log_prior = -0.5 * np.sum((applied[i] + coarse) ** 2, axis=1) / OFFSET_SIGMA_A**2
        joint = enumerated(i, fine.reshape(-1, 2), SIZE).reshape(2, *fine.shape[:2])
        joint = joint + log_prior[:, None] + np.log([0.7, 0.3])[:, None, None]
        expected = np.exp(joint - np.logaddexp.reduce(joint, axis=None))
        np.testing.assert_allclose(found.class_weight[i], expected.sum(axis=(1, 2)), atol=2e-3)
        np.testing.assert_allclose(found.max_probability[i], expected.max(), rtol=1e-2)
        k, t, child = np.unravel_index(expected.argmax(), expected.shape)
        np.testing.assert_allclose(found.offset_A[i], applied[i] + fine[t, child], atol=1e-9)
        assert found.class_index[i] == k
    np.testing.assert_array_equal(found.angles_deg, ANGLES)
    assert not sums.directions.any()


def test_the_first_pass_with_fixed_angles_leaves_out_unlikely_offsets() -> None:
    usual = replace(made_search(SKIP_ROTATE))
    planned = replace(usual.plan, rules=SearchRules(adaptive_fraction=0.9))
    found, _ = run(search(usual.model, planned, make_kernels()), poses_at(ANGLES, OFFSETS_A))

    moved = translations_A(SKIP_ROTATE) + perturbation_shift_A(SKIP_ROTATE)
    applied = np.rint(OFFSETS_A / PIXEL_A) * PIXEL_A
    for i in range(N):
        whole = applied[i] + translations_A(SKIP_ROTATE)
        log_prior = -0.5 * np.sum(whole**2, axis=1) / OFFSET_SIGMA_A**2
        joint = enumerated(i, moved, COARSE) + log_prior + np.log([0.7, 0.3])[:, None]
        falling = np.sort(np.exp(joint - np.logaddexp.reduce(joint, axis=None)).ravel())[::-1]
        wanted = np.searchsorted(np.cumsum(falling), 0.9, side="right") + 1
        assert found.n_significant[i] == wanted
        assert wanted < 10


@pytest.mark.parametrize("sampling", [SKIP_ALIGN, SKIP_ROTATE], ids=["align", "rotate"])
def test_correlation_with_fixed_angles_finds_the_right_class(sampling: Sampling) -> None:
    clean = images(VOLUMES[1], particles(N), ANGLES, OFFSETS_A)
    usual = made_search(sampling)
    planned = replace(usual.plan, rules=SearchRules(cross_correlation=True))
    made = search(usual.model, planned, make_kernels())
    workspace = Workspace(made)

    poses = poses_at(ANGLES, OFFSETS_A)
    found = run_unit(clean, np.arange(N), particles(N), poses, made, workspace)

    assert found.class_index.tolist() == [1] * N
    assert (found.max_probability == 1.0).all()


@pytest.mark.parametrize("sampling", [SKIP_ALIGN, SKIP_ROTATE], ids=["align", "rotate"])
def test_fixed_angles_give_the_same_in_batches_of_any_size(
    sampling: Sampling, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, poses = made_search(sampling), poses_at(ANGLES, OFFSETS_A)
    together, _ = run(made, poses)

    monkeypatch.setattr("halfmap.steps.fixed_search.FIXED_BYTES", 1)
    alone, _ = run(made, poses)

    for name in UnitResult.__slots__:
        # kernels take another way for few images, and sum products in another order
        np.testing.assert_allclose(
            getattr(alone, name), getattr(together, name), rtol=1e-5, atol=1e-5, err_msg=name
        )
