"""The big read-only arrays of the expectation, held once per node."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace

import numpy as np

from halfmap.engine.job import Job
from halfmap.model.half_model import HalfModel
from halfmap.model.projection import fourier_reference
from halfmap.model.reference import FourierReference
from halfmap.model.schedule import Schedule
from halfmap.parallel.collectives import share
from halfmap.parallel.node_memory import NodeArrays
from halfmap.steps.search import (
    Search,
    SearchPlan,
    SearchRules,
    coarse_shape,
    fill_coarse_slices,
    make_search,
)

References = dict[int, tuple[FourierReference, ...]]
Searches = dict[int, Callable[[int], Search]]
"""Of each half, what makes the search of an image geometry; without coarse slices."""


@contextmanager
def projected(job: Job, models: Mapping[int, HalfModel], size: int) -> Iterator[References]:
    """Transform the maps of the halves that this rank serves. Collective.

    Parameters
    ----------
    models
        By half.
    size
        Fourier window of the iteration, px.
    """
    with ExitStack() as stack:
        references: References = {}
        for half, team in job.ranks.teams.items():
            memory = stack.enter_context(NodeArrays(team.node))
            references[half] = tuple(
                _reference(job, models[half], (k, size), memory)
                for k in range(job.options.n_classes)
            )
        yield references


def _reference(
    job: Job, model: HalfModel, which: tuple[int, int], memory: NodeArrays
) -> FourierReference:
    """Transform a map on the first rank of the node, which holds it, and share the transform.

    ``which``: its class, and the Fourier window.
    """
    made = None
    if memory.node.rank == 0:
        class_index, size = which
        padding, shown = job.options.padding, job.shown
        made = fourier_reference(model.maps[class_index], size, padding, job.interpolation, shown)
    frame = None if made is None else replace(made, values=np.empty((0, 0, 0), np.complex64))
    shape, frame = share((None if made is None else made.values.shape, frame), memory.node)
    assert shape is not None
    assert frame is not None
    values = memory.share(None if made is None else made.values, shape, np.complex64)
    return replace(frame, values=values)


def searches(
    job: Job, models: Mapping[int, HalfModel], schedule: Schedule, references: References
) -> Searches:
    """Prepare what all units of a half share, all but the coarse slices."""
    plans = [
        SearchPlan(
            sampling=schedule.sampling,
            images=images,
            current_size=schedule.current_size,
            coarse_size=schedule.coarse_size,
            rules=_rules(job, schedule),
            n_particles=len(job.particles),
            interpolation=job.interpolation,
            seed_class=job.seed_classes_at(schedule.iteration),
        )
        for images in job.images
    ]

    def of_half(half: int) -> Callable[[int], Search]:
        known = models[half], references[half]
        return lambda geometry: make_search(*known, plans[geometry], job.kernels)

    return {half: of_half(half) for half in job.ranks.teams}


@contextmanager
def sliced(job: Job, prepared: Searches, geometry: int) -> Iterator[dict[int, Search]]:
    """Cut the coarse slices for images of one geometry. Collective: a node's ranks do it together.

    Held for one geometry at a time: there may be as many as optics groups.
    """
    with ExitStack() as stack:
        found = {}
        for half, team in job.ranks.teams.items():
            memory = stack.enter_context(NodeArrays(team.node))
            found[half] = _with_slices(prepared[half](geometry), memory)
        yield found


def _rules(job: Job, schedule: Schedule) -> SearchRules:
    """Return the rules of an iteration; in the last one other images may make the map."""
    others = schedule.converged and job.inserted_source is not None
    return replace(job.search_rules_at(schedule.iteration), inserts_others=others)


def _with_slices(search: Search, memory: NodeArrays) -> Search:
    """Cut the coarse slices of a search, each rank of the node its part. Collective."""
    slices, rows = memory.empty(coarse_shape(search), np.float32)
    fill_coarse_slices(search, slices, rows)
    memory.node.Barrier()
    return replace(search, coarse_slices=slices)
