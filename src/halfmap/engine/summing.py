"""Units computed in any thread, and what they yield added to the sums of this rank."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

import numpy as np
from jaxtyping import Float32, Int
from numpy import ndarray as Array

from halfmap.engine.failing import computed_without_failing
from halfmap.engine.job import Job
from halfmap.engine.node_search import Searches
from halfmap.errors import DataError
from halfmap.model.exact import SumScales
from halfmap.model.particles import Poses
from halfmap.model.sums import ExpectationSums
from halfmap.parallel.units import Unit
from halfmap.steps.expectation import UnitResult, Workspace
from halfmap.steps.search import Search

Run = Callable[..., UnitResult]
"""What is done with a unit: `run_unit`, or something else with its arguments."""


@dataclass
class HalfSums:
    """What this rank has summed of one half, and of which units."""

    sums: ExpectationSums
    scales: SumScales
    lock: threading.Lock = field(default_factory=threading.Lock)
    """Held while a unit is added, and while the sums are copied to a file."""
    computed: list[tuple[Unit, UnitResult]] = field(default_factory=list)
    """The units in the sums, with their results."""
    spoilt: bool = False
    """A unit could not be added: the sums are of no use."""


class Summing:
    """Computes units in any thread and adds what they yield to this rank's sums."""

    def __init__(self, job: Job, poses: Poses, searches: Searches, run: Run) -> None:
        self.job, self.poses, self.run = job, poses, run
        self.searches: dict[int, Search] = {}
        """Of each half, for images of the present geometry."""
        # What is summed does not depend on the geometry of the images.
        self.any_search = {half: make(0) for half, make in searches.items()}
        self.halves = {
            half: HalfSums(search.zero_sums(), search.scales)
            for half, search in self.any_search.items()
        }
        self.busy_seconds = 0.0
        self._lock = threading.Lock()
        self._idle: dict[int, list[Workspace]] = {half: [] for half in searches}

    def compute(self, unit: Unit) -> UnitResult:
        """Run one unit; called by several threads at once."""
        start = time.thread_time()
        half, name = unit.half, self.job.particles.name
        attempt, n_classes = partial(self._attempt, half), self.job.options.n_classes
        result, workspace = computed_without_failing(attempt, unit.rows, name, n_classes)
        if workspace is None:
            workspace = Workspace(self.any_search[half])  # there is nothing to add
        try:
            self._add(unit, result, workspace)
        except DataError as error:
            raise self._too_bright(unit, result, error) from error
        with self._lock:
            self._idle[half].append(workspace)
            self.busy_seconds += time.thread_time() - start
        return result

    def _attempt(self, half: int, rows: Int[Array, " particle"]) -> tuple[UnitResult, Workspace]:
        """Compute some particles in a workspace of their own; after an error it is given up."""
        search = self.searches[half]
        with self._lock:
            workspace = self._idle[half].pop() if self._idle[half] else None
        workspace = workspace or Workspace(self.any_search[half])
        images = self._read(half, rows)
        particles, poses = self.job.particles, self.poses[rows]
        return self.run(images, rows, particles, poses, search, workspace), workspace

    def _read(self, half: int, rows: Int[Array, " particle"]) -> Float32[Array, "particle ..."]:
        plan = self.searches[half].plan
        read = self.job.read_pairs if plan.rules.inserts_others else self.job.read_images
        return read(rows, plan.images)

    def _add(self, unit: Unit, result: UnitResult, workspace: Workspace) -> None:
        held = self.halves[unit.half]
        with held.lock:
            was_spoilt, held.spoilt = held.spoilt, True
            workspace.add_to(held.sums)
            held.computed.append((unit, result))
            held.spoilt = was_spoilt

    def _too_bright(self, unit: Unit, result: UnitResult, error: DataError) -> DataError:
        """Name the brightest image of a unit that cannot be added."""
        images = self._read(unit.half, unit.rows)
        brightest = np.abs(images.reshape(len(images), -1)).max(axis=1)
        highest = np.where(result.fault == 0, brightest, 0.0)
        name = self.job.particles.name(int(unit.rows[np.argmax(highest)]))
        return DataError(f"{name}, the brightest of {len(images)}: {error}")
