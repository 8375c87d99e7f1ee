"""A rank dies before MPI is up: MPI waits for it for ever, and somebody has to end the others."""

import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from .conftest import run_program
from .fault_runs import REFINE, SECONDS, launched, prepared

DYING_AT_IMPORT = """
import os, signal, sys

class Dying:
    @staticmethod
    def find_spec(name, *_):
        if name == "mpi4py.MPI" and os.environ["OMPI_COMM_WORLD_RANK"] == "{rank}":
            {how}

sys.meta_path.insert(0, Dying)
from halfmap.cli.main import main
sys.exit(main())
"""


def test_a_rank_that_dies_before_mpi_is_up_is_named_and_ends_the_others(
    tmp_path: Path, tiny_particles: Path
) -> None:
    folder = prepared(tmp_path / "run", tiny_particles)
    program = DYING_AT_IMPORT.format(rank=1, how="os.kill(os.getpid(), 9)")

    start = time.monotonic()
    done = run_program(launched(*REFINE, n=3, program=program), folder, SECONDS)

    assert done.stderr.count("before MPI was up") == 1
    assert f"rank 1 on {socket.gethostname()} ended before MPI was up" in done.stderr
    assert done.returncode != 0
    assert time.monotonic() - start < 60  # --stall_seconds is 600
    assert not (folder / "out").exists()


RANK = """
import os, sys, time
import halfmap.engine.surviving.birth as module
from halfmap.engine.surviving.birth import watched_birth
from halfmap.errors import DataError
module.SECONDS_TO_FOLLOW, module.SECONDS_TO_LEAVE = 0.3, 60.0
with watched_birth((3, 1)) as birth:
    birth.within(float(sys.argv[1]))
    {what}
    birth.is_up()
print("up", flush=True)
time.sleep(0.7)
"""
LAUNCHER = """
import subprocess, sys, time
open("/proc/self/comm", "w").write("prted")
subprocess.run([sys.executable, "-c", *sys.argv[1:]])
time.sleep(float(sys.argv[3]))
sys.exit(7)
"""


@pytest.mark.parametrize(
    ("what", "limit_s", "ends_s", "said"),
    [
        pytest.param("pass", 0.3, 0, "", id="up, and then for longer than the limit"),
        pytest.param("time.sleep(60)", 0.3, 60, "has waited 0.3 s", id="late"),
        pytest.param("os._exit(1)", 60, 60, "ended before MPI was up", id="dead"),
        pytest.param("os._exit(1)", 60, 0, "", id="the launcher ends, too"),
        pytest.param("raise DataError('gone')", 60, 1, "", id="others say the same and end, too"),
    ],
)
def test_a_launcher_that_goes_on_without_a_rank_is_ended(
    what: str, limit_s: float, ends_s: float, said: str
) -> None:
    times = map(str, (limit_s, ends_s))
    program = [sys.executable, "-c", LAUNCHER, RANK.format(what=what), *times]
    done = subprocess.run(program, capture_output=True, text=True, timeout=60)

    assert done.returncode == (-signal.SIGTERM if said else 7)
    assert said in done.stderr
    assert ("MPI was up" in done.stderr) == bool(said)
    assert ("up" in done.stdout) == (what == "pass")


def test_a_rank_that_is_not_seen_to_have_a_launcher_ends_itself() -> None:
    done = subprocess.run(
        [sys.executable, "-c", RANK.format(what="time.sleep(60)"), "0.3"],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == -signal.SIGTERM
    assert "end them, too" in done.stderr
