"""Options of the automatic refinement reach the rules that decide, in whole runs.

Left alone, four iterations of this data set stay at order 0 and global: the poses still move.
"""

from pathlib import Path

import pytest

from halfmap.io.model_reading import read_model_star
from halfmap.io.sampling_star import read_sampling_star

from .tiny_project import Run, assert_ran, refine

pytestmark = pytest.mark.usefixtures("tiny_project")

Iteration = tuple[int, float | None]


def iterations(run: Run, *words: str) -> list[Iteration]:
    """Refine; return the HEALPix order and the width of the prior on rot of each iteration."""
    usual = ("--auto_refine", "--split_random_halves", "--auto_iter_max", "4")
    assert_ran(run(refine(*usual, "--verb", "0", *words)))
    found: list[Iteration] = []
    for iteration in range(1, 5):
        root = f"out/run_it{iteration:03d}"
        if not Path(f"{root}_sampling.star").exists():
            break  # it has converged
        sampling = read_sampling_star(Path(f"{root}_sampling.star")).sampling
        _, header = read_model_star(Path(f"{root}_half1_model.star"))
        sigma = header.prior_sigma_deg
        found.append((sampling.healpix_order, None if sigma is None else sigma[0]))
    return found


def test_left_alone_the_search_stays_as_it_is(run: Run) -> None:
    assert iterations(run) == [(0, None)] * 4


def test_a_refinement_ends_at_its_last_iteration_though_it_has_not_converged(run: Run) -> None:
    words = ("--auto_refine", "--split_random_halves", "--auto_iter_max", "2", "--verb", "0")

    assert_ran(run(refine(*words)))

    made = sorted(path.name for path in Path("out").glob("run_it*_optimiser.star"))
    assert made == [f"run_it{iteration:03d}_optimiser.star" for iteration in range(3)]


def test_steps_get_finer_without_waiting_for_the_poses(run: Run) -> None:
    orders = [order for order, _ in iterations(run, "--auto_ignore_angles")]

    assert orders[-1] > 0


def test_they_do_so_earlier_where_the_resolution_needs_it(run: Run) -> None:
    orders = [order for order, _ in iterations(run, "--auto_ignore_angles", "--auto_resol_angles")]

    assert orders[:2] == [0, 1]


def test_searches_become_local_from_the_order_that_was_said(run: Run) -> None:
    found = iterations(run, "--auto_ignore_angles", "--auto_local_healpix_order", "1")

    # twice the step of the second pass: 60° / 2^order / 2
    assert (1, 30.0) in found
    assert all((sigma is None) == (order == 0) for order, sigma in found)
