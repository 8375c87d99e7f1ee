"""--force_converge: the next iteration of a continued run is the last."""

from pathlib import Path

import numpy as np
import pytest

from halfmap.io.model_reading import read_model_star
from halfmap.io.mrc import read_map

from .tiny_project import BOX, Run, assert_one_message, assert_ran, refine

pytestmark = pytest.mark.usefixtures("tiny_project")

ON = ("refine", "--continue", "out/run_it001_optimiser.star", "--auto_iter_max", "9")


def test_the_next_iteration_joins_the_halves_at_nyquist(run: Run) -> None:
    assert_ran(run(refine(halves=True)))

    said = run([*ON, "--force_converge"])

    assert_ran(said)
    assert "converged" in said.out
    assert not Path("out/run_it002_optimiser.star").exists()
    halves = [read_map(f"out/run_half{h}_class001_unfil.mrc")[0] for h in (1, 2)]
    assert np.corrcoef(*(half.ravel() for half in halves))[0, 1] < 1.0
    _, header = read_model_star(Path("out/run_model.star"))
    assert header.current_size == BOX


def test_it_needs_a_run_to_go_on_from(run: Run) -> None:
    said = run(refine("--force_converge", halves=True))

    assert_one_message(said, 2, "--force_converge: found without --continue of an auto-refinement")
