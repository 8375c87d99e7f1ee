"""Trials: a few particles through the expectation that an iteration will do, timed.

The kernels, the search and its sizes are those of the run. In the first iteration maps and images
are the run's own; later ones are `planted`. Nothing that is found is kept.
"""

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Float32, Int
from numpy import ndarray as Array

from halfmap.engine.job import Job
from halfmap.engine.node_search import searches
from halfmap.engine.planning.cost import Cost
from halfmap.engine.planning.planted import (
    drawn_truth,
    expected_model,
    expected_references,
    planted,
)
from halfmap.engine.process_memory import begin_peak, give_back, resident
from halfmap.model.half_model import HalfModel
from halfmap.model.orientations import direction_pixels
from halfmap.model.particles import Poses
from halfmap.model.reference import FourierReference
from halfmap.model.schedule import Schedule
from halfmap.model.sums import ExpectationSums
from halfmap.steps.expectation import FINE_BYTES, Workspace, count_significant, run_unit
from halfmap.steps.references import fourier_reference
from halfmap.steps.search import Search
from halfmap.steps.slices import coarse_shape, fill_coarse_slices
from halfmap.steps.statistics_update import with_uniform_directions

VOLUME_BYTES = 600 * 2**20
"""References, sums and grid of a trial; larger windows are tried smaller, and scaled."""
BYTES_PER_VOXEL = 40
SLICE_BYTES = 256 * 2**20
"""Coarse slices of a trial; of longer lists only the first are tried."""
FEW = 8
"""Particles to begin with: units are tried if that is quick."""
UNITS = 4
"""Units that are tried, at most: particles differ in what they take."""
MANY = 256
"""Particles of the first iteration whose states are counted: few of them are very broad."""
FINE_ARRAYS = 3
"""Numbers that are held of a fine state at a time: score, weight, place."""
LENSES = 16
"""Particles whose CTF stands for that of all."""
WARM_UP = 2
GROWTH = (1.0, 2.6)
"""Time and memory of a unit grow with the window to a power within these bounds."""


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
        self.n_particles = sum(len(u.rows) for u in own)
        some = self.rows[np.linspace(0, len(self.rows) - 1, LENSES).astype(np.int64)]
        self.later = expected_model(job, model, power, some)
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
        model = with_uniform_directions(self.model if first else self.later, n_directions)
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
        first, share = how
        if not self._is_warm:  # compiled kernels are loaded when they are first called
            some = self._particles(search, WARM_UP, 0, first=first)
            self._timed(search, Workspace(search), clock, some)
            self._is_warm = True
        give_back()
        start = time.thread_time()
        workspace, sums = Workspace(search), search.zero_sums()
        workspace.grid.values[:] = 0.0  # else its pages would come one after the other
        sums.volume[:] = 0
        fresh_s = time.thread_time() - start
        before = begin_peak()
        few = self._particles(search, FEW, 0, first=first)
        tried = [self._timed(search, workspace, clock, few)]
        units = [_flushed(workspace, sums)]
        whole_s = tried[0].seconds * self.unit / FEW
        for number in range(min(UNITS, int(limit_s / max(whole_s, 1e-9)))):  # they share slices
            unit = self._particles(search, self.unit, number, first=first)
            tried.append(self._timed(search, workspace, clock, unit))
            units.append(_flushed(workspace, sums))
        # The first pays for the pages of the memory, which those after it use again.
        tried, units = tried[1:] or tried, units[1:] or units
        n = sum(one.n for one in tried)
        seconds, coarse_s = sum(t.seconds for t in tried) / n, sum(t.coarse_s for t in tried) / n
        more = 0
        if first:  # broad: all that follows grows with the states
            seen = [own.n_significant for own in tried]
            counted = self._counted(search, workspace, limit_s)
            broader = counted.mean / max(float(np.concatenate(seen).mean()), 1e-9)
            seconds = coarse_s + (seconds - coarse_s) * broader
            coarse_s = seconds if share < 1.0 else coarse_s
            more = _fine_bytes(search, counted.most) - _fine_bytes(
                search, max(int(n.sum()) for n in seen)
            )
        pairs = zip(units, tried, strict=True)
        none_in = np.mean([(1.0 - unit.occupied) ** (1.0 / own.n) for unit, own in pairs])
        return Cost(
            particle_s=seconds + coarse_s * (1.0 / share - 1.0),
            coarse_s=coarse_s / share,
            unit_s=float(np.mean([unit.seconds for unit in units])),
            slices_s=0.0,
            fresh_s=fresh_s,
            thread_bytes=resident().peak - before + max(0, more),
            n_significant=float(np.median(np.concatenate([t.n_significant for t in tried]))),
            occupied=float(1.0 - none_in),
        )

    def _counted(self, search: Search, workspace: Workspace, limit_s: float) -> "_Counted":
        """Count the states that matter to more particles than could be tried as a whole."""
        n_done, sums, end = 0, [], time.thread_time() + limit_s / 3.0
        every = np.linspace(0, len(self.rows) - 1, MANY).astype(np.int64)
        for block in np.array_split(every, MANY // self.unit):
            rows = self.rows[block]
            images = self.job.read_images(rows, search.plan.images, search.plan.current_size)
            known = self.job.particles, self.poses[rows], search, workspace
            sums.append(int(count_significant(images, rows, *known).sum()))
            n_done += len(rows)
            if time.thread_time() > end:
                break
        return _Counted(sum(sums) / n_done, max(sums))

    def _timed(
        self, search: Search, workspace: Workspace, clock: _Clock, prepared: "_Prepared"
    ) -> "_Tried":
        rows, images, poses = prepared
        clock.seconds, start = 0.0, time.thread_time()
        self.job.read_images(rows, search.plan.images, search.plan.current_size)
        result = run_unit(images, rows, self.job.particles, poses, search, workspace)
        seconds = time.thread_time() - start
        return _Tried(seconds, clock.seconds, len(rows), result.n_significant)

    def _particles(self, search: Search, n: int, number: int, *, first: bool) -> "_Prepared":
        """Return rows, images and poses of a unit; those of other numbers are others."""
        # From all over the table: neighbours are of a micrograph, and of one defocus.
        every = np.linspace(0, len(self.rows) - 1, n * UNITS).astype(np.int64)
        rows = self.rows[every[number::UNITS]]
        poses = self.poses[rows]
        if first:
            images = self.job.read_images(rows, search.plan.images, search.plan.current_size)
        else:
            truth = drawn_truth(search, len(rows), poses, np.random.default_rng((number, n)))
            images = planted(rows, truth, self.job, search)
            unmoved = np.zeros_like(poses.offset_A)
            poses = replace(poses, angles_deg=truth.angles_deg, offset_A=unmoved)
        if search.plan.rules.inserts_others:
            return rows, np.stack([images, images], axis=1), poses
        return rows, images, poses


class _Tried(NamedTuple):
    """What a trial unit took."""

    seconds: float
    coarse_s: float
    n: int
    n_significant: Int[Array, " particle"]


class _Counted(NamedTuple):
    """Coarse states that matter."""

    mean: float
    """To a particle."""
    most: int
    """To all of a unit."""


class _Flushed(NamedTuple):
    """What is left of a trial unit."""

    seconds: float
    """To turn its sums into integers."""
    occupied: float
    """Share of the directions where it has any weight."""


def _fine_bytes(search: Search, n_states: int) -> int:
    """Return what the fine search of a unit holds for each of its states, of which it is cut."""
    sampling = search.plan.sampling
    n_fine = n_states * sampling.n_child_orientations * sampling.n_child_shifts
    return FINE_ARRAYS * min(FINE_BYTES, 4 * n_fine)


def _flushed(workspace: Workspace, sums: ExpectationSums) -> _Flushed:
    occupied = float(np.count_nonzero(workspace.directions) / workspace.directions.size)
    start = time.thread_time()
    workspace.add_to(sums)
    return _Flushed(time.thread_time() - start, occupied)


_Prepared = tuple[Int[Array, " row"], Float32[Array, "image *two y x"], Poses]


def _within(schedule: Schedule, size: int) -> Schedule:
    coarse = min(size, schedule.coarse_size)
    return replace(schedule, current_size=size, coarse_size=coarse)
