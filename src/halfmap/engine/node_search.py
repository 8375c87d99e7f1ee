"""The big read-only arrays of the expectation, held once per node."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace

import numpy as np
from jaxtyping import Float32
from mpi4py import MPI
from numpy import ndarray as Array

from halfmap.engine.job import Job
from halfmap.model.half_model import HalfModel
from halfmap.model.projection import fourier_reference, reference_sphere
from halfmap.model.reference import FourierReference
from halfmap.model.schedule import Schedule
from halfmap.parallel.collectives import hand_over, share
from halfmap.parallel.node_memory import NodeArrays
from halfmap.steps.search import Search, make_search
from halfmap.steps.search_plan import SearchPlan, SearchRules
from halfmap.steps.slices import coarse_shape, fill_coarse_slices

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
            references[half] = _transformed(job, models[half], size, memory)
        yield references


def _transformed(
    job: Job, model: HalfModel, size: int, memory: NodeArrays
) -> tuple[FourierReference, ...]:
    """Transform the maps of a half, each on one rank, into memory of the node. Collective."""
    node, padding = memory.node, job.options.padding
    sphere = reference_sphere((model.maps.shape[1], job.box), size, padding)
    volumes = _dealt(job, model, node)
    arrays = [memory.empty(sphere.shape, np.complex64)[0] for _ in range(job.options.n_classes)]
    made = {
        k: fourier_reference(volume, size, padding, job.interpolation, job.shown, arrays[k])
        for k, volume in volumes.items()
    }
    references = []
    for k, values in enumerate(arrays):
        maker, own = k % node.size, made.get(k)
        frame = None if own is None else replace(own, values=np.empty((0, 0, 0), np.complex64))
        memory.complete(values, maker)
        references.append(replace(share(frame, node, maker), values=values))
    return tuple(references)


def _dealt(job: Job, model: HalfModel, node: MPI.Intracomm) -> dict[int, Float32[Array, "z y x"]]:
    """Deal out the maps of a half, which the first rank of the node holds. Collective."""
    volumes = {}
    for k in range(job.options.n_classes):
        maker = k % node.size
        if node.rank in (0, maker):
            held = node.rank == 0
            volume = model.maps[k] if held else np.empty(model.maps.shape[1:], np.float32)
            hand_over(volume, node, 0, maker)
            if node.rank == maker:
                volumes[k] = volume
    return volumes


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
