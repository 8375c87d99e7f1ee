"""The expectation step of all ranks: units are leased, computed and summed."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, nullcontext
from dataclasses import dataclass
from typing import NamedTuple

from halfmap.engine.job import Job
from halfmap.engine.keeping.checkpoints import NOTHING, Kept, checkpointed
from halfmap.engine.keeping.signals import check_signals
from halfmap.engine.node_search import Searches, sliced
from halfmap.engine.particle_results import ParticleResults
from halfmap.engine.stopwatch import Stopwatch
from halfmap.engine.summing import Run, Summing
from halfmap.engine.surviving.pulse import effort
from halfmap.model.exact import SumScales
from halfmap.model.particles import Poses
from halfmap.model.schedule import Schedule
from halfmap.parallel.collectives import all_or_none
from halfmap.parallel.leases import Accept, Desk, LocalDesk, RemoteDesk, lead, work
from halfmap.parallel.node_sums import SharedSums
from halfmap.parallel.units import LeaseBook, Unit, renumbered
from halfmap.steps.expectation import UnitResult, run_unit


@dataclass(frozen=True, slots=True)
class Found:
    """What an expectation leaves on this rank."""

    sums: dict[int, SharedSums]
    """Of the units of this rank, and of those that it shares them with, by half."""
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

    One image geometry after the other, so that the slices of one are held at a time; where memory
    is short also one half after the other.

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
    summing = Summing(job, poses, searches, (run, len(units)))
    keeping = nullcontext(NOTHING) if task else checkpointed(job, schedule, summing, units)
    watch.add("expectation", 0.0)  # a phase, also where every unit has been kept
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
        for halves, geometry in _pieces(searches, due):
            own = tuple(u for u in due if u.half in halves and u.geometry == geometry)
            with ExitStack() as stack:
                with watch.phase("preparation"):
                    stack.enter_context(searches.turn(halves))
                    summing.searches = stack.enter_context(sliced(job, searches, halves, geometry))
                with watch.phase("expectation"):
                    _lease(job, own, summing, accept)
            summing.forget(searches.turns)
    return Found(
        sums={half: held.shared for half, held in summing.halves.items()},
        scales={half: held.scales for half, held in summing.halves.items()},
        results=results,
        busy_seconds=summing.busy_seconds + summing.ahead.seconds,
        kept=kept,
    )


def _pieces(searches: Searches, due: Sequence[Unit]) -> Iterator[tuple[tuple[int, ...], int]]:
    """Yield what is leased together: units of some halves and one image geometry."""
    for halves in searches.turns:
        for geometry in sorted({unit.geometry for unit in due if unit.half in halves}):
            yield halves, geometry


def _lease(job: Job, units: tuple[Unit, ...], summing: Summing, accept: Accept) -> None:
    """Compute some units: lease them to the workers, or work. Collective."""
    ranks, n_threads, numbered = job.ranks, job.options.n_threads, renumbered(units)

    def compute(unit: Unit) -> UnitResult:
        check_signals()
        with effort():
            return summing.compute(units[unit.number])

    def announce(unit: Unit) -> None:
        summing.ahead.announce(units[unit.number])

    def unless_stopped(unit: Unit, result: UnitResult) -> None:
        check_signals()
        accept(unit, result)

    if ranks.leads and ranks.world.size > 1:
        lead(LeaseBook(numbered), ranks, unless_stopped)
        return
    desk: Desk = RemoteDesk(numbered, ranks.world)
    if ranks.leads:
        desk = LocalDesk(LeaseBook(numbered), ranks.served[0], accept)
    with summing.ahead.running():
        work(desk, compute, ranks.world.rank, n_threads, announce)
