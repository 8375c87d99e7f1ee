"""One expectation, and nothing but the particle table."""

from pathlib import Path

import pytest

from halfmap.io.star import read_star

from .conftest import Launch
from .tiny_project import STACK, N, Run, assert_ran, refine, set_pixels

pytestmark = pytest.mark.usefixtures("tiny_project")


def table(path: str) -> bytes:
    """Return a particle table without the comments."""
    return b"".join(
        line for line in Path(path).read_bytes().splitlines(True) if not line.startswith(b"#")
    )


@pytest.mark.parametrize("halves", [False, True])
def test_the_poses_are_those_of_the_first_iteration_and_no_map_is_made(
    run: Run, halves: bool
) -> None:
    assert_ran(run(refine("--o", "whole/run", halves=halves)))

    said = run(refine("--skip_maximize", halves=halves))

    assert_ran(said)
    assert "the poses are in out/run_data.star" in said.out
    assert {file.name for file in Path("out").iterdir()} == {"run_data.star", "run_finished.txt"}
    assert table("out/run_data.star") == table("whole/run_it001_data.star")


def test_any_number_of_ranks_finds_the_same_poses(
    halfmap: Launch, tiny_project: Path, run: Run
) -> None:
    assert_ran(run(refine("--skip_maximize", "--o", "alone/run")))

    done = halfmap(tiny_project, *refine("--skip_maximize", "--o", "ranks/run"), ranks=3)

    assert done.returncode == 0, done.stderr
    assert table("ranks/run_data.star") == table("alone/run_data.star")


def test_a_run_goes_on_without_it_unless_it_is_given_again(run: Run) -> None:
    assert_ran(run(refine("--iter", "2")))
    goes_on = ["refine", "--continue", "out/run_it001_optimiser.star", "--overwrite"]

    assert_ran(run([*goes_on, "--skip_maximize", "--o", "poses/run"]))
    assert_ran(run([*goes_on, "--o", "maps/run"]))

    assert table("poses/run_data.star") == table("out/run_it002_data.star")
    assert Path("maps/run_it002_class001.mrc").exists()


def test_a_table_that_exists_is_not_replaced_unasked(run: Run) -> None:
    assert_ran(run(refine("--skip_maximize")))

    assert "already holds a run called 'run'" in run(refine("--skip_maximize")).err


def test_bad_images_are_listed_too(run: Run) -> None:
    set_pixels(STACK, N - 1, 0.0)

    said = run(refine("--skip_maximize"))

    assert_ran(said)
    assert "1 bad particle is left out" in said.out
    listed = read_star(Path("out/run_quarantine.star")).table("quarantine")
    assert len(listed["rlnImageName"]) == 1
