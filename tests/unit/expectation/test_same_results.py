"""A unit gives the same whatever else its workspace, thread or backend does."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields

import numpy as np
import pytest
from small_search import GLOBAL, LOCAL, density, model, particles, plan, poses_at, search

from halfmap.kernels.protocol import Kernels
from halfmap.kernels.registry import make_kernels
from halfmap.model.sampling import Sampling
from halfmap.model.sums import ExpectationSums
from halfmap.steps import accumulate, expectation, fine_search
from halfmap.steps.expectation import UnitResult, Workspace, run_unit

from .small_unit import N, assert_same, data, global_search_of, relative_difference, run


@pytest.mark.parametrize("sampling", [GLOBAL, LOCAL], ids=["global", "local"])
def test_the_compiled_unit_agrees_with_the_numpy_one(kernels: Kernels, sampling: Sampling) -> None:
    pictures, those, angles, _ = data(sampling, noise=1.0)
    known, planned = model(density()[None], sampling, 1.0), plan(those, sampling)
    poses = poses_at(angles + 3.0, np.zeros((N, 2)))

    found, sums = run(pictures, those, search(known, planned, kernels), poses)
    wanted, expected = run(
        pictures, those, search(known, planned, make_kernels("reference")), poses
    )

    np.testing.assert_array_equal(found.angles_deg, wanted.angles_deg)
    np.testing.assert_array_equal(found.offset_A, wanted.offset_A)
    # scores are sums, of order 1000, of 100 products in single precision
    np.testing.assert_allclose(found.max_probability, wanted.max_probability, atol=1e-3)
    np.testing.assert_allclose(found.log_likelihood, wanted.log_likelihood, atol=5e-3)
    np.testing.assert_allclose(found.norm, wanted.norm, rtol=1e-5)  # mixed by those posteriors
    assert np.abs(found.n_significant - wanted.n_significant).max() <= 1
    for mine, other in zip(sums.arrays(), expected.arrays(), strict=True):
        assert relative_difference(mine, other) < 2e-4


@pytest.mark.parametrize("sampling", [GLOBAL, LOCAL], ids=["global", "local"])
def test_a_unit_has_the_same_bits_in_a_used_workspace_and_in_any_order(
    kernels: Kernels, sampling: Sampling
) -> None:
    pictures, those, angles, _ = data(sampling, noise=1.0, those=particles(18))
    made = search(model(density()[None], sampling, 1.0), plan(those, sampling), kernels)
    poses = poses_at(angles + 3.0, np.zeros((18, 2)))
    units = [np.arange(first, last) for first, last in ((0, 7), (7, 8), (8, 18))]

    def all_units(order: list[int]) -> tuple[UnitResult, ExpectationSums]:
        workspace, sums = Workspace(made), made.zero_sums()
        rows = UnitResult.empty(18, 1)
        for u in order:
            unit = units[u]
            found = run_unit(pictures[unit], unit, those, poses[unit], made, workspace)
            workspace.add_to(sums)
            for field in fields(UnitResult):
                getattr(rows, field.name)[unit] = getattr(found, field.name)
        return rows, sums

    assert_same(all_units([0, 1, 2]), all_units([2, 0, 1]))


def test_two_threads_give_the_bits_of_one(kernels: Kernels) -> None:
    pictures, those, _, _ = data(GLOBAL, noise=1.0, those=particles(16))
    made = global_search_of(those, kernels)
    alone = run(pictures, those, made)

    with ThreadPoolExecutor(2) as threads:
        together = list(threads.map(lambda _: run(pictures, those, made), range(8)))

    for one in together:
        assert_same(one, alone)


def test_a_unit_larger_than_a_batch_gives_every_particle_its_own_result(
    kernels: Kernels, monkeypatch: pytest.MonkeyPatch
) -> None:
    pictures, those, _, _ = data(GLOBAL)
    made = global_search_of(those, kernels)
    whole, sums = run(pictures, those, made)
    monkeypatch.setattr(expectation, "COARSE_BYTES", 4 * 576 * 5 * 4)  # four particles

    found, pieces = run(pictures, those, made)

    np.testing.assert_array_equal(found.angles_deg, whole.angles_deg)
    np.testing.assert_array_equal(found.offset_A, whole.offset_A)
    np.testing.assert_allclose(found.log_likelihood, whole.log_likelihood, rtol=1e-6)
    assert relative_difference(pieces.volume, sums.volume) < 1e-4


def test_batches_of_fine_scores_keep_every_particle_once(
    kernels: Kernels, monkeypatch: pytest.MonkeyPatch
) -> None:
    pictures, those, _, _ = data(GLOBAL, noise=3.0)
    made = search(model(density()[None], GLOBAL, 3.0), plan(those), kernels)
    whole, sums = run(pictures, those, made)
    # 8 x 4 fine states of 4 bytes each: room for 40 samples, or one particle that has more
    monkeypatch.setattr(expectation, "FINE_BYTES", 128 * 40)
    monkeypatch.setattr(fine_search, "TABLE_BYTES", 1)
    monkeypatch.setattr(accumulate, "SLICE_BYTES", 4 * made.disc.width * 3)

    found, pieces = run(pictures, those, made)

    np.testing.assert_array_equal(found.angles_deg, whole.angles_deg)
    np.testing.assert_array_equal(found.max_probability, whole.max_probability)
    for mine, other in zip(pieces.arrays(), sums.arrays(), strict=True):
        # the order of additions in single precision differs
        assert relative_difference(mine, other) < 1e-5
