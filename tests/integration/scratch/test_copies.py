"""Copies on a disc of the node change where images are read, and nothing else."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from halfmap.engine import refine as loop
from halfmap.errors import DataError
from halfmap.io.scratch.store import ScratchStore, disc_room
from halfmap.parallel.node_turn import NodeTurn
from integration.conftest import Launch, run_program
from integration.scratch.copies import ALL, assert_same, of_any_command, with_copies
from integration.tiny_project import STACK, Run, assert_ran, edit_star, refine


def test_results_are_those_without_copies_and_nothing_is_left(
    run: Run, scratch: Path, plain: dict[str, bytes]
) -> None:
    said = run(with_copies("copied"))

    assert_ran(said)
    assert f"{ALL} scratch/halfmap-{os.geteuid()}\n" in said.out
    assert_same("copied", plain)
    assert list(scratch.iterdir()) == []


def test_three_ranks_make_and_read_one_copy(
    halfmap: Launch, scratch: Path, plain: dict[str, bytes], tiny_project: Path
) -> None:
    done = halfmap(tiny_project, *with_copies("copied", "--keep_scratch"), ranks=3)

    assert done.returncode == 0, done.stderr
    assert ALL in done.stdout
    assert_same("copied", plain)
    (copy,) = scratch.glob("*/*.images")
    assert copy.read_bytes() == STACK.read_bytes()[1024:]


def test_images_are_read_from_the_copies(
    run: Run, scratch: Path, plain: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert_ran(run(with_copies("first", "--keep_scratch")))
    read = []
    monkeypatch.setattr(
        "halfmap.io.scratch.reading.CopiedImages._fill",
        _noting("halfmap.io.scratch.reading.CopiedImages", "_fill", read),
    )

    assert_ran(run(with_copies("second", "--reuse_scratch")))

    assert sum(read) >= 24  # those of the second iteration at least
    assert_same("second", plain)
    assert list(scratch.iterdir()) == []  # the second did not keep them


def _noting(owner: str, name: str, counts: list[int]):
    """Return a method that notes how many images it was asked for and how many it gave."""
    module, _, kind = owner.rpartition(".")
    method = getattr(getattr(sys.modules[module], kind), name)

    def noting(self, copy, first, out):
        left = method(self, copy, first, out)
        counts.append(len(out) - sum(stop - start for start, stop in left))
        return left

    return noting


@pytest.mark.usefixtures("scratch")
def test_reuse_copies_nothing(run: Run, plain: dict[str, bytes]) -> None:
    said = run(with_copies("copied", "--reuse_scratch"))

    assert_ran(said)
    assert "copies: 0 of 24 images (0 kB of 55.3 kB) lie in scratch" in said.out
    assert_same("copied", plain)


def test_two_runs_at_once_share_a_folder(
    scratch: Path, plain: dict[str, bytes], tiny_project: Path
) -> None:
    program = [sys.executable, "-m", "halfmap.cli.main"]
    runs = {
        name: subprocess.Popen(
            [*program, *with_copies(name)],
            cwd=tiny_project,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for name in ("one", "two")
    }

    for name, process in runs.items():
        try:
            out, err = process.communicate(timeout=200)
        finally:
            process.kill()
        assert process.returncode == 0, err
        assert ALL in out
        assert_same(name, plain)
    assert list(scratch.iterdir()) == []


def test_what_a_killed_run_left_goes_with_the_next(
    run: Run, scratch: Path, tiny_project: Path
) -> None:
    code = (
        "import os, signal, sys\n"
        "from halfmap.engine.telling import progress\n"
        "progress.keep_times = lambda *_: os.kill(os.getpid(), signal.SIGKILL)\n"
        "from halfmap.cli.main import main\n"
        "main(sys.argv[1:])\n"
    )
    killed = run_program([sys.executable, "-c", code, *with_copies("killed")], tiny_project)
    assert killed.returncode == -9
    assert len(list(scratch.glob("*/*.images"))) == 1
    shutil.copy2(STACK, "particles/other.mrcs")
    edit_star(_name_other_stack)

    assert_ran(run(with_copies("next")))

    assert list(scratch.iterdir()) == []


def _name_other_stack(tables) -> None:
    names = tables["particles"]["rlnImageName"]
    tables["particles"]["rlnImageName"] = names.astype(object)
    for row, name in enumerate(names):
        tables["particles"]["rlnImageName"][row] = name.replace("particles.mrcs", "other.mrcs")


def test_a_run_that_fails_removes_its_copies(
    run: Run, scratch: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        assert len(list(scratch.iterdir())) == 1
        raise DataError("no")

    monkeypatch.setattr("halfmap.engine.refine.conclude", fail)

    assert run(with_copies("failed")).code == 3

    assert list(scratch.iterdir()) == []


def test_a_run_that_is_stopped_by_a_signal_removes_its_copies(
    run: Run, scratch: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin = loop.begin

    def stop(schedule, job):
        assert len(list(scratch.iterdir())) == 1
        os.kill(os.getpid(), signal.SIGTERM)
        return begin(schedule, job)

    monkeypatch.setattr(loop, "begin", stop)

    assert run(with_copies("stopped")).code == 75

    assert list(scratch.iterdir()) == []


def test_images_that_are_copied_do_not_need_their_stacks(
    run: Run, scratch: Path, plain: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    del scratch
    begin = loop.begin

    def lose(schedule, job):
        if schedule.iteration == 1:
            job.staging._thread.join(60)
            os.truncate(STACK, 5000)
        return begin(schedule, job)

    monkeypatch.setattr(loop, "begin", lose)

    assert_ran(run(with_copies("copied")))

    assert_same("copied", plain)


# --- in memory


def test_memory_that_a_killed_run_left_is_freed_by_the_next_of_any_kind(
    run: Run, tiny_project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory = tiny_project / "memory"
    memory.mkdir()
    monkeypatch.setattr("halfmap.engine.staging.SHARED_MEMORY", memory)
    store = ScratchStore(memory, disc_room(0))
    left = store.folder.path / "0123.images"
    left.write_bytes(b"images")
    os.close(store._list)  # as the system does for a process that dies

    assert_ran(run(refine("--verb", "0")))

    assert list(memory.iterdir()) == []


@pytest.mark.parametrize("ranks", [0, 3])
def test_images_can_be_held_in_memory(
    halfmap: Launch, plain: dict[str, bytes], tiny_project: Path, ranks: int
) -> None:
    if not Path("/dev/shm").is_dir():
        pytest.skip("no /dev/shm: this system has no shared memory")
    words = refine("--o", "copied/run", "--iter", "2", "--preread_images")

    done = halfmap(tiny_project, *words, ranks=ranks)

    assert done.returncode == 0, done.stderr
    assert f"{ALL} /dev/shm/halfmap-{os.geteuid()}\n" in done.stdout
    assert_same("copied", plain)


@pytest.mark.usefixtures("tiny_project")
def test_images_that_do_not_fit_into_memory_are_read_from_their_stacks(
    run: Run, plain: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("halfmap.io.scratch.store.free_memory", lambda: 80_000)

    said = run(refine("--o", "copied/run", "--iter", "2", "--preread_images"))

    assert_ran(said)
    words = " ".join(said.out.split())
    assert "copies: 0 of 24 images" in words
    assert "or half of the memory that was free is left free. The others are read" in words
    assert_same("copied", plain)


# --- how stacks are read


def test_stacks_can_be_read_in_turn(
    run: Run, plain: dict[str, bytes], tiny_project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    del tiny_project
    turns = []
    enter = NodeTurn.__enter__
    monkeypatch.setattr(NodeTurn, "__enter__", lambda turn: (turns.append(None), enter(turn)))
    words = refine("--o", "copied/run", "--iter", "2")

    assert_ran(run(words))
    assert turns == []
    assert_ran(run([*words, "--overwrite", "--no_parallel_disc_io"]))

    assert len(turns) >= 6  # units of 8 particles in two iterations
    assert_same("copied", plain)


def test_half_precision_gives_the_same_wherever_images_are_read(
    halfmap: Launch, run: Run, scratch: Path, tiny_project: Path
) -> None:
    half = ["--scratch_float16", "--verb", "0"]
    assert_ran(run(refine("--o", "plain/run", "--iter", "2", *half)))
    expected = of_any_command(Path("plain"))
    words = with_copies("copied", "--keep_scratch", *half)

    done = halfmap(tiny_project, *words, ranks=3)

    assert done.returncode == 0, done.stderr
    (copy,) = scratch.glob("*/*.images")
    assert copy.stat().st_size == (STACK.stat().st_size - 1024) // 2
    assert_same("copied", expected)
    said = run(["refine", "--continue", "copied/run_it001_optimiser.star", "--overwrite"])
    assert_ran(said)
    assert_same("copied", expected)  # it is a part of the run


def test_a_continued_run_copies_only_if_it_is_told_to(run: Run, scratch: Path) -> None:
    assert_ran(run(with_copies("copied", "--keep_scratch")))

    said = run(["refine", "--continue", "copied/run_it002_optimiser.star", "--iter", "3"])

    assert_ran(said)
    assert "copies" not in said.out
    assert len(list(scratch.glob("*/*.images"))) == 1

    more = ["--iter", "4", "--scratch_dir", "scratch", "--reuse_scratch"]
    said = run(["refine", "--continue", "copied/run_it003_optimiser.star", *more])
    assert_ran(said)
    assert ALL in said.out
