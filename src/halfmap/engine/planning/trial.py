"""Trials: a few particles through the expectation that an iteration will do, timed.

The kernels, the search and its sizes are those of the run. In the first iteration maps and images
are the run's own; later ones are `planted`. Nothing that is found is kept.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Float, Float32, Int
from numpy import ndarray as Array

from halfmap.engine.job import Job
from halfmap.engine.node_search import searches
from halfmap.engine.planning.planted import drawn_truth, expected_references, planted
from halfmap.engine.process_memory import begin_peak, resident
from halfmap.model.half_model import HalfModel
from halfmap.model.orientations import direction_pixels
from halfmap.model.particles import Poses
from halfmap.model.projection import fourier_reference
from halfmap.model.reference import FourierReference
from halfmap.model.schedule import Schedule
from halfmap.steps.expectation import UnitResult, Workspace, run_unit
from halfmap.steps.search import Search
from halfmap.steps.slices import coarse_shape, fill_coarse_slices
from halfmap.steps.statistics_update import with_uniform_directions

VOLUME_BYTES = 600 * 2**20
"""References, sums and grid of a trial; larger windows are tried smaller, and scaled."""
BYTES_PER_VOXEL = 40
SLICE_BYTES = 256 * 2**20
"""Coarse slices of a trial; of longer lists only the first are tried."""
FEW = 8
"""Particles to begin with: a unit of more is tried if that is quick."""
WARM_UP = 2
GROWTH = (1.0, 2.6)
"""Time and memory of a unit grow with the window to a power within these bounds."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What the expectation of an iteration takes."""

    particle_s: float
    """CPU seconds of one thread for a particle."""
    unit_s: float
    """The same to turn the sums of a unit into integers."""
    slices_s: float
    """The same for all coarse slices of a half."""
    thread_bytes: int
    """Memory of a thread, less the grid of its unit."""
    n_significant: float
    """Coarse states that mattered, in the median."""
    n_rows: int = 0
    """Coarse slices; 0 where each particle cuts its own."""

    def grown(self, share: float, power: float, cubed: float) -> "Cost":
        """Return the cost in a larger window; ``cubed``: of the voxels."""
        factor = share**power
        return replace(
            self,
            particle_s=self.particle_s * factor,
            unit_s=self.unit_s * cubed,
            slices_s=self.slices_s * factor,
            thread_bytes=int(self.thread_bytes * share**2),
        )


class _Clock:
    """Forwards to kernels and adds up the seconds of those that work on all coarse states."""

    coarse = frozenset(("products", "weigh", "list_samples", "threshold"))

    def __init__(self, kernels: Any) -> None:
        self._kernels, self.name = kernels, kernels.name
        self.seconds = 0.0

    def __getattr__(self, name: str) -> Callable[..., Any]:
        kernel: Callable[..., Any] = getattr(self._kernels, name)
        if name not in self.coarse:
            return kernel

        def timed(*arguments: Any) -> Any:
            start = time.thread_time()
            result = kernel(*arguments)
            self.seconds += time.thread_time() - start
            return result

        return timed


