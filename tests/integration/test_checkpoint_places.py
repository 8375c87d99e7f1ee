"""Where checkpoints are written, and what happens where they cannot be."""

import os
import shutil
import signal
from pathlib import Path

import pytest

from halfmap.engine.summing import Summing
from halfmap.io import parts
from halfmap.parallel.units import Unit
from halfmap.steps.expectation import UnitResult

from .tiny_project import STACK, Run, assert_one_message, refine

STOPPED = 75
NOT_TAKEN = "found sums of another state of the run"


@pytest.fixture
def stopped_after_the_first_unit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Send this process a signal when a unit is summed."""
    compute, done = Summing.compute, []

    def counted(self: Summing, unit: Unit) -> UnitResult:
        result = compute(self, unit)
        done.append(unit)
        if len(done) == 1:
            os.kill(os.getpid(), signal.SIGUSR1)
        return result

    monkeypatch.setattr(Summing, "compute", counted)


@pytest.mark.usefixtures("tiny_project", "stopped_after_the_first_unit")
def test_a_stopped_run_says_how_to_go_on(run: Run) -> None:
    said = run(refine("--verb", "0"))

    assert said.code == STOPPED
    assert said.err == (
        "halfmap: stopped by SIGUSR1 in iteration 1. What was computed of it is in out/run_parts. "
        "Go on, on any number of ranks, with\n"
        "  halfmap refine --continue out/run_it000_optimiser.star\n"
    )


@pytest.mark.usefixtures("tiny_project", "stopped_after_the_first_unit")
def test_checkpoints_can_stand_elsewhere(run: Run) -> None:
    Path("fast").mkdir()
    assert run(refine("--verb", "0", "--checkpoint_dir", "fast")).code == STOPPED

    (folder,) = Path("fast").iterdir()

    assert folder.name.startswith("run_parts_")
    assert folder.stat().st_mode & 0o777 == 0o700
    assert len(list(folder.glob("half1_*_sums.h5"))) == 1
    assert not Path("out/run_parts").exists()
    assert run(["refine", "--continue", "out/run_it000_optimiser.star", "--verb", "0"]).code == 0
    assert list(Path("fast").iterdir()) == []


@pytest.mark.usefixtures("tiny_project")
def test_a_folder_for_checkpoints_that_is_not_there_is_asked_for(run: Run) -> None:
    said = run(refine("--checkpoint_dir", "nowhere"))

    assert_one_message(said, 3, "--checkpoint_dir nowhere: found no such folder", "Create it")


@pytest.mark.usefixtures("tiny_project", "stopped_after_the_first_unit")
def test_a_full_disc_costs_the_checkpoint_and_not_the_run(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parts, "free_bytes", lambda _: 1000)
    said = run(refine("--verb", "0"))

    assert said.code == STOPPED  # as it was told to
    assert said.err.startswith("halfmap: warning: the run goes on without a checkpoint: ")
    assert "out/run_parts" in said.err
    assert "The disc is full" in said.err
    assert list(Path("out/run_parts").iterdir()) == []


def taken_up(run: Run, *words: str) -> str:
    """Go on after iteration 0 and return what is said."""
    words = ("--continue", "out/run_it000_optimiser.star", "--verb", "1", *words)
    return run(["refine", *words]).out


@pytest.mark.usefixtures("tiny_project", "stopped_after_the_first_unit")
def test_the_parts_of_the_same_state_are_taken(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run(refine("--verb", "0")).code == STOPPED
    counted: list[int] = []
    compute = Summing.compute
    monkeypatch.setattr(
        Summing, "compute", lambda self, unit: (counted.append(unit.number), compute(self, unit))[1]
    )

    said = taken_up(run)

    assert NOT_TAKEN not in said
    assert 0 < len(counted) < 3  # of three units


@pytest.mark.usefixtures("tiny_project", "stopped_after_the_first_unit")
def test_the_parts_of_another_version_are_left_alone(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run(refine("--verb", "0")).code == STOPPED
    monkeypatch.setattr("halfmap.__version__", "9.9.9")

    assert NOT_TAKEN in taken_up(run)


@pytest.mark.usefixtures("tiny_project", "stopped_after_the_first_unit")
def test_the_parts_of_other_images_are_left_alone(run: Run) -> None:
    assert run(refine("--verb", "0")).code == STOPPED
    os.utime(STACK, (1, 1))

    assert NOT_TAKEN in taken_up(run)


@pytest.mark.usefixtures("tiny_project", "stopped_after_the_first_unit")
@pytest.mark.parametrize(
    "option",
    [("--offset_range", "4"), ("--healpix_order", "1"), ("--offset_step", "1")],
)
def test_the_parts_of_other_options_are_left_alone(run: Run, option: tuple[str, str]) -> None:
    assert run(refine("--verb", "0")).code == STOPPED

    said = taken_up(run, *option)

    assert NOT_TAKEN in said


@pytest.mark.usefixtures("tiny_project", "stopped_after_the_first_unit")
def test_the_parts_of_another_run_are_left_alone(run: Run) -> None:
    words = ("--o", "other/run", "--random_seed", "6")
    assert run(refine("--verb", "0", *words)).code == STOPPED
    assert run(refine("--verb", "0")).code == 0  # the accident has happened
    shutil.copytree("other/run_parts", "out/run_parts")

    said = taken_up(run, "--overwrite")

    assert NOT_TAKEN in said
    assert not Path("out/run_parts").exists()


@pytest.mark.usefixtures("tiny_project", "stopped_after_the_first_unit")
def test_a_search_that_makes_no_map_goes_on_too(run: Run) -> None:
    said = run(refine("--skip_maximize", "--verb", "0"))
    assert said.code == STOPPED
    assert said.err.endswith("Go on, on any number of ranks, by the same command\n")

    assert run(refine("--skip_maximize", "--verb", "0")).code == 0

    assert {file.name for file in Path("out").iterdir()} == {"run_data.star", "run_finished.txt"}
