"""The course that is expected, with what each of its iterations costs: trials at a few of them."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import groupby

from halfmap.engine.degrees import volumes_at
from halfmap.engine.job import Job
from halfmap.engine.planning.cost import Cost
from halfmap.engine.planning.duration import narrowed
from halfmap.engine.planning.expected_accuracy import ExpectedAccuracy
from halfmap.engine.planning.memory import Iteration, sizes_of
from halfmap.engine.planning.planted import expected_power
from halfmap.engine.planning.scenario import expected_iterations
from halfmap.engine.planning.trial import Trials
from halfmap.engine.planning.trial_maps import tried_maps
from halfmap.engine.state import State
from halfmap.model.schedule import Schedule

FIRST_S = 3.0
"""The first iteration, which is often the longest, is worth a longer trial."""
TRIALS_S = 8.0
"""All other trials together take about so long, at most; each has some particles however."""


def tried_course(job: Job, state: State) -> tuple[Iteration, ...]:
    """Try the iterations that are expected, on the rank that has the maps of the first half."""
    model = state.models[0]
    power = expected_power(job, model, state.schedule)
    trials = Trials(job, model, state.poses, power)
    accuracies = ExpectedAccuracy(job, trials.later, (state.poses, trials.rows), power)
    course = expected_iterations(job, state.schedule, accuracies)
    begins = state.schedule.iteration == 0
    first = trials.of(course[0], FIRST_S, first=True) if begins else None
    costs, maps, made = list(_costs(trials, course, first)), tried_maps(job, course, model), []
    for schedule, cost, of_map in zip(course, costs, maps, strict=True):
        units = job.units_at(schedule)
        n = sum(len(unit.rows) for unit in units)
        sizes, volumes = sizes_of(job, schedule, cost), volumes_at(job, schedule)
        made.append(Iteration(schedule, cost, of_map, sizes, volumes, n, len(units)))
    if first is not None:
        made[0] = replace(made[0], cost=first)
        made = narrowed(job, made, first, costs[0])
    return tuple(made)


def _costs(trials: Trials, course: Sequence[Schedule], first: Cost | None) -> Iterator[Cost]:
    """Yield the cost of each iteration; the ends of each level are tried.

    Parameters
    ----------
    first
        Cost of the first iteration with the maps that there are.
    """
    levels = [list(own) for _, own in groupby(course, key=_level)]
    ends = [list({it.current_size: it for it in (own[0], own[-1])}.values()) for own in levels]
    limit_s = TRIALS_S / sum(map(len, ends))
    searched, before = 1.0, _directions(course[0])
    for own, tried in zip(levels, ends, strict=True):
        costs = [(it.current_size, trials.of(it, limit_s, first=False)) for it in tried]
        for schedule in own:
            searched = searched if before == _directions(schedule) else 1.0
            before = _directions(schedule)
            cost = _between(schedule.current_size, costs[0], costs[-1])
            yield cost.where_particles_were(searched)
            found = first if first is not None and schedule is course[0] else cost
            searched = min(searched, found.occupied_by(trials.n_particles))


def _directions(schedule: Schedule) -> tuple[object, ...]:
    """Return what decides on the list of directions."""
    return schedule.sampling.healpix_order, schedule.sampling.symmetry


def _level(schedule: Schedule) -> tuple[object, ...]:
    """Return what all windows of a sampling have in common.

    The window of the first pass follows the sampling one iteration later.
    """
    own = schedule.sampling
    steps = own.healpix_order, own.psi_step_deg, own.offset_step_A, own.prior_sigma_deg
    return *steps, schedule.coarse_size, schedule.converged


def _between(size: int, low: tuple[int, Cost], high: tuple[int, Cost]) -> Cost:
    """Interpolate between two windows, as powers of them."""
    (small, first), (large, last) = low, high
    if small == large:
        return first
    share = math.log(size / small) / math.log(large / small)

    def mixed(a: float, b: float) -> float:
        return math.exp(math.log(max(a, 1e-9)) * (1.0 - share) + math.log(max(b, 1e-9)) * share)

    return Cost(
        particle_s=mixed(first.particle_s, last.particle_s),
        coarse_s=mixed(first.coarse_s, last.coarse_s),
        unit_s=mixed(first.unit_s, last.unit_s),
        slices_s=mixed(first.slices_s, last.slices_s),
        fresh_s=mixed(first.fresh_s, last.fresh_s),
        thread_bytes=max(first.thread_bytes, last.thread_bytes),
        n_significant=mixed(first.n_significant, last.n_significant),
        occupied=mixed(first.occupied, last.occupied),
        n_rows=last.n_rows,
    )
