"""Poses that a unit finds, by a global or a local search, in one pass or two."""

from dataclasses import replace

import numpy as np
from small_search import GLOBAL, LOCAL, PIXEL_A, density, images, model, plan, poses_at, search

from halfmap.kernels.protocol import Kernels
from halfmap.model.rotations import euler_angles, euler_matrices

from .small_unit import (
    ASSUMED,
    EXHAUSTIVE,
    NOISE,
    N,
    data,
    distance_deg,
    exhaustive_search_of,
    global_search_of,
    run,
)


def test_the_pose_of_an_image_of_the_map_is_found(kernels: Kernels) -> None:
    pictures, those, angles, offsets = data(GLOBAL)

    found, _ = run(pictures, those, global_search_of(those, kernels))

    assert distance_deg(found, angles).max() < 1e-5
    np.testing.assert_allclose(found.offset_A, offsets, atol=1e-9)
    # far more than an even share of the 32 children of one coarse state
    assert (found.max_probability > 0.3).all()
    assert (found.fault == 0).all()


def test_a_local_search_finds_the_pose_near_the_last_one(kernels: Kernels) -> None:
    pictures, those, angles, offsets = data(replace(LOCAL, offset_range_A=4.0))
    made = search(model(density()[None], LOCAL, ASSUMED), plan(those, LOCAL), kernels)
    # the last offset is a whole pixel away: the search is centred there
    last = np.tile([PIXEL_A, 0.0], (N, 1))

    found, _ = run(pictures, those, made, poses_at(angles + np.array([5.0, -4.0, 6.0]), last))

    assert distance_deg(found, angles).max() < 1e-5
    np.testing.assert_allclose(found.offset_A, offsets, atol=1e-9)


def test_without_oversampling_the_coarse_states_are_the_answer(kernels: Kernels) -> None:
    pictures, those, angles, offsets = data(EXHAUSTIVE)
    made = exhaustive_search_of(those, kernels)

    found, sums = run(pictures, those, made)

    assert distance_deg(found, angles).max() < 1e-5
    np.testing.assert_allclose(found.offset_A, offsets, atol=1e-9)
    assert sums.volume.any()


def test_of_two_maps_each_image_takes_its_own(kernels: Kernels) -> None:
    other = density(seed=8)
    pictures, those, angles, offsets = data(GLOBAL)
    pictures[::2] = images(other, those, angles, offsets, NOISE)[::2]
    known = model(np.stack([density(), other]), GLOBAL, ASSUMED)

    found, sums = run(pictures, those, search(known, plan(those), kernels))

    assert found.class_index.tolist() == [1, 0] * 3
    # posteriors in single precision
    np.testing.assert_allclose(found.class_weight.sum(axis=1), found.weight, rtol=1e-6)
    assert sums.volume.any(axis=(1, 2)).all()
    assert distance_deg(found, angles).max() < 1e-5


def test_a_perturbed_grid_gives_perturbed_poses(kernels: Kernels) -> None:
    pictures, those, _, _ = data(GLOBAL)
    moved = replace(GLOBAL, perturbation=0.3)
    made = search(model(density()[None], moved, ASSUMED), plan(those, moved), kernels)

    found, _ = run(pictures, those, made)

    turn = euler_matrices(np.full(3, 0.3 * 30.0))
    grid_angles = euler_angles(euler_matrices(found.angles_deg) @ turn.T)
    psi = grid_angles[:, 2] / 15.0 - 0.5  # children lie half a fine step from multiples of it
    np.testing.assert_allclose(psi, np.rint(psi), atol=1e-6)
    on_grid = (found.offset_A - 0.3 * 4.0) / 2.0 - 0.5
    np.testing.assert_allclose(on_grid, np.rint(on_grid), atol=1e-9)
