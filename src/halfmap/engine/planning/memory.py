"""Memory of every rank and node in every phase of an iteration."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from halfmap.engine.degrees import GB, MARGIN, Stretch
from halfmap.engine.job import Job
from halfmap.engine.planning.cost import Cost
from halfmap.engine.planning.layout import Layout
from halfmap.engine.planning.trial_maps import MapCost
from halfmap.model.disc import make_disc
from halfmap.model.orientations import direction_pixels
from halfmap.model.padded_sphere import PaddedSphere
from halfmap.model.reference import FourierReference
from halfmap.model.schedule import Schedule
from halfmap.model.sums import ExpectationSums
from halfmap.model.touched_voxels import n_touched
from halfmap.steps.memory_plan import Degrees, NodeLoad, Volumes, degrees_within, n_bytes_of_node
from halfmap.steps.slices import n_bytes_of_slices
from halfmap.steps.unit_grid import n_bytes_of_unit_grid

LIBRARIES = "libraries and tables"
START = ""
"""The phase before the first iteration; the others are those of the stopwatch."""
PHASES = (START, "preparation", "expectation", "maximisation")


@dataclass(frozen=True, slots=True)
class Base:
    """What a rank holds before and besides all that depends on the sizes of maps, bytes."""

    worker: int
    leader: int
    """With the tables, and no kernels."""
    both: int
    """Of a rank that leads and works."""
    start: int
    """Peak of the leader when it reads tables and maps."""
    files: int
    """Of a rank: libraries, whose pages the ranks of a node share."""


@dataclass(frozen=True, slots=True)
class Item:
    """Something that takes memory."""

    name: str
    n_bytes: int
    shared: str = ""
    """Name of the copy that all ranks of a node use; empty: each has its own."""


@dataclass(frozen=True, slots=True)
class Moment:
    """What a rank holds at once."""

    iteration: int
    phase: str
    items: tuple[Item, ...]

    @property
    def n_bytes(self) -> int:
        """Resident memory of the rank; what is shared counts wholly, as the system counts it."""
        return sum(item.n_bytes for item in self.items)

    @property
    def by_name(self) -> dict[str, int]:
        """Bytes of items of the same name together."""
        found: dict[str, int] = {}
        for item in self.items:
            found[item.name] = found.get(item.name, 0) + item.n_bytes
        return found


@dataclass(frozen=True, slots=True)
class Sizes:
    """Bytes of the large arrays of one iteration."""

    maps: int
    """Of all classes of a half."""
    references: int
    """The same."""
    slices: int
    """The same."""
    sums: int
    """The same."""
    grid: int
    """Of a unit, in one piece."""


def sizes_of(job: Job, schedule: Schedule, cost: Cost) -> Sizes:
    """Return the sizes of an iteration, as the allocators will ask for them."""
    n_classes, box = job.options.n_classes, job.box
    sphere = PaddedSphere(schedule.current_size // 2, job.padding, job.flat)
    geometry = max((images.geometry for images in job.images), key=lambda g: g.box)
    disc = make_disc(schedule.current_size, schedule.coarse_size, geometry)
    noise = len(job.optics), box // 2 + 1
    n_directions = len(direction_pixels(schedule.sampling)[0])
    return Sizes(
        maps=4 * n_classes * (1 if job.flat else box) * box**2,
        references=n_classes * FourierReference.n_bytes_of(sphere),
        slices=n_bytes_of_slices(cost.n_rows, disc),
        sums=ExpectationSums.n_bytes_of(n_classes, n_touched(sphere), noise, n_directions),
        grid=n_bytes_of_unit_grid(sphere, n_classes),
    )


@dataclass(frozen=True, slots=True)
class Iteration:
    """An iteration with what it costs."""

    schedule: Schedule
    cost: Cost
    maps: MapCost
    sizes: Sizes
    volumes: Volumes
    n_particles: int
    n_units: int


def moments(job: Job, layout: Layout, base: Base, it: Iteration, rank: int) -> list[Moment]:
    """Return what a rank holds in each phase of an iteration."""
    number, degrees = it.schedule.iteration, stretch_of(job, layout, it, layout.node[rank]).degrees
    if layout.leads_only(rank):
        later = (Item(LIBRARIES, base.leader),)
        start = (Item(LIBRARIES, max(base.leader, base.start)),)
        return [Moment(number, phase, later if phase else start) for phase in PHASES]
    library = base.worker if rank else base.both
    always = [Item(LIBRARIES, library), *_maps(layout, it.sizes, rank)]
    references = list(_shared("references", it.sizes.references, (layout, degrees), rank))
    slices = list(_shared("coarse slices", it.sizes.slices, (layout, degrees), rank))
    sums = list(sums_of(it.sizes.sums, layout, degrees, rank))
    # A thread that works for both halves at a time has a workspace for each.
    n_workspaces = layout.n_threads * (1 if degrees.in_turn else len(layout.served[rank]))
    grid = _grid_bytes(it.volumes.sphere, job.options.n_classes, degrees.n_slabs)
    work = [
        Item("grids of units", grid * n_workspaces),
        Item("work of threads", it.cost.thread_bytes * layout.n_threads),
        Item("images read ahead", it.volumes.images),
    ]
    alone = [item for item in references if not item.shared]
    phases = {
        START: [Item("reading tables and maps", 0 if rank else max(0, base.start - base.both))],
        "preparation": [*references, Item("transforming maps", round(it.maps.transform_bytes))],
        "expectation": [*references, *slices, *sums, *work],
        "maximisation": [*alone, *sums, *_making(job, layout, it, rank)],
    }
    return [Moment(number, name, (*always, *items)) for name, items in phases.items()]


def _maps(layout: Layout, sizes: Sizes, rank: int) -> Iterator[Item]:
    """Yield the maps, which the first rank of a node holds of each half."""
    n = sum(layout.beside(rank, half)[0] == rank for half in layout.served[rank])
    if n:
        yield Item("maps", n * sizes.maps)


def stretch_of(job: Job, layout: Layout, it: Iteration, node: int) -> Stretch:
    """Return how far the run itself will stretch the memory of a node.

    Halves go in turn on all nodes if they must on one.
    """
    budget = GB * job.options.memory_GB or MARGIN * (layout.node_bytes - layout.copies)
    every = {load: _degrees(load, it.volumes, budget) for load in _loads(layout)}
    load = _loads(layout)[node]
    in_turn = any(degrees.in_turn for degrees in every.values())
    degrees = replace(every[load], in_turn=in_turn)
    return Stretch(degrees, (), _node_bytes(load, it.volumes, degrees), budget)


@lru_cache(maxsize=64)
def _loads(layout: Layout) -> tuple[NodeLoad, ...]:
    """Return what works on each node."""
    loads = []
    for node in range(layout.n_nodes):
        ranks = [rank for rank, place in enumerate(layout.node) if place == node]
        workers = tuple(
            sum(half in layout.served[rank] for rank in ranks) for half in range(layout.n_halves)
        )
        loads.append(NodeLoad(workers, len(ranks), layout.n_threads))
    return tuple(loads)


def stretch_text(job: Job, layout: Layout, iterations: Sequence[Iteration]) -> str:
    """Say from when on the run does with less memory, and how; empty if it need not."""
    for it in iterations:
        for node in range(layout.n_nodes):
            text = stretch_of(job, layout, it, node).text
            if text:
                return f"from iteration {it.schedule.iteration} on, {text}"
    return ""


_degrees = lru_cache(maxsize=4096)(degrees_within)
_node_bytes = lru_cache(maxsize=4096)(n_bytes_of_node)
_grid_bytes = lru_cache(maxsize=4096)(n_bytes_of_unit_grid)
"""They are asked for each rank of each plan that is considered."""


def sums_of(n_bytes: int, layout: Layout, degrees: Degrees, rank: int) -> Iterator[Item]:
    """Yield the sums that a rank adds to; in files they are no memory that anyone must have."""
    for half in layout.served[rank] if not degrees.on_disc else ():
        beside, n_copies = layout.beside(rank, half), degrees.n_copies[half]
        copy = beside.index(rank) * n_copies // len(beside)
        is_shared = n_copies < len(beside)
        yield Item("sums", n_bytes, f"sums of half {half}, {copy}" if is_shared else "")


def _shared(name: str, n_bytes: int, how: tuple[Layout, Degrees], rank: int) -> Iterator[Item]:
    """Yield what the ranks of a half share on a node."""
    layout, degrees = how
    served = layout.served[rank][: 1 if degrees.in_turn else None]
    for half in served if n_bytes else ():
        is_shared = len(layout.beside(rank, half)) > 1
        yield Item(name, n_bytes, f"{name} of half {half}" if is_shared else "")


def _making(job: Job, layout: Layout, it: Iteration, rank: int) -> Iterator[Item]:
    """Yield what making maps takes besides the sums: ranks that make one together share it."""
    n_copies = stretch_of(job, layout, it, layout.node[rank]).degrees.n_copies
    for half in layout.served[rank]:
        beside = layout.beside(rank, half)
        n_own = [layout.n_own_classes(each, half, job.options.n_classes) for each in beside]
        at_once = min(n_copies[half], sum(n > 0 for n in n_own))
        if at_once:
            crew = beside.index(rank) % at_once
            name = f"map {crew} of half {half}" if at_once < len(beside) else ""
            yield Item("making a map", round(it.maps.map_bytes), name)


@dataclass(frozen=True, slots=True)
class Peak:
    """The largest need of a kind of rank, or of a node."""

    n_bytes: int
    moment: Moment
    place: int
    """Rank or node."""


def rank_peaks(job: Job, layout: Layout, base: Base, iterations: list[Iteration]) -> list[Peak]:
    """Return the peak of every rank."""
    peaks = []
    for rank in range(layout.n_ranks):
        every = [m for it in iterations for m in moments(job, layout, base, it, rank)]
        worst = max(every, key=lambda moment: moment.n_bytes)
        peaks.append(Peak(worst.n_bytes, worst, rank))
    return peaks


def node_peaks(job: Job, layout: Layout, base: Base, iterations: list[Iteration]) -> list[Peak]:
    """Return the peak of every node: what is shared counts once."""
    peaks = []
    for node in range(layout.n_nodes):
        ranks = [rank for rank, place in enumerate(layout.node) if place == node]
        found = [_of_node(job, layout, base, it, ranks) for it in iterations]
        n_bytes, worst = max((pair for pairs in found for pair in pairs), key=lambda p: p[0])
        peaks.append(Peak(n_bytes, worst, node))
    return peaks


def _of_node(
    job: Job, layout: Layout, base: Base, it: Iteration, ranks: list[int]
) -> list[tuple[int, Moment]]:
    """Return the need of a node in each phase, and the moment of its greediest rank."""
    by_rank = [moments(job, layout, base, it, rank) for rank in ranks]
    needs = []
    for now in zip(*by_rank, strict=True):
        own = sum(item.n_bytes for m in now for item in m.items if not item.shared)
        shared = {item.shared: item.n_bytes for m in now for item in m.items if item.shared}
        libraries = base.files * (len(ranks) - 1)
        whole = own + sum(shared.values()) - libraries + layout.copies
        needs.append((whole, max(now, key=lambda m: m.n_bytes)))
    return needs
