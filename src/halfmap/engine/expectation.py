"""The expectation step of all ranks: units are leased, computed and summed."""

from contextlib import ExitStack, nullcontext
from dataclasses import dataclass
from typing import NamedTuple

from halfmap.engine.checkpoints import NOTHING, Kept, checkpointed
from halfmap.engine.job import Job
from halfmap.engine.node_search import Searches, sliced
from halfmap.engine.particle_results import ParticleResults
from halfmap.engine.signals import check_signals
from halfmap.engine.stopwatch import Stopwatch
from halfmap.engine.summing import Run, Summing
from halfmap.model.exact import SumScales
from halfmap.model.particles import Poses
from halfmap.model.schedule import Schedule
from halfmap.model.sums import ExpectationSums
from halfmap.parallel.collectives import all_or_none
from halfmap.parallel.leases import Accept, LocalDesk, RemoteDesk, lead, work
from halfmap.parallel.units import LeaseBook, Unit, renumbered
from halfmap.steps.expectation import UnitResult, run_unit


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
    kept: Kept
    """Of units that an earlier run computed, and that are not in ``sums``."""


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
    summing = Summing(job, poses, searches, run)
    keeping = nullcontext(NOTHING) if task else checkpointed(job, schedule, summing, units)
    results = ParticleResults(len(job.particles), job.options.n_classes)
    n_particles = sum(len(unit.rows) for unit in units)
    with job.console.progress(n_particles, label) as step, keeping as kept:

        def accept(unit: Unit, result: UnitResult) -> None:
            results.accept(unit, result)
            job.quarantine.check(unit.rows, result.fault)
            step(len(unit.rows))

        with all_or_none(job.ranks.world, "taking over results"):
            for number, result in kept.stored.results.items():
                accept(units[number], result)
        due = [unit for unit in units if unit.number not in kept.stored.units]
        for geometry in sorted({unit.geometry for unit in due}):
            own = tuple(unit for unit in due if unit.geometry == geometry)
            with ExitStack() as stack:
                with watch.phase("preparation"):
                    summing.searches = stack.enter_context(sliced(job, searches, geometry))
                with watch.phase("expectation"):
                    _lease(job, own, summing, accept)
    return Found(
        sums={half: held.sums for half, held in summing.halves.items()},
        scales={half: held.scales for half, held in summing.halves.items()},
        results=results,
        busy_seconds=summing.busy_seconds,
        kept=kept,
    )


def _lease(job: Job, units: tuple[Unit, ...], summing: Summing, accept: Accept) -> None:
    """Compute some units: lease them to the workers, or work. Collective."""
    ranks, n_threads, numbered = job.ranks, job.options.n_threads, renumbered(units)

    def compute(unit: Unit) -> UnitResult:
        check_signals()
        return summing.compute(units[unit.number])

    def unless_stopped(unit: Unit, result: UnitResult) -> None:
        check_signals()
        accept(unit, result)

    if ranks.world.size == 1:
        desk = LocalDesk(LeaseBook(numbered), ranks.served[0], accept)
        work(desk, compute, 0, n_threads)
    elif ranks.leads:
        lead(LeaseBook(numbered), ranks, unless_stopped)
    else:
        work(RemoteDesk(numbered, ranks.world), compute, ranks.world.rank, n_threads)
