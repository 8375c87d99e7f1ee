"""``--fast_subsets`` in a whole run: those who are not drawn wait, unchanged."""

from pathlib import Path

import numpy as np
import pytest

from halfmap.io.star import read_star
from halfmap.steps import subsets

from .tiny_project import N, Run, assert_one_message, assert_ran, refine

pytestmark = pytest.mark.usefixtures("tiny_project")

FAST = ("--K", "2", "--fast_subsets", "--iter", "20", "--healpix_order", "0", "--maxsig", "20")


def column(iteration: int, label: str) -> np.ndarray:
    table = read_star(Path(f"out/run_it{iteration:03d}_data.star")).table("particles")
    return table[label].astype(float)


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subsets, "PER_CLASS", 3)


@pytest.mark.usefixtures("few")
def test_a_run_with_subsets_ends_with_all_particles(run: Run) -> None:
    said = run(refine(*FAST))

    assert_ran(said)
    seen = np.array([column(i, "rlnMaxValueProbDistribution") for i in range(1, 21)])
    classes = np.array([column(i, "rlnClassNumber") for i in range(1, 21)])
    new = np.diff(seen, axis=0, prepend=0.0) != 0.0
    # six of 24 in the first five iterations, then 18, then all
    assert np.count_nonzero(seen[0]) == 6
    assert (np.count_nonzero(new[:5], axis=1) <= 6).all()
    assert 6 < np.count_nonzero(new[5]) <= 18
    assert np.count_nonzero(new[15]) > 18
    assert (classes[0] == 0).sum() == N - 6  # nobody knows their class yet
    assert (classes[-1] > 0).all()


def test_too_few_iterations_for_subsets_are_refused(run: Run) -> None:
    said = run(refine("--K", "2", "--fast_subsets", "--iter", "19"))

    assert_one_message(said, 2, "--fast_subsets: found with an --iter below 20", "Raise --iter")


def test_subsets_are_refused_in_auto_refinement(run: Run) -> None:
    said = run(refine("--fast_subsets", halves=True))

    assert_one_message(said, 2, "--fast_subsets: found with --auto_refine", "Leave --fast_subsets")
