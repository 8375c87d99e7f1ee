"""A comparison that leaves out fine detail, beside an enumeration in float64."""

from dataclasses import replace

import numpy as np
import pytest
from enumeration import log_likelihoods
from small_search import PIXEL_A, density, images, model, particles, plan, poses_at, search

from halfmap.kernels.registry import make_kernels
from halfmap.model.exact import decode
from halfmap.model.local_orientations import local_grid, local_orientations
from halfmap.model.orientations import (
    child_angles_deg,
    child_translations_A,
    direction_pixels,
    psi_angles_deg,
)
from halfmap.model.sampling import Sampling
from halfmap.steps.expectation import Workspace, run_unit
from halfmap.steps.search_plan import SearchRules

TWO_PASSES = Sampling(1, 30.0, 4.0, 4.0, 1, "C1", prior_sigma_deg=(10.0, 10.0, 10.0))
SIZE, COARSE, NOISE = 16, 8, 20.0
TRUTH = np.array([[40.0, 70.0, 100.0]])


def test_too_fine_detail_does_not_decide_about_poses_but_is_in_the_map() -> None:
    picture = images(density()[None][0], particles(1), TRUTH, np.zeros((1, 2)), noise=6.0)
    rules = SearchRules(adaptive_fraction=1.0, compares_coarsely=True)
    made = search(
        model(density()[None], TWO_PASSES, NOISE),
        plan(particles(1), TWO_PASSES, rules),
        make_kernels(),
    )
    near = local_orientations(local_grid(TWO_PASSES), TRUTH[0])
    pixel = direction_pixels(TWO_PASSES)[0][near.direction]
    angles = child_angles_deg(TWO_PASSES, pixel, psi_angles_deg(TWO_PASSES)[near.psi])
    shifts = child_translations_A(TWO_PASSES).reshape(-1, 2) / PIXEL_A
    states = angles.reshape(-1, 3), shifts
    volumes, window = density()[None], (SIZE, COARSE, NOISE)

    joint = log_likelihoods(picture[0], (particles(1), 0), volumes, states, window)[0]
    joint += np.repeat(near.log_prior, angles.shape[1])[:, None]
    workspace, sums = Workspace(made), made.zero_sums()
    poses = poses_at(TRUTH, np.zeros((1, 2)))
    found = run_unit(picture, np.arange(1), particles(1), poses, made, workspace)
    workspace.add_to(sums)

    posterior = np.exp(joint - np.logaddexp.reduce(joint, axis=None))
    # scores of about a hundred in single precision; hundreds of states count
    assert found.max_probability[0] == pytest.approx(posterior.max(), rel=2e-3)
    assert posterior.max() < 0.1
    (volume,), _, _ = decode(sums, made.scales, made.sphere)
    radius = np.sqrt(made.sphere.squared_radius()) / 2.0
    assert volume.weight[(radius > COARSE // 2 + 1) & (radius < SIZE // 2 - 1)].any()


def test_correlation_leaves_out_too_fine_detail_as_well() -> None:
    picture = images(density(), particles(1), TRUTH, np.zeros((1, 2)), noise=2.0)
    rules = SearchRules(cross_correlation=True, compares_coarsely=True)
    known = model(density()[None], TWO_PASSES, NOISE)
    fine = plan(particles(1), TWO_PASSES, rules)
    coarse = replace(fine, current_size=COARSE, rules=SearchRules(cross_correlation=True))
    poses = poses_at(TRUTH, np.zeros((1, 2)))

    found, expected = (
        run_unit(picture, np.arange(1), particles(1), poses, made, Workspace(made))
        for made in (search(known, p, make_kernels()) for p in (fine, coarse))
    )

    np.testing.assert_array_equal(found.angles_deg, expected.angles_deg)
    # a reference made for the small window ends at its rim, where interpolation misses neighbours
    np.testing.assert_allclose(found.log_likelihood, expected.log_likelihood, rtol=1e-3)
