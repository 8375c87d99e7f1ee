"""One rank, and one of its threads, at a time."""

import tempfile
import threading
import time
from pathlib import Path

import pytest
from mpi4py import MPI

from halfmap.parallel.node_turn import NodeTurn

COMM = MPI.COMM_WORLD
pytestmark = pytest.mark.mpi
STEPS = 20


def test_nobody_enters_while_another_is_inside() -> None:
    """Two threads of each rank read a number, wait, and write the next one."""
    place = COMM.bcast(tempfile.mkdtemp() if COMM.rank == 0 else None)
    number = Path(place) / "number"
    if COMM.rank == 0:
        number.write_text("0")
    turn = NodeTurn(COMM)
    COMM.Barrier()

    def count() -> None:
        for _ in range(STEPS):
            with turn:
                seen = int(number.read_text())
                time.sleep(0.001)
                number.write_text(str(seen + 1))

    threads = [threading.Thread(target=count) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    COMM.Barrier()

    assert int(number.read_text()) == 2 * STEPS * COMM.size


def test_nothing_is_left_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = Path(COMM.bcast(str(tmp_path)))
    monkeypatch.setattr(tempfile, "tempdir", str(place))

    NodeTurn(COMM)

    COMM.Barrier()
    assert list(place.iterdir()) == []
