"""The expectation step of all ranks: units are leased, computed and summed."""

import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from halfmap.engine.job import Job
from halfmap.engine.node_search import Searches, sliced
from halfmap.engine.particle_results import ParticleResults
from halfmap.engine.stopwatch import Stopwatch
from halfmap.errors import DataError
from halfmap.model.exact import SumScales
from halfmap.model.particles import Poses
from halfmap.model.schedule import Schedule
from halfmap.model.sums import ExpectationSums
from halfmap.parallel.leases import Accept, LocalDesk, RemoteDesk, lead, work
from halfmap.parallel.units import LeaseBook, Unit, renumbered
from halfmap.steps.expectation import UnitResult, Workspace, run_unit
from halfmap.steps.search import Search


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
    job: Job,
    poses: Poses,
    searches: Searches,
    schedule: Schedule,
    watch: Stopwatch,
    task: Task | None = None,
) -> Found:
    """Compute every unit of an iteration once, somewhere. Collective.

    One image geometry after the other, so that the slices of one are held at a time.

    Parameters
    ----------
    poses
        Of all particles.
    searches
        Of the halves that this rank serves.
    watch
        Told how long cutting slices and computing units takes.
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
    n_particles = sum(len(unit.rows) for unit in units)
    with job.console.progress(n_particles, label) as step:

        def accept(unit: Unit, result: UnitResult) -> None:
            results.accept(unit, result)
            job.quarantine.check(unit.rows, result.fault)
            step(len(unit.rows))

        for geometry in range(len(job.images)):
            own = tuple(unit for unit in units if unit.geometry == geometry)
            with ExitStack() as stack:
                with watch.phase("preparation"):
                    summing.searches = stack.enter_context(sliced(job, searches, geometry))
                with watch.phase("expectation"):
                    _lease(job, renumbered(own), summing, accept)
    return Found(summing.sums, summing.scales, results, summing.busy_seconds)


def _lease(job: Job, units: tuple[Unit, ...], summing: "_Summing", accept: Accept) -> None:
    """Compute some units: lease them to the workers, or work. Collective."""
    ranks, book, n_threads = job.ranks, LeaseBook(units), job.options.n_threads
    if ranks.world.size == 1:
        work(LocalDesk(book, ranks.served[0], accept), summing.compute, 0, n_threads)
    elif ranks.leads:
        lead(book, ranks, accept)
    else:
        work(RemoteDesk(units, ranks.world), summing.compute, ranks.world.rank, n_threads)


class _Summing:
    """Computes units in any thread and adds what they yield to this rank's sums."""

    def __init__(self, job: Job, poses: Poses, searches: Searches, run: Run) -> None:
        self.job, self.poses, self.run = job, poses, run
        self.searches: dict[int, Search] = {}
        """Of each half, for images of the present geometry."""
        # What is summed does not depend on the geometry of the images.
        self._any_search = {half: make(0) for half, make in searches.items()}
        self.sums = {half: search.zero_sums() for half, search in self._any_search.items()}
        self.scales = {half: search.scales for half, search in self._any_search.items()}
        self.busy_seconds = 0.0
        self._lock = threading.Lock()
        self._idle: dict[int, list[Workspace]] = {half: [] for half in searches}

    def compute(self, unit: Unit) -> UnitResult:
        """Run one unit; called by several threads at once."""
        start = time.thread_time()
        job, half = self.job, unit.half
        with self._lock:
            workspace = self._idle[half].pop() if self._idle[half] else None
        search = self.searches[half]
        workspace = workspace or Workspace(self._any_search[half])
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
