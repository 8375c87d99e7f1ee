"""Particles that cannot be used: they are reported and add nothing, or stop the run."""

from dataclasses import replace

import numpy as np
import pytest
from small_search import BOX, GLOBAL, PIXEL_A, density, model, plan, poses_at, search

from halfmap.errors import DataError
from halfmap.kernels.protocol import Kernels
from halfmap.model.particles import Poses
from halfmap.steps.expectation import Workspace, run_unit

from .small_unit import ASSUMED, N, data, global_search_of, relative_difference, run


@pytest.mark.parametrize(("value", "code"), [(np.nan, 1), (np.inf, 1), (7.0, 2)])
def test_a_bad_image_is_reported_and_adds_nothing(
    kernels: Kernels, value: float, code: int
) -> None:
    pictures, those, _, _ = data(GLOBAL)
    made = global_search_of(those, kernels)
    spoilt = pictures.copy()
    spoilt[2, 3, 4] = value
    if np.isfinite(value):
        spoilt[2] = value
    rest = np.delete(np.arange(N), 2)

    found, sums = run(spoilt, those, made)
    workspace, expected = Workspace(made), made.zero_sums()
    run_unit(pictures[rest], rest, those, Poses.unknown(N)[rest], made, workspace)
    workspace.add_to(expected)

    assert found.fault.tolist() == [0, 0, code, 0, 0, 0]
    assert found.weight[2] == 0.0
    for mine, other in zip(sums.arrays(), expected.arrays(), strict=True):
        np.testing.assert_array_equal(mine, other)


def test_a_unit_of_bad_images_only_adds_nothing(kernels: Kernels) -> None:
    _, those, _, _ = data(GLOBAL)

    found, sums = run(np.zeros((N, BOX, BOX), np.float32), those, global_search_of(those, kernels))

    assert (found.fault == 2).all()
    assert not any(array.any() for array in sums.arrays())


def test_a_particle_without_any_possible_state_is_reported_and_adds_nothing(
    kernels: Kernels,
) -> None:
    pictures, those, _, _ = data(GLOBAL)
    # an offset prior of no width, at zero: a particle whose offset is out of reach has no state
    known = replace(model(density()[None], GLOBAL, ASSUMED), offset_sigma_A=0.0)
    made = search(known, plan(those), kernels)
    offsets = np.zeros((N, 2))
    offsets[2, 0] = 10 * PIXEL_A
    offsets[3, 1] = PIXEL_A
    rest = np.delete(np.arange(N), 2)

    found, sums = run(pictures, those, made, poses_at(np.zeros((N, 3)), offsets))
    workspace, expected = Workspace(made), made.zero_sums()
    poses = poses_at(np.zeros((N, 3)), offsets)[rest]
    alone = run_unit(pictures[rest], rest, those, poses, made, workspace)
    workspace.add_to(expected)

    assert found.fault.tolist() == [0, 0, 3, 0, 0, 0]
    assert found.weight[2] == 0.0
    np.testing.assert_array_equal(found.offset_A[rest], alone.offset_A)
    np.testing.assert_array_equal(found.angles_deg[rest], alone.angles_deg)
    assert (np.abs(found.offset_A[rest]) <= 1.0).all()  # children of no shift at all
    for mine, other in zip(sums.arrays(), expected.arrays(), strict=True):
        # the matrix products of six particles round differently from those of five
        assert relative_difference(mine, other) < 1e-4


def test_images_far_above_the_noise_stop_the_run_before_integers_overflow(
    kernels: Kernels,
) -> None:
    pictures, those, _, _ = data(GLOBAL)
    made = global_search_of(those, kernels)
    workspace = Workspace(made)
    run_unit(1e12 * pictures, np.arange(N), those, Poses.unknown(N), made, workspace)

    with pytest.raises(DataError, match=r"too large for exact arithmetic.*--normalise"):
        workspace.add_to(made.zero_sums())
