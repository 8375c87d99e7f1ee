"""The big read-only arrays of the expectation, held once per node."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace

import numpy as np
from jaxtyping import Float32
from mpi4py import MPI
from numpy import ndarray as Array

from halfmap.engine.crew import Crew, on_node
from halfmap.engine.degrees import Stretch
from halfmap.engine.job import Job
from halfmap.model.half_model import HalfModel
from halfmap.model.projection import reference_sphere
from halfmap.model.reference import FourierReference
from halfmap.model.schedule import Schedule
from halfmap.parallel.collectives import hand_over, share, wait_for_all
from halfmap.parallel.node_memory import NodeArrays
from halfmap.steps.references import Transform, transformed
from halfmap.steps.search import Search, make_search
from halfmap.steps.search_plan import SearchPlan, SearchRules
from halfmap.steps.slices import coarse_shape, fill_coarse_slices

References = Mapping[int, tuple[FourierReference, ...]]
"""Of each half, one a class."""


@dataclass(frozen=True, slots=True)
class Searches:
    """What the units of each half share, made when it is wanted."""

    of: dict[int, Callable[[int], Search]]
    """Of each half, what makes the search of an image geometry; without coarse slices."""
    stretch: Stretch
    transforms: dict[int, "HalfTransforms"] = field(default_factory=dict)

    @property
    def turns(self) -> tuple[tuple[int, ...], ...]:
        """Halves whose units are computed at the same time."""
        return self.stretch.turns

    @contextmanager
    def turn(self, halves: tuple[int, ...]) -> Iterator[None]:
        """Have the references of some halves at hand. Collective over the ranks of a node."""
        own = [self.transforms[half] for half in halves if half in self.transforms]
        for transforms in own:
            transforms.bring()
        yield
        if len(self.turns) > 1:
            for transforms in own:
                transforms.vacate()


class HalfTransforms:
    """The transforms of a half's maps in memory of the node: let go of, and made again."""

    def __init__(self, job: Job, model: HalfModel, size: int, memory: NodeArrays) -> None:
        """Transform. Collective over ``memory.node``, as all that is done with them."""
        self._job, self._model, self._size, self._memory = job, model, size, memory
        sphere = reference_sphere((model.maps.shape[1], job.box), size, job.options.padding)
        n_classes = job.options.n_classes
        self._arrays = [memory.empty(sphere.shape, np.complex64)[0] for _ in range(n_classes)]
        self._are_there = True
        node = memory.node
        alone = node.size == 1 or not memory.shares(self._arrays[0])
        self._n_crews = node.size if alone else min(n_classes, node.size)
        self._crew = Crew.of(node, self._n_crews)
        made = self._made()
        frames = {k: replace(own, values=np.empty((0, 0, 0), np.complex64)) for k, own in made}
        self.references = tuple(
            replace(share(frames.get(k), node, k % self._n_crews), values=values)
            for k, values in enumerate(self._arrays)
        )

    def bring(self) -> None:
        """Make them again, if they were let go of."""
        if not self._are_there:
            self._made()
            self._are_there = True

    def vacate(self) -> None:
        """Let go of them: their memory is free, the arrays are zero."""
        self._memory.vacate()
        self._are_there = False

    def _made(self) -> list[tuple[int, FourierReference]]:
        """Fill the arrays; each class is made by some ranks, which return it."""
        job, node, shape = self._job, self._memory.node, self._model.maps.shape[1:]
        crew, made = self._crew, []
        volumes = _dealt(job, self._model, node, self._n_crews)
        how = Transform(self._size, job.options.padding, job.interpolation, job.shown)
        for k in range(node.rank % self._n_crews, len(self._arrays), self._n_crews):
            volume = NodeArrays(crew.comm).share(volumes.get(k), shape, np.float32)
            phases = transformed(volume, how, self._arrays[k], crew.empty)
            made.append((k, on_node(job, crew, phases, "transforming maps")))
        for k, values in enumerate(self._arrays):
            self._memory.complete(values, k % self._n_crews)
        return made


@contextmanager
def projected(
    job: Job, models: Mapping[int, HalfModel], size: int, stretch: Stretch
) -> Iterator[dict[int, HalfTransforms]]:
    """Transform the maps of the halves that this rank serves. Collective.

    Parameters
    ----------
    models
        By half.
    size
        Fourier window of the iteration, px.
    stretch
        If halves go in turn, only those of the first turn are there in the end.
    """
    in_turn = len(stretch.turns) > 1
    with ExitStack() as stack:
        made = {}
        for halves in reversed(stretch.turns):
            for half in halves:
                if half in job.ranks.teams:
                    node = job.ranks.teams[half].node
                    memory = stack.enter_context(NodeArrays(node, can_vacate=in_turn))
                    made[half] = HalfTransforms(job, models[half], size, memory)
                    if halves != stretch.turns[0]:
                        made[half].vacate()
            if in_turn:
                wait_for_all(job.ranks.world)
        yield made


def _dealt(
    job: Job, model: HalfModel, node: MPI.Intracomm, n_crews: int
) -> dict[int, Float32[Array, "z y x"]]:
    """Deal out the maps of a half, which the first rank of the node holds. Collective."""
    volumes = {}
    for k in range(job.options.n_classes):
        maker = k % n_crews
        if node.rank in (0, maker):
            held = node.rank == 0
            volume = model.maps[k] if held else np.empty(model.maps.shape[1:], np.float32)
            hand_over(volume, node, 0, maker)
            if node.rank == maker:
                volumes[k] = volume
    return volumes


def searches(
    job: Job,
    models: Mapping[int, HalfModel],
    schedule: Schedule,
    references: References,
) -> dict[int, Callable[[int], Search]]:
    """Prepare what all units of a half share, all but the coarse slices: see `Searches.of`."""
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
def sliced(
    job: Job, prepared: Searches, halves: tuple[int, ...], geometry: int
) -> Iterator[dict[int, Search]]:
    """Cut the coarse slices for images of one geometry. Collective: a node's ranks do it together.

    Held for one geometry at a time: there may be as many as optics groups.
    """
    with ExitStack() as stack:
        found = {}
        for half, team in job.ranks.teams.items():
            if half in halves:
                memory = stack.enter_context(NodeArrays(team.node))
                found[half] = _with_slices(prepared.of[half](geometry), memory)
        yield found


def _rules(job: Job, schedule: Schedule) -> SearchRules:
    """Return the rules of an iteration; in the last one other images may make the map."""
    others = job.inserts_others(schedule)
    return replace(job.search_rules_at(schedule.iteration), inserts_others=others)


def _with_slices(search: Search, memory: NodeArrays) -> Search:
    """Cut the coarse slices of a search, each rank of the node its part. Collective."""
    slices, rows = memory.empty(coarse_shape(search), np.float32)
    fill_coarse_slices(search, slices, rows)
    memory.node.Barrier()
    return replace(search, coarse_slices=slices)
