"""Images with more fine states than memory has room for."""

from dataclasses import replace

import numpy as np
import pytest
from small_search import GLOBAL, density, images, model, particles, plan, poses_at, search

from halfmap.kernels.registry import make_kernels
from halfmap.model.sampling import Sampling
from halfmap.steps import expectation, fine_search
from halfmap.steps.expectation import UnitResult, Workspace, run_unit

N = 4
TRUTH = np.random.default_rng(5).uniform([-180, 0, -180], [180, 180, 180], (N, 3))
FINE = replace(GLOBAL, oversampling=2)
"""1,024 fine states below each coarse one."""


def found_with(
    limit_bytes: int, noise: float, monkeypatch: pytest.MonkeyPatch, sampling: Sampling = FINE
) -> tuple[UnitResult, np.ndarray, int]:
    """Run with so much room; return the rows, the weights summed, and the most that was held."""
    monkeypatch.setattr(expectation, "FINE_BYTES", limit_bytes)
    held = []
    posterior = fine_search._posterior

    def watched(weights, *rest):
        held.append(weights.nbytes)
        return posterior(weights, *rest)

    monkeypatch.setattr(fine_search, "_posterior", watched)
    those = particles(N)
    pictures = images(density(), those, TRUTH, np.zeros((N, 2)), noise=2.0)
    made = search(model(density()[None], sampling, noise), plan(those, sampling), make_kernels())
    workspace, sums = Workspace(made), made.zero_sums()
    poses = poses_at(TRUTH, np.zeros((N, 2)))
    rows = run_unit(pictures, np.arange(N), those, poses, made, workspace)
    workspace.add_to(sums)
    return rows, sums.volume[0].astype(float), max(held)


@pytest.mark.parametrize("noise", [3.0, 12.0])
def test_with_little_memory_the_result_is_the_same(
    noise: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    usual, volume, most = found_with(2**40, noise, monkeypatch)
    little, same_volume, less = found_with(4096 * 8, noise, monkeypatch)

    assert less < most / 2
    np.testing.assert_array_equal(little.angles_deg, usual.angles_deg)
    np.testing.assert_array_equal(little.offset_A, usual.offset_A)
    np.testing.assert_array_equal(little.n_significant, usual.n_significant)
    # shifts are compared in other groups, so sums of products round differently
    np.testing.assert_allclose(little.max_probability, usual.max_probability, rtol=1e-4)
    np.testing.assert_allclose(little.log_likelihood, usual.log_likelihood, atol=1e-3)
    np.testing.assert_allclose(little.weight, usual.weight, atol=1e-4)
    difference = np.linalg.norm(same_volume - volume)
    assert difference < 1e-3 * np.linalg.norm(volume)


def test_what_is_left_out_still_counts_in_the_sum(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("halfmap.steps.pruning.HOPELESS", 1.0)
    usual, _, _ = found_with(2**40, 12.0, monkeypatch)
    little, _, _ = found_with(4096 * 8, 12.0, monkeypatch)

    # states of a third of the best are gone, but their probability is not
    np.testing.assert_allclose(little.max_probability, usual.max_probability, rtol=1e-4)
    assert (little.weight < usual.weight - 0.01).any()
