"""How the memory of a node is spent, and what is given up when it is short. Pure.

Nothing that is chosen here changes a result: only what is held once instead of several times, and
what is done piece by piece. The formulas say what the allocators ask for.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from halfmap.kernels.numba_symmetry import n_bytes_of_symmetrising
from halfmap.model.padded_sphere import PaddedSphere
from halfmap.model.padded_transform import CroppedInverse, padded_box
from halfmap.model.touched_voxels import n_touched
from halfmap.steps.unit_grid import n_bytes_of_unit_grid

PROCESS_BYTES = 300 * 2**20
"""Of a rank, before it holds any array: interpreter, libraries, compiled kernels."""
THREAD_BYTES = 200 * 2**20
"""Of a thread besides its grid: scores and slices of the batches of a unit, which are bounded."""
SLABS = (2, 4, 8, 16)
"""Every slab goes through all that a unit inserts; more would cost more time than memory."""
SUM_BYTES, VALUE_BYTES, MAP_BYTES = 3 * 8, 8, 4


@dataclass(frozen=True, slots=True)
class NodeLoad:
    """What works on a node."""

    workers: tuple[int, ...]
    """Of each half, the ranks that work for it here."""
    n_ranks: int
    n_threads: int
    """Of each rank."""

    @property
    def n_halves(self) -> int:
        """Halves that anyone works for here."""
        return sum(n > 0 for n in self.workers)


@dataclass(frozen=True, slots=True)
class Volumes:
    """How large the volumes of a half are in an iteration."""

    sphere: PaddedSphere
    box: int
    """Of the maps, px."""
    n_classes: int
    slices: int = 0
    """Bytes of the coarse slices of a global search."""
    images: int = 0
    """Bytes of the images of a unit: each worker reads one unit ahead."""
    symmetric: bool = False
    """Whether the sums are symmetrised."""

    @property
    def depth(self) -> int:
        """Planes of a map."""
        return 1 if self.sphere.flat else self.box

    @property
    def sums(self) -> int:
        """Bytes of one copy of the sums."""
        return SUM_BYTES * self.n_classes * n_touched(self.sphere)

    @property
    def references(self) -> int:
        """Bytes of the transforms."""
        return VALUE_BYTES * self.n_classes * int(np.prod(self.sphere.shape))

    @property
    def maps(self) -> int:
        """Bytes of the maps."""
        return MAP_BYTES * self.n_classes * self.depth * self.box**2

    @property
    def lines(self) -> int:
        """Bytes of what the transform of a map, or back to it, holds along x."""
        return self._way_back.lines_bytes

    @property
    def block(self) -> int:
        """Bytes of a thread that transforms back to a map."""
        return self._way_back.block_bytes

    @property
    def making(self) -> int:
        """Bytes that a map in the making takes besides the sums and itself."""
        return max(self.lines, n_bytes_of_symmetrising(self.sphere) if self.symmetric else 0)

    @property
    def _way_back(self) -> CroppedInverse:
        padded = padded_box(self.box, self.sphere.padding)
        return CroppedInverse(self.sphere.half, (self.depth, self.box), padded)


@dataclass(frozen=True, slots=True)
class Degrees:
    """How far the memory of a node is stretched."""

    n_copies: tuple[int, ...]
    """Copies of the sums of each half; ranks that share one add to it in turn."""
    shares: bool = False
    """Whether there are fewer copies than ranks."""
    in_turn: bool = False
    """One half after the other, so that the references of one are held."""
    n_slabs: int = 1
    """Pieces in which a unit is inserted."""
    on_disc: bool = False
    """Sums are in files, of which the system holds in memory what it has room for."""


def n_bytes_of_node(load: NodeLoad, volumes: Volumes, degrees: Degrees) -> int:
    """Return the largest need of a node in an iteration."""
    at_once = min(1, load.n_halves) if degrees.in_turn else load.n_halves
    n_sums = max(degrees.n_copies) if degrees.on_disc else sum(degrees.n_copies)
    sums = n_sums * volumes.sums
    n_units = load.n_threads * (max(load.workers) if degrees.in_turn else sum(load.workers))
    grid = n_bytes_of_unit_grid(volumes.sphere, volumes.n_classes, degrees.n_slabs)
    n_made = sum(min(n, volumes.n_classes) for n in degrees.n_copies)
    blocks = load.n_threads * sum(load.workers) * volumes.block
    always = load.n_ranks * PROCESS_BYTES + load.n_halves * volumes.maps
    phases = (
        at_once * volumes.references + load.n_halves * (volumes.lines + volumes.maps) + blocks,
        sums
        + at_once * (volumes.references + volumes.slices)
        + n_units * (grid + THREAD_BYTES)
        + load.n_ranks * volumes.images,
        sums + n_made * volumes.making + blocks + load.n_halves * 2 * volumes.maps,
    )
    return always + max(phases)


def degrees_within(load: NodeLoad, volumes: Volumes, budget: float) -> Degrees:
    """Return the first of `ways` that needs at most ``budget`` bytes; if none does, the last."""
    for degrees in ways(load):
        if n_bytes_of_node(load, volumes, degrees) <= budget:
            break
    return degrees


def ways(load: NodeLoad) -> Iterator[Degrees]:
    """Yield what can be done, by what it costs in time: nothing first.

    >>> [d.n_copies for d in ways(NodeLoad((3, 1), 4, 1))][:3]
    [(3, 1), (2, 1), (1, 1)]
    """
    for most in range(max(1, *load.workers), 0, -1):
        n_copies = tuple(min(most, n) for n in load.workers)
        degrees = Degrees(n_copies, shares=n_copies != load.workers)
        yield degrees
    for n_slabs in SLABS[:2]:
        degrees = replace(degrees, n_slabs=n_slabs)
        yield degrees
    if load.n_halves > 1:
        degrees = replace(degrees, in_turn=True)
        yield degrees
    for n_slabs in SLABS[2:]:
        degrees = replace(degrees, n_slabs=n_slabs)
        yield degrees
    yield replace(degrees, on_disc=True)
