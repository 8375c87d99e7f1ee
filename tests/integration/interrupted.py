"""``halfmap`` with an accident: ``python interrupted.py ACCIDENT RANK UNITS words ...``.

After so many units of its own a rank is sent a signal, or its computation raises an error. Before
it is killed it waits for a checkpoint of its own, for a while.
"""

import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any

from mpi4py import MPI

from halfmap.cli.main import main
from halfmap.engine.summing import Summing
from halfmap.errors import DataError

PATIENCE_S = 20.0
compute_as_ever = Summing.compute
done: list[int] = []
lock = threading.Lock()


def compute(self: Summing, unit: Any) -> Any:
    result = compute_as_ever(self, unit)
    with lock:
        done.append(unit.number)
        is_time = len(done) == int(sys.argv[3])
    if is_time and MPI.COMM_WORLD.rank == int(sys.argv[2]):
        happen(sys.argv[1])
    return result


def happen(accident: str) -> None:
    if accident == "error":
        raise DataError("an accident")
    if accident == "SIGKILL":
        wait_for_checkpoint()
    os.kill(os.getpid(), getattr(signal, accident))


def wait_for_checkpoint() -> None:
    mine = f"*_rank{MPI.COMM_WORLD.rank:03d}_*_results.h5"
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end and not any(Path("out/run_parts").glob(mine)):
        time.sleep(0.01)


if __name__ == "__main__":
    Summing.compute = compute  # type: ignore[method-assign]
    sys.exit(main(sys.argv[4:]))
