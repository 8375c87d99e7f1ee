"""The expectation step of all ranks: units are leased, computed and summed."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from halfmap.engine.job import Job
from halfmap.engine.node_search import Searches
from halfmap.engine.particle_results import ParticleResults
from halfmap.errors import DataError
from halfmap.model.exact import SumScales
from halfmap.model.particles import Poses
from halfmap.model.schedule import Schedule
from halfmap.model.sums import ExpectationSums
from halfmap.parallel.leases import LocalDesk, RemoteDesk, lead, work
from halfmap.parallel.units import LeaseBook, Unit
from halfmap.steps.expectation import UnitResult, Workspace, run_unit


@dataclass(frozen=True, slots=True)
class Found:
    """What an expectation leaves on this rank."""

    sums: dict[int, ExpectationSums]
    """Of this rank's units, by half."""
    scales: dict[int, SumScales]
    results: ParticleResults
    """Of all particles, on the leader; of none elsewhere."""
    busy_seconds: float
    """Time that this rank's threads spent in units."""


Run = Callable[..., UnitResult]
"""What is done with a unit: `run_unit`, or something else with its arguments."""


class Task(NamedTuple):
    """What an expectation does, if not the search of an iteration."""

    label: str
    """What the progress display calls it."""
    run: Run
    units: tuple[Unit, ...]


def expectation(
    job: Job, poses: Poses, searches: Searches, schedule: Schedule, task: Task | None = None
) -> Found:
    """Compute every unit of an iteration once, somewhere. Collective.

    Parameters
    ----------
    poses
        Of all particles.
    searches
        Of the halves that this rank serves.
    task
        What is done instead of the search.

    Raises
    ------
    CollectiveError
        On all ranks, when any of them failed.
    """
    label, run, units = task or Task(
        f"iteration {schedule.iteration}", run_unit, job.units_at(schedule)
    )
    summing = _Summing(job, poses, searches, run)
    results = ParticleResults(len(job.particles), job.options.n_classes)
    ranks, book = job.ranks, LeaseBook(units)
    n_particles = sum(len(unit.rows) for unit in units)
    with job.console.progress(n_particles, label) as step:

        def accept(unit: Unit, result: UnitResult) -> None:
            results.accept(unit, result)
            job.quarantine.check(unit.rows, result.fault)
            step(len(unit.rows))

        n_threads = job.options.n_threads
        if ranks.world.size == 1:
            work(LocalDesk(book, ranks.served[0], accept), summing.compute, 0, n_threads)
        elif ranks.leads:
            lead(book, ranks, accept)
        else:
            desk = RemoteDesk(units, ranks.world)
            work(desk, summing.compute, ranks.world.rank, n_threads)
    return Found(summing.sums, summing.scales, results, summing.busy_seconds)


class _Summing:
    """Computes units in any thread and adds what they yield to this rank's sums."""

    def __init__(self, job: Job, poses: Poses, searches: Searches, run: Run) -> None:
        self.job, self.poses, self.searches, self.run = job, poses, searches, run
        # What is summed does not depend on the geometry of the images.
        self.sums = {half: of_half[0].zero_sums() for half, of_half in searches.items()}
        self.scales = {half: of_half[0].scales for half, of_half in searches.items()}
        self.busy_seconds = 0.0
        self._lock = threading.Lock()
        self._idle: dict[int, list[Workspace]] = {half: [] for half in searches}

    def compute(self, unit: Unit) -> UnitResult:
        """Run one unit; called by several threads at once."""
        start = time.thread_time()
        job, half = self.job, unit.half
        with self._lock:
            workspace = self._idle[half].pop() if self._idle[half] else None
        workspace = workspace or Workspace(self.searches[half][0])
        search = self.searches[half][unit.geometry]
        read = job.read_pairs if search.plan.rules.inserts_others else job.read_images
        images = read(unit.rows, search.plan.images)
        result = self.run(
            images,
            unit.rows,
            job.particles,
            self.poses[unit.rows],
            search,
            workspace,
        )
        with self._lock:
            try:
                workspace.add_to(self.sums[half])
            except DataError as error:
                brightest = np.abs(images.reshape(len(images), -1)).max(axis=1)
                highest = np.where(result.fault == 0, brightest, 0.0)
                name = job.particles.name(int(unit.rows[np.argmax(highest)]))
                raise DataError(f"{name}, the brightest of {len(images)}: {error}") from error
            self._idle[half].append(workspace)
            self.busy_seconds += time.thread_time() - start
        return result
