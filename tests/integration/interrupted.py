"""``halfmap`` with an accident: ``python interrupted.py ACCIDENT RANK UNITS words ...``.

After so many units of its own a rank is sent a signal, or its computation raises an error, or it
cuts the stack of the particles short. Before it is killed it waits for a checkpoint of its own, for
a while. Or its part is spoilt when all ranks have written theirs, in the second reduction
(``spoil``; the units do not matter). Or a particle cannot be computed (``particle``; the last
number is its row), and the next one cannot be read.
"""

import errno
import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any

from mpi4py import MPI

from halfmap.cli.main import main
from halfmap.engine import expectation
from halfmap.engine.summing import Summing
from halfmap.errors import DataError
from halfmap.io.parts import Part
from halfmap.io.stacks import OpenStack

PATIENCE_S = 20.0
compute_as_ever, pieces_as_ever = Summing.compute, Part.pieces
run_as_ever, fill_as_ever = expectation.run_unit, OpenStack.fill
done: list[int] = []
lock = threading.Lock()


def compute(self: Summing, unit: Any) -> Any:
    result = compute_as_ever(self, unit)
    with lock:
        done.append(unit.number)
        is_time = len(done) == int(sys.argv[3])
    if (
        is_time
        and sys.argv[1] not in ("spoil", "particle")
        and MPI.COMM_WORLD.rank == int(sys.argv[2])
    ):
        happen(sys.argv[1])
    return result


def happen(accident: str) -> None:
    if accident == "error":
        raise DataError("an accident")
    if accident == "truncate":
        os.truncate("particles/particles.mrcs", 2000)
        return
    if accident == "SIGKILL":
        wait_for_checkpoint()
    os.kill(os.getpid(), getattr(signal, accident))


def spoilt(self: Part, *known: Any) -> Any:
    is_time = sys.argv[1] == "spoil" and Path("out/run_it001_optimiser.star").exists()
    if is_time and f"_rank{int(sys.argv[2]):03d}_" in self.path.name:
        with self.path.open("r+b") as file:
            file.seek(self.start + 100)
            file.write(b"spoilt")
    return pieces_as_ever(self, *known)


def run_unit(images: Any, rows: Any, *known: Any) -> Any:
    if sys.argv[1] == "particle" and int(sys.argv[3]) in rows:
        raise ZeroDivisionError("an accident")
    return run_as_ever(images, rows, *known)


def fill(self: OpenStack, first: int, out: Any) -> None:
    unreadable = int(sys.argv[3]) + 1
    if sys.argv[1] == "particle" and first <= unreadable < first + len(out):
        raise OSError(errno.EIO, "Input/output error")
    fill_as_ever(self, first, out)


def wait_for_checkpoint() -> None:
    mine = f"*_rank{MPI.COMM_WORLD.rank:03d}_*_results.h5"
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end and not any(Path("out/run_parts").glob(mine)):
        time.sleep(0.01)


if __name__ == "__main__":
    Summing.compute, Part.pieces = compute, spoilt  # type: ignore[method-assign]
    expectation.run_unit, OpenStack.fill = run_unit, fill  # type: ignore[assignment]
    sys.exit(main(sys.argv[4:]))
