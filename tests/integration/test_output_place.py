"""The place for the output: free, writable, large enough; and what is left when it is not.

One process; that an error ends all ranks is shown in ``test_errors_on_ranks.py``.
"""

import contextlib
import gc
import os
import resource
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from halfmap.engine.job import Job
from halfmap.engine.state import State
from halfmap.engine.telling.progress import report_iteration

from .tiny_project import STACK, Run, Said, assert_one_message, assert_ran, refine, set_pixels

pytestmark = pytest.mark.usefixtures("tiny_project")


def test_an_output_that_exists_is_kept(run: Run) -> None:
    Path("other").mkdir()
    old = Path("other/run_it003_data.star")
    old.write_text("old")

    said = run(refine("--o", "other/run"))

    assert_one_message(said, 3, "other already holds a run called 'run': run_it003", "--overwrite")
    assert old.read_text() == "old"


def test_overwrite_leaves_nothing_of_a_longer_run(run: Run) -> None:
    Path("out").mkdir()
    old = ("it003_data.star", "it003_half1_class001.mrc", "class001.mrc", "half1_model.star")
    for name in (*old, "quarantine.star", "timing.csv"):
        Path(f"out/run_{name}").write_text("old")
    Path("out/other_it003_data.star").write_text("old")

    assert_ran(run(refine("--overwrite")))

    kept = [file.name for file in Path("out").iterdir() if file.read_bytes() == b"old"]
    assert kept == ["other_it003_data.star"]
    assert not Path("out/run_quarantine.star").exists()


def test_overwrite_keeps_the_old_run_when_the_new_one_cannot_start(run: Run) -> None:
    Path("other").mkdir()
    old = Path("other/run_it003_data.star")
    old.write_text("old")
    set_pixels(STACK, slice(None), np.nan)

    assert_one_message(run(refine("--o", "other/run", "--overwrite")), 3, "no good particle")
    assert old.read_text() == "old"


@pytest.mark.parametrize("root", ["file/run", "file/more/run"])
def test_a_file_in_place_of_the_folder_is_named(run: Run, root: str) -> None:
    Path("file").touch()

    said = run(refine("--o", root))

    assert_one_message(said, 3, "file is a file; expected a folder for the output. Change --o")


def test_a_folder_in_a_folder_that_does_not_exist_is_not_made(run: Run) -> None:
    assert_one_message(run(refine("--o", "a/b/run")), 3, "a/b does not exist, nor does a")


def test_what_a_run_has_written_is_not_overwritten_by_the_next(run: Run) -> None:
    assert_ran(run(refine("--o", "twice/run")))

    said = run(refine("--o", "twice/run"))

    assert_one_message(said, 3, "twice already holds a run called 'run'")


# --- discs that end, stacks that shrink


@pytest.fixture
def mount(tiny_project: Path) -> Iterator[Callable[[str], Path]]:
    """``mount("size=2m")``: a small file system of its own, gone afterwards."""
    folder = tiny_project / "disc"
    folder.mkdir()

    def call(options: str) -> Path:
        command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
        if shutil.which("mount") is None or subprocess.run(command, capture_output=True).returncode:
            pytest.skip("a file system cannot be mounted here: root may, in most places")
        return folder

    yield call
    if folder.is_mount():
        subprocess.run(["umount", str(folder)], check=True)


def after_iteration(monkeypatch: pytest.MonkeyPatch, number: int, do: Callable[[], None]) -> None:
    """Do something when an iteration has been written."""

    def report(job: Job, state: State, *rest: Any) -> None:
        report_iteration(job, state, *rest)
        if state.schedule.iteration == number:
            do()

    monkeypatch.setattr("halfmap.engine.refine.report_iteration", report)


def assert_whole_after_1(said: Said, *phrases: str) -> None:
    """Assert that a run stopped in iteration 2 and left no part of a file."""
    gc.collect()  # now, not in another test: mrcfile keeps a file open that could not be flushed
    assert said.code == 3, said.err
    for phrase in phrases:
        assert phrase in said.err
    assert said.err.count("halfmap:") == 1
    assert "Traceback" not in said.err
    assert Path("disc/run_it001_optimiser.star").is_file()
    assert not Path("disc/run_it002_optimiser.star").exists()
    assert not list(Path("disc").glob(".*"))


def test_a_folder_that_is_read_only_is_named(run: Run, mount: Callable) -> None:
    mount("ro")

    said = run(refine("--o", "disc/run"))

    assert_one_message(said, 3, "Nothing can be written to", "disc. Change its permissions")


def test_a_disc_that_is_too_small_is_noticed_before_the_run(run: Run, mount: Callable) -> None:
    folder = mount("size=2m")

    said = run(refine("--o", "disc/run"))

    assert_one_message(said, 3, "disc has 2.0 MiB left; the run needs about", "Free some space")
    assert not list(folder.iterdir())


@pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")
def test_a_disc_that_fills_up_leaves_no_part_of_a_file(
    run: Run, mount: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = mount("size=8m")

    def fill() -> None:
        with contextlib.suppress(OSError), Path(folder, "others.data").open("wb") as file:
            while True:
                file.write(bytes(4096))
                file.flush()

    after_iteration(monkeypatch, 1, fill)

    said = run(refine("--o", "disc/run", "--iter", "2", "--verb", "0"))

    assert_whole_after_1(said, "disc/run_it002_class001.mrc could not be written. The disc is full")


@pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")
def test_a_file_that_may_not_be_so_large_leaves_no_part_of_it(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("disc").mkdir()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, hard))

    after_iteration(monkeypatch, 1, limit)
    try:
        said = run(refine("--o", "disc/run", "--iter", "2", "--verb", "0"))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    assert_whole_after_1(said, "disc/run_it002_class001.mrc", "larger than this system allows")


def test_a_stack_that_shrinks_during_the_run_is_named(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    after_iteration(monkeypatch, 1, lambda: os.truncate(STACK, 20_000))

    said = run(refine("--o", "disc/run", "--iter", "2", "--verb", "0"))

    assert_whole_after_1(
        said,
        f"@{STACK} cannot be read: the file has become shorter",
        "Put the whole stack back, then go on with --continue",
    )


def test_a_run_goes_on_when_the_stack_is_whole_again(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = STACK.read_bytes()
    with monkeypatch.context() as patch:
        after_iteration(patch, 1, lambda: os.truncate(STACK, 20_000))
        assert run(refine("--o", "disc/run", "--iter", "2", "--verb", "0")).code == 3
    STACK.write_bytes(whole)

    assert_ran(run(["refine", "--continue", "disc/run_it001_optimiser.star"]))
    assert Path("disc/run_it002_optimiser.star").is_file()


def test_a_silent_run_says_nothing(run: Run) -> None:
    said = run(refine("--verb", "0"))

    assert said == (0, "", "")
    assert Path("out/run_it001_class001.mrc").is_file()
