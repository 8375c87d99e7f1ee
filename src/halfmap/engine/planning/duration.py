"""Wall seconds of every phase, from what the trials took."""

from dataclasses import dataclass, replace

import numpy as np

from halfmap.engine.job import Job
from halfmap.engine.planning.cost import Cost
from halfmap.engine.planning.layout import Layout
from halfmap.engine.planning.memory import Iteration
from halfmap.engine.planning.scenario import still_undecided

SOME = 0.1
"""While so many poses are undecided, there are units that need as much memory as at first."""
ACCURACY_S = 0.1
"""To estimate how accurate poses can be."""
WRITE_BYTES_S = 300e6
"""Maps are written so fast, at least."""


@dataclass(frozen=True, slots=True)
class Phases:
    """Wall seconds of an iteration."""

    preparation: float
    expectation: float
    maximisation: float
    writing: float

    @property
    def total(self) -> float:
        """Seconds of the iteration."""
        return self.preparation + self.expectation + self.maximisation + self.writing


@dataclass(frozen=True, slots=True)
class Fixed:
    """What does not depend on the iteration, seconds."""

    start_s: float
    """From the launch to the first iteration."""
    table_s: float
    """To write the particle table."""


def narrowed(job: Job, iterations: list[Iteration], first: Cost, later: Cost) -> list[Iteration]:
    """Add to the cost of early iterations what their broad posteriors take.

    Parameters
    ----------
    first
        Cost of the first iteration, as tried with the maps that there are.
    later
        What it would be if its maps were as good as those of later ones.
    """
    excess = max(0.0, first.particle_s - later.particle_s)
    out = []
    for it in iterations:
        share, cost = still_undecided(job, it.schedule.iteration), it.cost
        if it is not iterations[0]:
            most = max(cost.thread_bytes, first.thread_bytes if share > SOME else 0)
            particle_s = cost.particle_s + share * excess
            cost = replace(cost, particle_s=particle_s, thread_bytes=most)
        out.append(replace(it, cost=cost))
    return out


def phases(job: Job, layout: Layout, it: Iteration, fixed: Fixed) -> Phases:
    """Return the wall seconds of an iteration on some ranks."""
    n_classes, halves = job.options.n_classes, range(layout.n_halves)
    preparation = ACCURACY_S
    making = 0.0
    for half in halves:
        near = min(len(layout.beside(rank, half)) for rank in layout.team(half))
        preparation += it.maps.transform_s * -(-n_classes // near) + it.cost.slices_s / near
        making = max(making, _making(layout, half, n_classes) * it.maps.map_s)
    if layout.n_halves == 2 and len(set(layout.roots)) == 2:  # side by side
        preparation = ACCURACY_S + (preparation - ACCURACY_S) / 2.0
    if layout.n_halves == 2 and it.schedule.converged:
        making *= 2.0  # unfiltered half maps besides
    map_bytes = it.sizes.maps * layout.n_halves
    return Phases(
        preparation, expectation(job, layout, it), making, fixed.table_s + map_bytes / WRITE_BYTES_S
    )


def _making(layout: Layout, half: int, n_classes: int) -> float:
    """Return how long the maps of a half take, if one takes 1 on one thread.

    The threads of a node share each map; a rank of both halves gives half of its own to each.
    """
    longest = 0.0
    for node in {layout.node[rank] for rank in layout.team(half)}:
        ranks = [rank for rank in layout.team(half) if layout.node[rank] == node]
        n_own = [layout.n_own_classes(rank, half, n_classes) for rank in ranks]
        threads = layout.threads_at_once(node) * sum(1 / len(layout.served[r]) for r in ranks)
        at_once = max(1, sum(n > 0 for n in n_own))
        longest = max(longest, -(-sum(n_own) // at_once) * at_once / threads)
    return longest


def expectation(job: Job, layout: Layout, it: Iteration) -> float:
    """Return the seconds until the last unit is done, units being leased on request."""
    units = job.units_at(it.schedule)
    sizes = np.array([len(unit.rows) for unit in units])
    seconds = sizes * it.cost.particle_s + it.cost.unit_s
    n_threads = layout.n_working_threads
    seconds += fresh_seconds(layout, it) / len(units)
    return float(max(seconds.max(), seconds.sum() / n_threads + seconds.mean() * _tail(n_threads)))


def fresh_seconds(layout: Layout, it: Iteration) -> float:
    """Return the CPU seconds of all threads for the pages of memory that each takes anew."""
    return min(layout.n_workspaces, it.n_units) * it.cost.fresh_s


def _tail(n_threads: int) -> float:
    """Return how long threads wait for the last unit, in units, in the mean."""
    return 0.5 * (n_threads - 1) / n_threads
