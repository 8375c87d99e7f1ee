"""Ranks die and the run ends all the same, with the bytes of a run that nothing disturbed."""

import socket
from pathlib import Path

import pytest

from .conftest import Launch, run_program
from .fault_runs import LAST, REFINE, SECONDS, cue, found, launched, prepared, refined_without


@pytest.fixture(scope="module")
def undisturbed(
    tiny_particles: Path, tmp_path_factory: pytest.TempPathFactory, halfmap: Launch
) -> dict[str, bytes]:
    folder = prepared(tmp_path_factory.mktemp("faults") / "undisturbed", tiny_particles)
    done = halfmap(folder, *REFINE)
    assert done.returncode == 0, done.stderr
    return found(folder)


@pytest.mark.parametrize(
    ("rank", "place", "number"),
    [
        pytest.param(
            0, "engine.starting.start.read_inputs", 1, id="the leader, reading the inputs"
        ),
        pytest.param(
            2, "engine.starting.start.first_noise_variance", 1, id="a half root, first images"
        ),
        pytest.param(0, "engine.results.write_shared", 1, id="the leader, writing the start"),
        pytest.param(1, "engine.node_search.transformed", 1, id="a half root, projecting"),
        pytest.param(3, "engine.expectation.run_unit", 1, id="a worker, in a unit"),
        pytest.param(0, "engine.expectation.lead", 1, id="the leader, leasing"),
        pytest.param(1, "engine.meeting.half_map_fsc", 1, id="a half root, meeting the other"),
        pytest.param(3, "engine.solving.reconstruction", 2, id="a helper, making a map"),
        pytest.param(1, "engine.results.write_half", 3, id="a half root, writing its map"),
        pytest.param(0, "engine.results.write_shared", 3, id="the leader, writing the end"),
        pytest.param(
            0, "engine.telling.progress.keep_times", 1, id="the leader, keeping the times"
        ),
        pytest.param(0, "engine.attempt.finish", 1, id="the leader, after the end"),
    ],
)
def test_a_rank_that_dies_in_any_phase_changes_nothing(
    tmp_path: Path,
    tiny_particles: Path,
    undisturbed: dict[str, bytes],
    rank: int,
    place: str,
    number: int,
) -> None:
    folder = prepared(tmp_path / "run", tiny_particles)

    done = refined_without(folder, cue(rank, place, number))

    assert done.returncode == 0, done.stderr
    assert f"warning: rank {rank} on {socket.gethostname()} was lost" in done.stdout
    assert "the other 3 go on" in done.stdout
    assert found(folder) == undisturbed


@pytest.mark.parametrize(
    ("cues", "left"),
    [
        pytest.param(
            (cue(1, "engine.expectation.run_unit"), cue(2, "engine.expectation.run_unit")),
            "the other 2 go on",
            id="both half roots at once",
        ),
        pytest.param(
            (cue(0, "engine.expectation.lead"), cue(1, "engine.expectation.lead")),
            "the other 2 go on",
            id="the leader, and who took its place",
        ),
        pytest.param(
            (
                cue(0, "engine.results.write_shared", 2),
                cue(1, "engine.telling.progress.keep_times"),
                cue(2, "engine.expectation.run_unit", 1),
            ),
            "the one that is left goes on",
            id="all but one",
        ),
    ],
)
def test_several_ranks_may_die(
    tmp_path: Path,
    tiny_particles: Path,
    undisturbed: dict[str, bytes],
    cues: tuple[str, ...],
    left: str,
) -> None:
    folder = prepared(tmp_path / "run", tiny_particles)

    done = refined_without(folder, *cues)

    assert done.returncode == 0, done.stderr
    assert left in done.stdout
    assert found(folder) == undisturbed


SAYING_UNITS = """
import halfmap.engine.expectation as expectation
import halfmap.engine.keeping.flushing as flushing
flushing.WORTH = flushing.LARGEST_SHARE = 0.0  # however short the iteration is
as_ever = expectation.run_unit

def run_unit(*how):
    print("a unit is computed", flush=True)
    return as_ever(*how)

expectation.run_unit = run_unit
"""


def test_a_rank_that_dies_while_maps_are_made_costs_no_expectation(
    tmp_path: Path, tiny_particles: Path, undisturbed: dict[str, bytes]
) -> None:
    folder = prepared(tmp_path / "run", tiny_particles)

    dies = cue(2, "engine.reduction.reduce_sums", LAST)
    done = refined_without(folder, dies, prelude=SAYING_UNITS)

    assert done.returncode == 0, done.stderr
    lost = f"warning: rank 2 on {socket.gethostname()} was lost: the other 3 go on"
    before, said, after = done.stdout.partition(lost)
    assert "a unit is computed" in before
    assert said == lost
    assert "a unit is computed" not in after
    assert found(folder) == undisturbed


LOOKING = """
import gc, halfmap.engine.surviving.survival as survival

class Looking:
    @staticmethod
    def collect():
        gc.collect()
        kinds = [type(thing).__name__ for thing in gc.get_objects()]
        held = [kind for kind in kinds if kind in ("Job", "HalfSums", "NodeArrays", "State")]
        print("of the lost world:", held, flush=True)

survival.gc = Looking
"""


def test_nothing_of_a_lost_world_stays_in_memory(tmp_path: Path, tiny_particles: Path) -> None:
    folder = prepared(tmp_path / "run", tiny_particles)
    cues = (
        cue(3, "engine.expectation.run_unit"),
        cue(2, "engine.node_search.transformed", 2),
    )

    done = refined_without(folder, *cues, prelude=LOOKING)

    assert done.returncode == 0, done.stderr
    said = [line for line in done.stdout.splitlines() if line.startswith("of the lost world")]
    assert said == ["of the lost world: []"] * 5  # three survivors, then two


FAILING = """
import sys
import halfmap.engine.telling.progress as progress
from halfmap.errors import DataError

def fail(*_):
    raise DataError("gone")

progress.keep_times = fail
from halfmap.cli.main import main
sys.exit(main(sys.argv[1:]))
"""


def test_an_error_that_one_rank_alone_knows_of_ends_all_once(
    tmp_path: Path, tiny_particles: Path
) -> None:
    folder = prepared(tmp_path / "run", tiny_particles)

    done = run_program(launched(*REFINE, n=3, program=FAILING), folder, SECONDS)

    assert done.returncode == 3
    assert done.stderr.count("halfmap: rank 0: gone") == 1
    assert "was lost" not in done.stdout
    assert not (folder / "out/run_finished.txt").exists()
