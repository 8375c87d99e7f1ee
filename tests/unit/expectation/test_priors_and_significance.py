"""What a pose is worth before an image is seen, and which states are kept after."""

from dataclasses import replace

import numpy as np
import pytest
from small_search import GLOBAL, PIXEL_A, density, model, particles, plan, search

from halfmap.kernels.protocol import Kernels
from halfmap.model.orientations import direction_pixels
from halfmap.model.particles import Poses
from halfmap.steps.batch import make_batch
from halfmap.steps.coarse_search import global_search, log_shift_prior
from halfmap.steps.expectation import Workspace
from halfmap.steps.prepare_images import prepare_images
from halfmap.steps.search_plan import SearchRules

from .small_unit import ASSUMED, N, data, global_search_of, run


def test_a_direction_of_prior_zero_is_never_taken(kernels: Kernels) -> None:
    pictures, those, angles, _ = data(GLOBAL)
    free, _ = run(pictures, those, global_search_of(those, kernels))
    known = model(density()[None], GLOBAL, ASSUMED)
    _, directions = direction_pixels(GLOBAL)
    # forbid the hemisphere of the first particle
    up = directions[:, 1] < 90.0
    forbidden = up if angles[0, 1] < 90.0 else ~up
    fraction = known.direction_fraction.copy()
    fraction[:, forbidden] = 0.0
    made = search(replace(known, direction_fraction=fraction), plan(those), kernels)

    found, sums = run(pictures, those, made)

    assert (free.angles_deg[0, 1] < 90.0) != (found.angles_deg[0, 1] < 90.0)
    assert (sums.directions[0, forbidden] == 0).all()
    assert (sums.directions[0, ~forbidden] > 0).any()


def test_the_offset_prior_is_a_gaussian_of_the_whole_offset_in_angstrom(kernels: Kernels) -> None:
    # RELION adds the applied shift in pixels to the searched one in ångström here
    known = replace(
        model(np.stack([density(), density()]), GLOBAL, ASSUMED),
        offset_sigma_A=6.0,
        offset_mean_A=np.array([[0.0, 0.0], [3.0, -1.0]]),
    )
    made = search(known, plan(particles(1)), kernels)
    applied = np.array([[2.0, -1.0]]) * PIXEL_A

    log_prior = log_shift_prior(applied, made)[0]

    offset = made.shifts.coarse_A + np.array([2 * PIXEL_A, -PIXEL_A])
    expected = [-0.5 * np.sum((offset - mean) ** 2, axis=1) / 36.0 for mean in known.offset_mean_A]
    # single precision, and differences of numbers of order 1
    np.testing.assert_allclose(log_prior - log_prior[0, 0], expected - expected[0][0], rtol=1e-5)
    assert np.exp(log_prior.astype(float)).mean() == pytest.approx(1.0, rel=1e-6)


def test_a_very_wide_offset_prior_is_flat(kernels: Kernels) -> None:
    made = search(model(density()[None], GLOBAL, ASSUMED), plan(particles(1)), kernels)

    # offsets of 10 Å against 1e5 Å
    np.testing.assert_allclose(log_shift_prior(np.array([[PIXEL_A, 0.0]]), made), 0.0, atol=1e-7)


def test_at_most_as_many_states_as_allowed_are_significant(kernels: Kernels) -> None:
    pictures, those, _, _ = data(GLOBAL, noise=3.0)
    noisy = model(density()[None], GLOBAL, 3.0)
    free = run(pictures, those, search(noisy, plan(those), kernels))[0].n_significant
    limit = int(free.max()) // 2

    rules = SearchRules(max_significant=limit)
    found, _ = run(pictures, those, search(noisy, plan(those, GLOBAL, rules), kernels))

    np.testing.assert_array_equal(found.n_significant, np.minimum(free, limit))


def test_no_more_states_than_allowed_are_searched_finely(kernels: Kernels) -> None:
    pictures, those, _, _ = data(GLOBAL, noise=3.0)
    rules = SearchRules(max_significant=4)
    made = search(model(density()[None], GLOBAL, 3.0), plan(those, GLOBAL, rules), kernels)
    batch = make_batch(pictures, np.arange(N), those, Poses.unknown(N), made)

    coarse = global_search(
        prepare_images(batch, those, made), batch.prior_deg, made, Workspace(made)
    )

    per_image = np.diff(coarse.samples.first_sample[coarse.samples.first_group])
    np.testing.assert_array_equal(per_image, coarse.n_significant)
    assert per_image.max() == 4


def test_of_a_broad_posterior_a_thousandth_is_left_out(kernels: Kernels) -> None:
    pictures, those, _, _ = data(GLOBAL, noise=6.0)
    made = search(model(density()[None], GLOBAL, 6.0), plan(those), kernels)

    found, _ = run(pictures, those, made)

    # many small states: the sum stops just above the fraction
    assert (found.max_probability < 0.3).all()
    assert (found.weight > 0.999).all()
    assert (found.weight < 0.9992).all()
