"""The finer pass: samples to be scored, their scores and weights, and the hits among them."""

import numpy as np
import pytest
from numpy import ndarray as Array

from halfmap.kernels.numba_cpu import fine_dense
from halfmap.kernels.protocol import Hits, Kernels, Samples, SliceTable, Spectra
from halfmap.kernels.registry import BACKENDS, make_kernels

from .small_problem import REFERENCE, both, fine_problem, hits_of


def test_samples_are_the_same(kernels: Kernels, rng: np.random.Generator) -> None:
    weights = rng.uniform(size=(3, 5, 40)).astype(np.float32)
    weights[1] = 0.0
    smallest = np.array([0.9, 0.0, 0.99], np.float32)

    found = kernels.list_samples(weights, smallest)

    for mine, expected in zip(found, REFERENCE.list_samples(weights, smallest), strict=True):
        np.testing.assert_array_equal(mine, expected)


@pytest.mark.parametrize("name", BACKENDS)
def test_samples_name_the_states_that_reach_the_threshold(name: str) -> None:
    weights = np.zeros((1, 2, 3), np.float32)
    weights[0, 0, 2], weights[0, 1, 2], weights[0, 1, 0] = 1.0, 0.5, 0.5

    listed = make_kernels(name).list_samples(weights, np.array([0.5], np.float32))

    assert listed.orientation.tolist() == [0, 2]
    assert listed.first_sample.tolist() == [0, 1, 3]
    assert listed.shift.tolist() == [1, 0, 1]


@pytest.fixture(params=[0.0, 2.0], ids=["whole products", "one by one"])
def _either_way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fine_dense, "SHARE", request.param)


@pytest.mark.usefixtures("_either_way")
def test_fine_scores_agree_in_tables_of_any_part(
    kernels: Kernels, spectra: Spectra, ramps: Array, samples: Samples, slices: Array
) -> None:
    slot = np.array([0, 1, 0])

    def score(k: Kernels, out: Array) -> None:
        for first in (0, 1):
            table = SliceTable(slices.reshape(3, 8, -1)[first : first + 1], first, slot)
            k.fine_scores(spectra, ramps, samples, table, out)

    both(kernels, score, (6, 8, 4))


@pytest.mark.parametrize(("children", "shifts"), [(1, 1), (8, 4), (64, 16), (5, 6)])
def test_fine_scores_agree_for_any_oversampling(
    kernels: Kernels, rng: np.random.Generator, children: int, shifts: int
) -> None:
    width = 32
    image = rng.normal(size=(1, width)).astype(np.float32)
    one = Spectra(image, image, *rng.uniform(size=(2, 1, width // 2)).astype(np.float32))
    copies = rng.normal(size=(2, shifts, width)).astype(np.float32)
    listed = Samples(*(np.array(v) for v in ([0, 1], [0], [0, 2])), np.array([0, 1], np.int32))
    cut = rng.normal(size=(1, children, width)).astype(np.float32)

    both(
        kernels,
        lambda k, out: k.fine_scores(
            one, copies, listed, SliceTable(cut, 0, np.zeros(1, np.int64)), out
        ),
        (2, children, shifts),
    )


def test_fine_weights_agree(kernels: Kernels, samples: Samples, rng: np.random.Generator) -> None:
    scores, orientation, shift = fine_problem(rng)
    expected = scores.copy()

    found = kernels.weigh_fine(scores, samples, orientation, shift)
    wanted = REFERENCE.weigh_fine(expected, samples, orientation, shift)

    # as coarse weights do (test_weigh.py)
    np.testing.assert_allclose(scores, expected, rtol=2e-5, atol=1e-30)
    np.testing.assert_allclose(found[0][[0, 2]], wanted[0][[0, 2]], rtol=1e-6)
    np.testing.assert_allclose(found[1], wanted[1], rtol=1e-5)


def test_hits_are_the_same(kernels: Kernels, samples: Samples) -> None:
    found, best = hits_of(kernels, samples, np.random.default_rng(5))
    expected, expected_best = hits_of(REFERENCE, samples, np.random.default_rng(5))

    np.testing.assert_array_equal(best, expected_best)
    for name in Hits._fields[:-1]:
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name))
    np.testing.assert_allclose(found.posterior, expected.posterior, rtol=1e-6)


@pytest.mark.parametrize("name", BACKENDS)
def test_of_equal_states_the_first_is_the_best(name: str, samples: Samples) -> None:
    weights = np.zeros((6, 8, 4), np.float32)
    weights[1, 2, 3] = weights[2, 0, 0] = weights[4, 1, 1] = 1.0

    _, best = make_kernels(name).list_hits(weights, samples, np.ones(3, np.float32), np.ones(3))

    assert best.tolist() == [1 * 32 + 2 * 4 + 3, -1, 4 * 32 + 1 * 4 + 1]


def test_moments_agree(kernels: Kernels, samples: Samples, rng: np.random.Generator) -> None:
    hits, _ = hits_of(REFERENCE, samples, np.random.default_rng(5))
    offsets = rng.normal(size=(20, 2))

    found = kernels.moments(hits, offsets)

    # sums of a few doubles of order one
    np.testing.assert_allclose(found, REFERENCE.moments(hits, offsets), atol=1e-14)
    x, y = offsets[hits.shift[hits.first_shift[0] : hits.end_shift[0]]].T
    p = hits.posterior[hits.first_shift[0] : hits.end_shift[0]].astype(float)
    expected = [p.sum(), (p * x).sum(), (p * y).sum(), (p * (x**2 + y**2)).sum()]
    np.testing.assert_allclose(found[0], expected)


def test_whole_products_are_taken_where_most_states_of_the_table_are_asked_for(
    samples: Samples, slices: Array
) -> None:
    # 6 of 3 images x 2 slots x 5 shifts; the table of the first slot is asked for 5 of 15
    both_slots = SliceTable(slices.reshape(3, 8, -1)[:2], 0, np.array([0, 1, 0]))
    first_slot = SliceTable(slices.reshape(3, 8, -1)[:1], 0, np.array([0, 1, 0]))

    assert fine_dense.share_of_table(samples, both_slots, 5) == pytest.approx(6 / 30)
    assert fine_dense.share_of_table(samples, first_slot, 5) == pytest.approx(5 / 15)
