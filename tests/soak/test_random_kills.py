"""Ranks are killed at random moments, again and again; each run ends in the same bytes.

``HALFMAP_SOAK`` says how many runs; a run that fails is repeated by its number in ``HALFMAP_SEED``.
"""

import os
import random
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import pytest
from integration.conftest import LAUNCHER_VARIABLES
from integration.fault_runs import REFINE, found, launched, prepared

N_RUNS = int(os.environ.get("HALFMAP_SOAK", "10"))
FIRST = int(os.environ.get("HALFMAP_SEED", "1"))
N_RANKS = 4
SECONDS = 300.0
PRESENT = """
import os, sys
from pathlib import Path
from mpi4py import MPI
beside = Path(f"rank{MPI.COMM_WORLD.rank}.part")
beside.write_text(str(os.getpid()))
beside.rename(beside.stem)
from halfmap.cli.main import main
sys.exit(main())
"""
"""MPI itself waits for ever for a rank that dies before it is up: from here on nothing may hang."""
pytestmark = pytest.mark.soak


class Ended(NamedTuple):
    """How a run ended."""

    exit_code: int
    killed: list[tuple[int, float]]
    """Rank, and the second after the start of MPI."""
    seconds: float
    """Since all ranks were there."""
    said: str


def run(folder: Path, kills: list[tuple[int, float]]) -> Ended:
    """Refine, while ranks are killed at some seconds after all were there."""
    command = launched(*REFINE, n=N_RANKS, program=PRESENT)
    environment = {k: v for k, v in os.environ.items() if not k.startswith(LAUNCHER_VARIABLES)}
    log = folder / "log"
    with (
        log.open("w") as output,
        subprocess.Popen(
            command,
            cwd=folder,
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        ) as process,
    ):
        give_up = time.monotonic() + SECONDS
        try:
            pids = wait_for_ranks(folder, process)
            start = time.monotonic()
            killed = kill(pids, kills, start, process)
            code = process.wait(max(1.0, give_up - time.monotonic()))
        finally:
            seconds = time.monotonic() - start
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
    return Ended(code, killed, seconds, log.read_text())


def wait_for_ranks(folder: Path, process: subprocess.Popen[bytes]) -> dict[int, int]:
    files = {rank: folder / f"rank{rank}" for rank in range(N_RANKS)}
    while not all(file.exists() for file in files.values()):
        assert process.poll() is None, (folder / "log").read_text()
        time.sleep(0.01)
    return {rank: int(file.read_text()) for rank, file in files.items()}


def kill(
    pids: dict[int, int],
    kills: list[tuple[int, float]],
    start: float,
    process: subprocess.Popen[bytes],
) -> list[tuple[int, float]]:
    killed = []
    for rank, moment in sorted(kills, key=lambda pair: pair[1]):
        with suppress(subprocess.TimeoutExpired):
            process.wait(max(0.0, start + moment - time.monotonic()))
        if process.poll() is None:
            with suppress(ProcessLookupError):
                os.kill(pids[rank], signal.SIGKILL)
                killed.append((rank, round(time.monotonic() - start, 2)))
    return killed


@pytest.fixture(scope="module")
def undisturbed(
    tmp_path_factory: pytest.TempPathFactory, tiny_particles: Path
) -> tuple[dict[str, bytes], float]:
    """The files of a run that nothing disturbs, and its seconds when all is compiled."""
    for name in ("first", "second"):
        folder = prepared(tmp_path_factory.mktemp("soak") / name, tiny_particles)
        ended = run(folder, [])
        assert ended.exit_code == 0, ended.said
    return found(folder), ended.seconds


@pytest.mark.timeout(SECONDS + 60.0)
@pytest.mark.parametrize("seed", range(FIRST, FIRST + N_RUNS))
def test_ranks_killed_at_any_moment_change_nothing(
    tmp_path: Path,
    tiny_particles: Path,
    undisturbed: tuple[dict[str, bytes], float],
    seed: int,
) -> None:
    expected, seconds = undisturbed
    chance = random.Random(seed)
    n_victims = chance.choice([1, 1, 1, 2, N_RANKS - 1])
    victims = chance.sample(range(N_RANKS), n_victims)
    folder = prepared(tmp_path / "run", tiny_particles)

    ended = run(folder, [(rank, chance.uniform(0.0, seconds)) for rank in victims])

    print(f"seed {seed}: killed {ended.killed}, ended after {ended.seconds:.1f} s")  # noqa: T201
    assert ended.exit_code == 0, ended.said
    assert found(folder) == expected, f"killed: {ended.killed}\n{ended.said}"
