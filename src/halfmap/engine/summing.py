"""Units computed in any thread, and what they yield added to the sums of this rank."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

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
        job, half = self.job, unit.half
        with self._lock:
            workspace = self._idle[half].pop() if self._idle[half] else None
        search = self.searches[half]
        workspace = workspace or Workspace(self.any_search[half])
        read = job.read_pairs if search.plan.rules.inserts_others else job.read_images
        images = read(unit.rows, search.plan.images)
        result = self.run(
            images,
            unit.rows,
            job.particles,
            self.poses[unit.rows],
            search,
            workspace,
        )
        try:
            self._add(unit, result, workspace)
        except DataError as error:
            brightest = np.abs(images.reshape(len(images), -1)).max(axis=1)
            highest = np.where(result.fault == 0, brightest, 0.0)
            name = job.particles.name(int(unit.rows[np.argmax(highest)]))
            raise DataError(f"{name}, the brightest of {len(images)}: {error}") from error
        with self._lock:
            self._idle[half].append(workspace)
            self.busy_seconds += time.thread_time() - start
        return result

    def _add(self, unit: Unit, result: UnitResult, workspace: Workspace) -> None:
        held = self.halves[unit.half]
        with held.lock:
            was_spoilt, held.spoilt = held.spoilt, True
            workspace.add_to(held.sums)
            held.computed.append((unit, result))
            held.spoilt = was_spoilt
