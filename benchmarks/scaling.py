"""How many ranks one leader can feed: the real leader, and emulated workers without images.

    python benchmarks/scaling.py [--particles N] [--ms_per_particle T ...]

`halfmap.parallel.leases.lead` runs as in a refinement: the same book, messages with results of
real size, stored by the same code. The workers are entries of a heap that say when a unit will be
done; each has one thread and keeps one unit ahead, as real ones do. Not in it is what the MPI
library itself needs for a message.
"""

import argparse
import heapq
import pickle
import time
from collections import deque
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from mpi4py import MPI

from halfmap.engine.particle_results import ParticleResults
from halfmap.parallel.halves import Ranks, halves_served
from halfmap.parallel.leases import Finished, Leaving, lead
from halfmap.parallel.units import LeaseBook, Unit, cut_units
from halfmap.steps.expectation import UnitResult

RANKS = (64, 512, 4096)
AHEAD = 2
"""Units that a worker of one thread asks for at first."""


@dataclass
class Worker:
    """An emulated worker."""

    free_at: float = 0.0
    """When all that it holds will be done, seconds."""
    idle: float = 0.0
    requests: int = 0
    finished: deque[tuple[float, int]] = field(default_factory=deque)
    """Units that it holds, and when they will be done."""


class EmulatedWorld:
    """A communicator whose other ranks are emulated."""

    rank = 0

    def __init__(self, size: int, units: tuple[Unit, ...], seconds_per_particle: float) -> None:
        self.size, self.units, self.seconds = size, units, seconds_per_particle
        kinds = {len(unit.rows) for unit in units}
        self.results = {n: pickle.dumps(Finished(0, UnitResult.empty(n, 1))) for n in kinds}
        self.workers = [Worker() for _ in range(size)]
        self.messages: list[tuple[float, int, int]] = []
        """On their way to the leader: when they arrive, from whom, which unit is done, or -1."""
        for rank in range(1, size):
            self._post(rank, 0.0, None)
        self.n_messages = 0

    def _post(self, rank: int, due: float, unit: int | None) -> None:
        heapq.heappush(self.messages, (due, rank, -1 if unit is None else unit))

    def Iprobe(self, tag: int, status: MPI.Status) -> bool:
        """See `MPI.Comm.Iprobe`."""
        del tag
        if not self.messages or self.messages[0][0] > time.perf_counter():
            return False
        status.Set_source(self.messages[0][1])
        return True

    def recv(self, source: int, tag: int) -> Any:
        """See `MPI.Comm.recv`."""
        del tag
        _, rank, unit = heapq.heappop(self.messages)
        assert rank == source
        self.n_messages += 1
        if unit >= 0:
            message: Finished = pickle.loads(self.results[len(self.units[unit].rows)])
            return Finished(unit, message.result)
        worker = self.workers[rank]
        worker.requests += 1
        return None if worker.requests <= AHEAD else Leaving()

    def send(self, answer: int | None, dest: int, tag: int) -> None:
        """See `MPI.Comm.send`; the worker goes on."""
        del tag
        worker, now = self.workers[dest], time.perf_counter()
        if answer is not None:
            start = max(now, worker.free_at)
            worker.idle += start - worker.free_at if worker.free_at else 0.0
            worker.free_at = start + self.seconds * len(self.units[answer].rows)
            worker.finished.append((worker.free_at, answer))
        if answer is not None and worker.requests < AHEAD:
            self._post(dest, now, None)
        elif worker.finished:
            due, unit = worker.finished.popleft()
            self._post(dest, max(now, due), unit)
        else:
            worker.requests = AHEAD
            self._post(dest, now, None)

    def bcast(self, value: Any, root: int) -> Any:
        """See `MPI.Comm.bcast`."""
        del root
        return value


def measure(n_ranks: int, n_particles: int, ms_per_particle: float) -> str:
    """Lead one iteration, and return a row of the table."""
    half = np.arange(n_particles) % 2
    units = cut_units(half, np.zeros(n_particles, np.int64))
    world = EmulatedWorld(n_ranks, units, ms_per_particle / 1000.0)
    ranks = Ranks(world, world, 2, halves_served(n_ranks, 2), {}, None, None, (1, 2))  # type: ignore[arg-type]
    results = ParticleResults(n_particles, 1)
    wall, busy = time.perf_counter(), time.thread_time()
    lead(LeaseBook(units), ranks, results.accept)
    wall, busy = time.perf_counter() - wall, time.thread_time() - busy
    ideal = n_particles * ms_per_particle / 1000.0 / (n_ranks - 1)
    idle = 1.0 - ideal / wall
    kilobytes = max(map(len, world.results.values())) / 1e3
    return (
        f"| {n_ranks} | {ms_per_particle:g} | {len(units)} | {ideal:.2f} | {wall:.2f} "
        f"| {len(units) / wall:.0f} | {100 * idle:.1f} % | {100 * busy / wall:.0f} % "
        f"| {1e6 * busy / world.n_messages:.0f} | {kilobytes:.1f} |"
    )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--particles", type=int, default=1_000_000)
    parser.add_argument("--ms_per_particle", type=float, nargs="+", default=[13.0, 108.0])
    wanted = parser.parse_args()
    print("| ranks | ms/particle | units | ideal s | wall s | units/s | workers idle ", end="")
    print("| leader busy | µs/message | kB/message |\n" + "|---" * 10 + "|")
    for ms in wanted.ms_per_particle:
        for n_ranks in RANKS:
            print(measure(n_ranks, wanted.particles, ms), flush=True)


if __name__ == "__main__":
    main()
