"""Units computed in any thread, and what they yield added to the sums of this rank."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial

import numpy as np
from jaxtyping import Float32, Int
from mpi4py import MPI
from numpy import ndarray as Array

from halfmap.engine.failing import computed_without_failing
from halfmap.engine.job import Job
from halfmap.engine.node_search import Searches
from halfmap.engine.reading_ahead import ReadingAhead
from halfmap.errors import DataError
from halfmap.io.part_folder import part_folder
from halfmap.io.private_folder import private_folder
from halfmap.model.exact import SumScales
from halfmap.model.particles import Poses
from halfmap.model.sums import ExpectationSums
from halfmap.parallel.node_memory import NodeArrays
from halfmap.parallel.node_sums import SharedSums, copy_of, volumes_of_node
from halfmap.parallel.units import Unit
from halfmap.steps.expectation import UnitResult, Workspace
from halfmap.steps.memory_plan import Degrees
from halfmap.steps.search import Search

Run = Callable[..., UnitResult]
"""What is done with a unit: `run_unit`, or something else with its arguments."""


@dataclass
class HalfSums:
    """What this rank has summed of one half, and of which units."""

    shared: SharedSums
    """Perhaps with other ranks of the node."""
    scales: SumScales
    lock: threading.Lock = field(default_factory=threading.Lock)
    """Held while a unit is added, and while the sums are copied to a file."""
    computed: list[tuple[Unit, UnitResult]] = field(default_factory=list)
    """The units that this rank has added, with their results."""

    @property
    def sums(self) -> ExpectationSums:
        """The sums themselves."""
        return self.shared.sums

    def add(self, unit: Unit, result: UnitResult, workspace: Workspace) -> None:
        """Add a unit; if that fails the sums are of no use."""
        with self.lock, self.shared.adding(unit.number):
            workspace.add_to(self.sums, self.shared.slab)
            self.computed.append((unit, result))

    @contextmanager
    def whole(self) -> Iterator[None]:
        """Have the sums to ourselves, to copy them."""
        with self.lock, self.shared.whole():
            yield


class Summing:
    """Computes units in any thread and adds what they yield to this rank's sums."""

    def __init__(self, job: Job, poses: Poses, searches: Searches, task: tuple[Run, int]) -> None:
        """Make sums of zeros. Collective.

        Parameters
        ----------
        task
            What is done with a unit, and how many there are.
        """
        self.job, self.poses, self.degrees = job, poses, searches.stretch.degrees
        self.run, n_units = task
        self.searches: dict[int, Search] = {}
        """Of each half, for images of the present geometry."""
        # What is summed does not depend on the geometry of the images.
        self.any_search = {half: make(0) for half, make in searches.of.items()}
        self.halves = {
            half: HalfSums(_zeros(job, half, search, (self.degrees, n_units)), search.scales)
            for half, search in self.any_search.items()
        }
        self.ahead = ReadingAhead(self._read)
        self.busy_seconds = 0.0
        self._lock = threading.Lock()
        self._idle: dict[int, list[Workspace]] = {half: [] for half in searches.of}

    def compute(self, unit: Unit) -> UnitResult:
        """Run one unit; called by several threads at once."""
        start = time.thread_time()
        half, name = unit.half, self.job.particles.name
        attempt, n_classes = partial(self._attempt, unit), self.job.options.n_classes
        result, workspace = computed_without_failing(attempt, unit.rows, name, n_classes)
        if workspace is None:
            workspace = self._workspace(half)  # there is nothing to add
        try:
            self.halves[half].add(unit, result, workspace)
        except DataError as error:
            raise self._too_bright(unit, result, error) from error
        with self._lock:
            self._idle[half].append(workspace)
            self.busy_seconds += time.thread_time() - start
        return result

    def _attempt(self, unit: Unit, rows: Int[Array, " particle"]) -> tuple[UnitResult, Workspace]:
        """Compute particles of a unit in a workspace of their own; after an error it is given up.

        All of them first: these may have been read ahead.
        """
        half = unit.half
        search = self.searches[half]
        with self._lock:
            workspace = self._idle[half].pop() if self._idle[half] else None
        workspace = workspace or self._workspace(half)
        images = self.ahead.take(unit) if rows is unit.rows else None
        if images is None:
            images = self._read(half, rows)
        particles, poses = self.job.particles, self.poses[rows]
        return self.run(images, rows, particles, poses, search, workspace), workspace

    def _workspace(self, half: int) -> Workspace:
        return Workspace(self.any_search[half], self.degrees.n_slabs)

    def _read(self, half: int, rows: Int[Array, " particle"]) -> Float32[Array, "particle ..."]:
        plan = self.searches[half].plan
        if plan.rules.inserts_others:
            return self.job.read_pairs(rows, plan.images)
        return self.job.read_images(rows, plan.images, plan.current_size)

    def _too_bright(self, unit: Unit, result: UnitResult, error: DataError) -> DataError:
        """Name the brightest image of a unit that cannot be added."""
        images = self._read(unit.half, unit.rows)
        brightest = np.abs(images.reshape(len(images), -1)).max(axis=1)
        highest = np.where(result.fault == 0, brightest, 0.0)
        name = self.job.particles.name(int(unit.rows[np.argmax(highest)]))
        return DataError(f"{name}, the brightest of {len(images)}: {error}")

    def forget(self, turns: tuple[tuple[int, ...], ...]) -> None:
        """Give back the memory of the threads if the next units may be of another half."""
        for idle in self._idle.values() if len(turns) > 1 else ():
            idle.clear()


def _zeros(job: Job, half: int, search: Search, plan: tuple[Degrees, int]) -> SharedSums:
    """Make the sums of a half, in as many copies on this node as planned. Collective."""
    team, (degrees, n_units), options = job.ranks.teams[half], plan, job.options
    folder = None
    if degrees.on_disc:
        folder = private_folder(part_folder(options.output_root, options.checkpoint_folder))
    n_copies, shapes = degrees.n_copies[half], search.shapes_of_sums
    volumes = volumes_of_node(shapes[0], n_copies, NodeArrays(team.node, folder))
    memory = NodeArrays(_sharing(team.node, n_copies), folder)
    return SharedSums(shapes, n_units, memory, team.comm.rank, volumes)


def _sharing(node: MPI.Intracomm, n_copies: int) -> MPI.Intracomm:
    """Return those who share a copy with this rank, if there are so many copies. Collective."""
    if n_copies == node.size:
        return MPI.COMM_SELF
    if n_copies == 1:
        return node
    return MPI.Intracomm(node.Split(copy_of(node.rank, node.size, n_copies), node.rank))
