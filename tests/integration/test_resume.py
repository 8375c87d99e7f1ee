"""``--resume``: the same command line can be submitted again, whatever became of the run."""

import os
import re
from pathlib import Path

import pytest

from .tiny_project import Run, assert_one_message, assert_ran, refine, results

pytestmark = pytest.mark.usefixtures("tiny_project")

LAST = 2
RUN = [*refine("--resume", halves=True)]
RUN[RUN.index("--auto_iter_max") + 1] = str(LAST)
MARKER = Path("out/run_finished.txt")


@pytest.fixture
def whole(run: Run) -> dict[str, bytes]:
    """The files of a run that nothing stopped; the folder is empty again."""
    assert_ran(run(RUN))
    found = results(Path("out"))
    Path("out").rename("whole")
    return found


def stop_after(iteration: int) -> None:
    """Leave a run as it is when it is killed after an iteration has been written."""
    MARKER.unlink()
    for file in Path("out").iterdir():
        number = re.match(r"run_it(\d+)_", file.name)
        if number and int(number[1]) > iteration:
            file.unlink()


def test_a_finished_run_leaves_a_marker_and_is_not_run_again(run: Run) -> None:
    assert_ran(run(RUN))
    assert MARKER.read_text().startswith(f"finished after iteration {LAST}")
    before = {file: file.stat().st_mtime_ns for file in Path("out").iterdir()}

    said = run(RUN)

    assert_ran(said)
    assert "has finished: nothing is left to do" in said.out
    assert {file: file.stat().st_mtime_ns for file in Path("out").iterdir()} == before


@pytest.mark.parametrize("iteration", [0, 1, 2])
def test_a_run_that_was_killed_goes_on_to_the_same_bytes(
    run: Run, whole: dict[str, bytes], iteration: int
) -> None:
    assert_ran(run(RUN))
    stop_after(iteration)

    said = run(RUN)

    assert_ran(said)
    assert f"goes on after iteration {iteration}" in said.out
    assert results(Path("out")) == whole


def test_what_was_half_written_is_replaced(run: Run, whole: dict[str, bytes]) -> None:
    assert_ran(run(RUN))
    stop_after(0)
    for name in ("run_it001_half1_class001.mrc", ".run_it001_data.star.part"):
        Path("out", name).write_bytes(b"half")

    assert_ran(run(RUN))
    assert results(Path("out")) == whole


@pytest.mark.parametrize("name", ["halfmap.h5", "half1_class001.mrc"])
def test_a_damaged_iteration_is_passed_over_and_said(
    run: Run, whole: dict[str, bytes], name: str
) -> None:
    assert_ran(run(RUN))
    stop_after(1)
    damaged = Path("out", f"run_it001_{name}")
    os.truncate(damaged, damaged.stat().st_size - 200)

    said = run(RUN)

    assert_ran(said)
    assert "iteration 1 is passed over" in said.out
    assert "goes on after iteration 0" in said.out
    assert results(Path("out")) == whole


def test_remains_of_a_start_are_replaced(run: Run, whole: dict[str, bytes]) -> None:
    Path("out").mkdir()
    for name in ("run_it000_half1_class001.mrc", "run_solvent_mask.mrc"):
        Path("out", name).write_bytes(b"half")

    assert_ran(run(RUN))
    assert results(Path("out")) == whole


def test_iterations_of_which_none_is_good_are_kept(run: Run) -> None:
    Path("out").mkdir()
    Path("out/run_it001_optimiser.star").write_text("not a run")

    said = run(RUN)

    assert said.code == 3
    assert "found 1 iterations of out/run, expected a good one" in said.err
    assert Path("out/run_it001_optimiser.star").read_text() == "not a run"


def test_more_iterations_can_be_asked_for_of_a_finished_run(run: Run) -> None:
    assert_ran(run(refine("--iter", "1", "--resume")))

    said = run(refine("--iter", "2", "--resume"))

    assert_ran(said)
    assert "goes on after iteration 1" in said.out
    assert MARKER.read_text().startswith("finished after iteration 2")


def test_an_option_that_is_fixed_stays_fixed(run: Run) -> None:
    assert_ran(run(refine("--resume")))
    stop_after(0)

    said = run(refine("--resume", "--sym", "C2"))

    assert said.code == 2
    assert "--sym: found C2, expected C1 as the run began" in said.err


def test_a_drawn_seed_is_kept_and_another_one_is_said_not_to_count(run: Run) -> None:
    words = ("--iter", "2", "--resume", "--random_seed")
    assert_ran(run(refine(*words, "-1")))
    before = results(Path("out"))
    stop_after(1)
    assert_ran(run(refine(*words, "-1")))
    assert results(Path("out")) == before
    stop_after(1)

    said = run(refine(*words, "3"))

    assert_ran(said)
    assert "--random_seed 3 does not count: the run began with" in said.out


@pytest.mark.parametrize(
    "other", [("--continue", "out/run_it000_optimiser.star"), ("--overwrite",)]
)
def test_it_decides_by_itself_where_to_begin(run: Run, other: tuple[str, ...]) -> None:
    said = run(refine("--resume", *other))

    assert_one_message(said, 2, f"--resume: found with {other[0]}, expected one of them")


def test_without_it_the_marker_of_an_old_run_does_not_stay(run: Run) -> None:
    assert_ran(run(refine()))
    assert MARKER.is_file()
    Path("particles/particles.mrcs").unlink()
    Path("out/run_it001_data.star").unlink()

    said = run(refine("--overwrite"))

    assert said.code == 3
    assert MARKER.is_file()  # the old run is as it was