class Trials:
    """Tries iterations of a run on the rank that holds the maps of the first half."""

    def __init__(
        self, job: Job, model: HalfModel, poses: Poses, power: Float[Array, " shell"]
    ) -> None:
        self.job, self.model, self.poses, self.power = job, model, poses, power
        own = [unit for unit in job.units if unit.half == 0]
        self.geometry = own[0].geometry
        self.unit = len(own[0].rows)
        self.rows = np.concatenate([u.rows for u in own if u.geometry == self.geometry])
        self._is_warm = False

    def of(self, schedule: Schedule, limit_s: float, *, first: bool) -> Cost:
        """Return the cost of an iteration.

        Parameters
        ----------
        limit_s
            A trial of more particles is not begun if it would take longer.
        first
            With the maps that there are, and images as they are.
        """
        size = min(schedule.current_size, self.largest_window)
        if size == schedule.current_size:
            return self._tried(schedule, limit_s, first=first)
        smaller = size - size // 8 * 2
        costs = [
            self._tried(_within(schedule, window), limit_s / 2.0, first=first)
            for window in (smaller, size)
        ]
        power = np.log(costs[1].particle_s / costs[0].particle_s) / np.log(size / smaller)
        share = schedule.current_size / size
        return costs[1].grown(share, float(np.clip(power, *GROWTH)), share ** (2 + (not self.flat)))

    @property
    def flat(self) -> bool:
        """Whether references are 2D."""
        return self.job.flat

    @property
    def largest_window(self) -> int:
        """Largest window whose volumes a trial may hold, px."""
        job = self.job
        if job.flat:
            return job.box
        voxels = VOLUME_BYTES / BYTES_PER_VOXEL / job.options.n_classes
        return min(job.box, max(16, 2 * int((2.0 * voxels) ** (1 / 3) / job.padding / 2.0)))

    def _tried(self, schedule: Schedule, limit_s: float, *, first: bool) -> Cost:
        clock = _Clock(self.job.kernels)
        search = replace(self._search(schedule, first=first), kernels=clock)
        share, n_rows = 1.0, coarse_shape(search)[0]
        if n_rows:
            most = max(64, SLICE_BYTES // (4 * coarse_shape(search)[1]))
            share = min(1.0, most / n_rows)
        if share < 1.0 and search.candidates is not None:
            search = replace(search, candidates=search.candidates[:most])
        slices = np.empty(coarse_shape(search), np.float32)
        if not self._is_warm:
            fill_coarse_slices(search, slices, slice(0, 1))
        start = time.thread_time()
        fill_coarse_slices(search, slices, slice(0, len(slices)))
        slices_s = (time.thread_time() - start) / share
        search = replace(search, coarse_slices=slices)
        cost = self._of_search(search, clock, limit_s, (first, share))
        return replace(cost, slices_s=slices_s, n_rows=n_rows)

    def _search(self, schedule: Schedule, *, first: bool) -> Search:
        job = self.job
        references = self._references(schedule, first=first)
        n_directions = len(direction_pixels(schedule.sampling)[0])
        model = with_uniform_directions(self.model, n_directions)
        every = dict.fromkeys(job.ranks.teams, model), dict.fromkeys(job.ranks.teams, references)
        return searches(job, every[0], schedule, every[1])[0](self.geometry)

    def _references(self, schedule: Schedule, *, first: bool) -> tuple[FourierReference, ...]:
        job, size = self.job, schedule.current_size
        if not first:
            return expected_references(job, self.power, schedule, size)
        return tuple(
            fourier_reference(volume, size, job.options.padding, job.interpolation, job.shown)
            for volume in self.model.maps
        )

    def _of_search(
        self, search: Search, clock: _Clock, limit_s: float, how: tuple[bool, float]
    ) -> Cost:
        workspace = Workspace(search)
        workspace.grid.values[:] = 0.0  # else its pages would come one after the other
        sums = search.zero_sums()
        if not self._is_warm:  # compiled kernels are loaded when they are first called
            self._run(search, workspace, WARM_UP, first=how[0])
            workspace.add_to(sums)
            self._is_warm = True
        tried = self._particles(search, FEW, first=how[0])
        before = begin_peak()
        seconds, *_ = self._timed(search, workspace, clock, tried)
        thread_bytes = resident().peak - before
        workspace.add_to(sums)
        if seconds * self.unit / FEW < limit_s:  # a whole unit shares slices
            tried = self._particles(search, self.unit, first=how[0])
            before = begin_peak()
            self._timed(search, workspace, clock, tried)
            thread_bytes = max(thread_bytes, resident().peak - before)
            workspace.add_to(sums)
        # Once more: the first unit pays for the pages of its memory, later ones do not.
        seconds, coarse_s, result = self._timed(search, workspace, clock, tried)
        n = len(tried[0])
        start = time.thread_time()
        workspace.add_to(sums)
        unit_s = time.thread_time() - start
        if how[0]:  # broad: all that follows grows with the states
            coarse_s = seconds
        whole = seconds + coarse_s * (1.0 / how[1] - 1.0)
        n_significant = float(np.median(result.n_significant))
        return Cost(whole / n, unit_s, 0.0, thread_bytes, n_significant)

    def _timed(
        self, search: Search, workspace: Workspace, clock: _Clock, prepared: "_Prepared"
    ) -> tuple[float, float, UnitResult]:
        rows, images, poses = prepared
        clock.seconds, start = 0.0, time.thread_time()
        self.job.read_images(rows, search.plan.images, search.plan.current_size)
        result = run_unit(images, rows, self.job.particles, poses, search, workspace)
        return time.thread_time() - start, clock.seconds, result

    def _run(self, search: Search, workspace: Workspace, n: int, *, first: bool) -> UnitResult:
        rows, images, poses = self._particles(search, n, first=first)
        return run_unit(images, rows, self.job.particles, poses, search, workspace)

    def _particles(self, search: Search, n: int, *, first: bool) -> "_Prepared":
        """Return rows, images and poses of a unit."""
        # From all over the table: neighbours are of a micrograph, and of one defocus.
        rows = self.rows[np.linspace(0, len(self.rows) - 1, n).astype(np.int64)]
        poses = self.poses[rows]
        if first:
            images = self.job.read_images(rows, search.plan.images, search.plan.current_size)
        else:
            truth = drawn_truth(search, len(rows), poses, np.random.default_rng(len(rows)))
            images = planted(rows, truth, self.job, search)
            unmoved = np.zeros_like(poses.offset_A)
            poses = replace(poses, angles_deg=truth.angles_deg, offset_A=unmoved)
        if search.plan.rules.inserts_others:
            return rows, np.stack([images, images], axis=1), poses
        return rows, images, poses


_Prepared = tuple[Int[Array, " row"], Float32[Array, "image *two y x"], Poses]


def _within(schedule: Schedule, size: int) -> Schedule:
    coarse = min(size, schedule.coarse_size)
    return replace(schedule, current_size=size, coarse_size=coarse)
