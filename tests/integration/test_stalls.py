"""Ranks that stall are noticed, their stacks kept, and ended; what works is left alone."""

import re
import socket
import sys
import time
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from halfmap.engine.surviving import pulse
from halfmap.engine.surviving.sentinel import innermost

from .conftest import Launch
from .fault_runs import REFINE, cue, found, prepared, refined_without

LIMIT = ("--stall_seconds", "8")
"""Far longer than a rank of a busy machine is silent; what it works at may take six times that."""


@pytest.fixture(scope="module")
def undisturbed(
    tiny_particles: Path, tmp_path_factory: pytest.TempPathFactory, halfmap: Launch
) -> dict[str, bytes]:
    folder = prepared(tmp_path_factory.mktemp("stalls") / "undisturbed", tiny_particles)
    done = halfmap(folder, *REFINE, *LIMIT)
    assert done.returncode == 0, done.stderr
    return found(folder)


@pytest.mark.parametrize(
    ("rank", "place", "where"),
    [
        pytest.param(3, "engine.expectation.run_unit", "engine/summing.py", id="a worker"),
        pytest.param(0, "engine.results.write_shared", "engine/results.py", id="the leader"),
    ],
)
def test_a_rank_that_is_stopped_is_ended_and_the_others_go_on(
    tmp_path: Path,
    tiny_particles: Path,
    undisturbed: dict[str, bytes],
    rank: int,
    place: str,
    where: str,
) -> None:
    folder = prepared(tmp_path / "run", tiny_particles)

    stopped = cue(rank, place, how="SIGSTOP")
    done = refined_without(folder, stopped, words=(*REFINE, *LIMIT))

    assert done.returncode == 0, done.stderr
    here = f"rank {rank} on {socket.gethostname()}"
    assert f"{here} has given no sign of life" in done.stderr
    assert f"{here} was lost: the other 3 go on" in done.stdout
    assert where in (folder / f"out/run_stall_rank{rank}.txt").read_text()
    assert found(folder) == undisturbed


def test_where_the_loss_of_ranks_is_not_reported_the_run_ends_and_says_where_it_hung(
    tmp_path: Path, tiny_particles: Path
) -> None:
    folder = prepared(tmp_path / "run", tiny_particles)

    stopped = cue(2, "engine.expectation.run_unit", how="SIGSTOP")
    done = refined_without(folder, stopped, words=(*REFINE, *LIMIT), survives=False)

    assert done.returncode != 0
    assert f"rank 2 on {socket.gethostname()} has given no sign of life" in done.stderr
    # It is woken to write its stacks, and computes on for a moment.
    assert re.search(r"\(in \S+, halfmap/(?!parallel)\S+ line \d+\) and is ended", done.stderr)
    assert "is ended: go on with --resume" in done.stderr
    assert not (folder / "out/run_finished.txt").exists()


def test_the_place_is_that_of_the_thread_that_computes() -> None:
    stacks = (
        "Current thread 0x1 (most recent call first):\n"
        '  File "/x/halfmap/engine/surviving/pulse.py", line 9 in b'
        '\n\nThread 0x2 (most recent call first):\n  File "/x/numpy/core.py", line 3 in dot\n'
        '  File "/x/halfmap/io/stacks.py", line 88 in read\n'
        '  File "/x/halfmap/engine/summing.py", line 5 in compute\n\n'
        "Thread 0x3 (most recent call first):\n"
        '  File "/x/halfmap/parallel/leases.py", line 7 in work\n'
    )
    assert innermost(stacks) == "read, halfmap/io/stacks.py line 88"
    assert innermost("") == ""


def test_who_waits_for_images_is_not_where_a_rank_hangs_but_who_reads_them() -> None:
    stacks = (
        "Thread 0x2 (most recent call first):\n"
        '  File "/x/concurrent/futures/_base.py", line 451 in result\n'
        '  File "/x/halfmap/engine/reading_ahead.py", line 67 in take\n'
        '  File "/x/halfmap/engine/summing.py", line 5 in compute\n\n'
        "Thread 0x3 (most recent call first):\n"
        '  File "/x/halfmap/io/stacks.py", line 66 in fill\n'
        '  File "/x/halfmap/engine/summing.py", line 7 in _read\n'
        '  File "/x/halfmap/engine/reading_ahead.py", line 73 in _timed\n\n'
        "Thread 0x4 (most recent call first):\n"
        '  File "/x/halfmap/parallel/leases.py", line 7 in work\n'
    )
    assert innermost(stacks) == "fill, halfmap/io/stacks.py line 66"


def test_who_waits_in_the_exchange_of_messages_is_not_stuck_and_who_computes_may_be() -> None:
    def called_by(module: str) -> FrameType:
        place: dict[str, Any] = {"__name__": module, "sys": sys}
        exec("def here(): return sys._getframe()", place)
        return place["here"]()

    assert pulse.waits(called_by("halfmap.parallel.leases"))
    assert pulse.waits(called_by("halfmap.engine.helping.helper_program"))
    assert not pulse.waits(called_by("halfmap.engine.solving"))
    assert not pulse.waits(called_by("halfmap.io.stacks"))


def test_a_unit_is_timed_while_it_is_computed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pulse, "_longest_effort", [0.0])
    with pulse.effort():
        assert len(pulse._efforts) == 1
        time.sleep(0.01)
    assert pulse._efforts == {}
    assert pulse._longest_effort[0] >= 0.01
