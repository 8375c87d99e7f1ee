"""A unit that inserts slab by slab, where its whole grid would be too large."""

import numpy as np
import pytest
from small_search import GLOBAL, density, model, particles, plan, search

from halfmap.kernels.numba_cpu import accumulate_dense
from halfmap.kernels.protocol import Kernels
from halfmap.kernels.registry import make_kernels
from halfmap.model.padded_sphere import PaddedSphere
from halfmap.model.particles import Poses
from halfmap.model.sums import ExpectationSums
from halfmap.model.touched_voxels import balanced_planes, n_touched
from halfmap.steps import accumulate
from halfmap.steps.expectation import UnitResult, Workspace, run_unit
from halfmap.steps.random_start import drawn_poses, insert_as_drawn
from halfmap.steps.unit_grid import n_bytes_of_unit_grid

from .small_unit import ASSUMED, N, assert_same, data

SPHERE = PaddedSphere(r_max=64, padding=2.0)


def found_in(n_slabs: int, kernels: Kernels, noise: float = 0.3) -> list[ExpectationSums]:
    """Two units, so that what the first leaves behind would show."""
    pictures, those, _, _ = data(GLOBAL, noise)
    two = model(np.stack([density(), density(seed=8)]), GLOBAL, ASSUMED)
    made = search(two, plan(those), kernels)
    workspace, found = Workspace(made, n_slabs), []
    for rows in (np.arange(N), np.arange(2)):
        sums = made.zero_sums()
        run_unit(pictures[rows], rows, those, Poses.unknown(len(rows)), made, workspace)
        workspace.add_to(sums)
        found.append(sums)
    return found


def assert_equal(a: list[ExpectationSums], b: list[ExpectationSums]) -> None:
    nothing = UnitResult.empty(0, 1)
    for mine, other in zip(a, b, strict=True):
        assert_same((nothing, mine), (nothing, other))


@pytest.mark.parametrize("n_slabs", [2, 3, 1000])
def test_slabs_give_the_bits_of_the_whole_grid(n_slabs: int, kernels: Kernels) -> None:
    assert_equal(found_in(n_slabs, kernels), found_in(1, kernels))


def test_slabs_give_the_bits_of_the_whole_grid_where_slices_come_in_pieces(
    kernels: Kernels, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("halfmap.steps.fine_search.TABLE_BYTES", 2**14)
    monkeypatch.setattr(accumulate, "SLICE_BYTES", 2**14)

    assert_equal(found_in(3, kernels, noise=2.0), found_in(1, kernels, noise=2.0))


def test_slabs_give_the_bits_of_the_whole_grid_where_posteriors_are_flat(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(accumulate_dense, "SHIFTS_PER_HIT", 0)

    assert_equal(found_in(3, make_kernels("numba")), found_in(1, make_kernels("numba")))


def test_what_is_inserted_as_drawn_does_not_depend_on_the_slabs(kernels: Kernels) -> None:
    pictures, those, _, _ = data(GLOBAL)
    made = search(model(density()[None], GLOBAL, 1.0), plan(those), kernels)
    poses, found = drawn_poses(Poses.unknown(N), 1, seed=1, flat=False), []
    for n_slabs in (1, 4):
        workspace, sums = Workspace(made, n_slabs), made.zero_sums()
        insert_as_drawn(pictures, np.arange(N), those, poses, made, workspace)
        workspace.add_to(sums)
        found.append(sums)

    assert found[0].volume.any()
    assert_equal(found[:1], found[1:])


def test_a_plane_is_one_slab() -> None:
    assert balanced_planes(PaddedSphere(r_max=64, padding=2.0, flat=True), 8) == [slice(0, 1)]


def test_slabs_hold_about_as_many_voxels_each() -> None:
    slabs = balanced_planes(SPHERE, 8)

    assert (slabs[0].start, slabs[-1].stop) == (0, SPHERE.shape[0])
    assert [a.stop for a in slabs[:-1]] == [b.start for b in slabs[1:]]
    whole = n_bytes_of_unit_grid(SPHERE, 1)
    assert whole >= 12 * n_touched(SPHERE)
    # an eighth, one plane of 4 % of the voxels too many, and a margin on either side
    assert n_bytes_of_unit_grid(SPHERE, 1, 8) < whole * (1 / 8 + 3 * 0.012)


def test_the_memory_of_a_grid_is_what_is_foretold(kernels: Kernels) -> None:
    those = particles(2)
    made = search(model(density()[None], GLOBAL, 1.0), plan(those), kernels)

    for n_slabs in (1, 3):
        held = Workspace(made, n_slabs).grid.values.nbytes
        assert held == n_bytes_of_unit_grid(made.sphere, 1, n_slabs)
