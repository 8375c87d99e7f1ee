"""Trials of what is done once an iteration: transforms of maps, reconstruction, tables."""

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from halfmap.engine.job import Job
from halfmap.engine.process_memory import begin_peak, resident
from halfmap.io.star_text import table_text
from halfmap.model.exact import sum_scales
from halfmap.model.half_model import HalfModel
from halfmap.model.padded_sphere import PaddedSphere
from halfmap.model.schedule import Schedule
from halfmap.model.sums import ExpectationSums
from halfmap.model.touched_voxels import n_touched
from halfmap.steps.complete_sums import completed
from halfmap.steps.maximisation import spectra
from halfmap.steps.phases import alone
from halfmap.steps.reconstruction import reconstruct
from halfmap.steps.references import fourier_reference

LARGEST_BOX = 96
"""Of a trial; time and memory of larger maps grow with their voxels."""
ROWS = 2000
"""Of the particle table that are made into text."""


class MapCost(NamedTuple):
    """What the maps of an iteration take, each."""

    transform_s: float
    """CPU seconds to transform a map for its projections."""
    transform_bytes: float
    """Memory that this takes besides, for a while."""
    map_s: float
    """CPU seconds to make a map from its sums."""
    map_bytes: float
    """Memory that this takes besides the sums, for a while."""


def tried_maps(job: Job, course: Sequence[Schedule], model: HalfModel) -> list[MapCost]:
    """Return the cost of the maps of some iterations: those of two windows are tried.

    What depends on the window grows with its voxels.
    """
    sizes = sorted({schedule.current_size for schedule in course})
    low, high = sizes[0], sizes[-1]
    _tried(job, low, model)  # libraries are loaded when they are first called
    ends = [_tried(job, size, model) for size in dict.fromkeys((low, high))]
    depth = 2 if job.flat else 3

    def between(size: int) -> MapCost:
        share = (size**depth - low**depth) / max(1, high**depth - low**depth)
        mixed = (a + (b - a) * share for a, b in zip(ends[0], ends[-1], strict=True))
        return MapCost(*mixed)

    return [between(schedule.current_size) for schedule in course]


def _tried(job: Job, window: int, model: HalfModel) -> MapCost:
    """Make a map of the same kind, smaller if need be."""
    box = min(job.box, LARGEST_BOX)
    size = _even(window * box / job.box)
    share = (job.box / box) ** (2 if job.flat else 3)
    depth = 1 if job.flat else box
    volume = np.random.default_rng(1).standard_normal((depth, box, box)).astype(np.float32)
    before, start = begin_peak(), time.thread_time()
    reference = fourier_reference(volume, size, job.padding, job.interpolation)
    transform_s = time.thread_time() - start
    transform_bytes = max(0, resident().peak - before - reference.values.nbytes)
    sphere = reference.sphere
    sums = _sums(model, sphere)
    before, start = begin_peak(), time.thread_time()
    _map(job, _of_box(model, box), (sums, sphere), box)
    map_s = time.thread_time() - start
    map_bytes = resident().peak - before
    return MapCost(
        transform_s * share, int(transform_bytes * share), map_s * share, int(map_bytes * share)
    )


def _map(
    job: Job, model: HalfModel, summed: tuple[ExpectationSums, PaddedSphere], box: int
) -> None:
    """Do what `halfmap.engine.maximisation` does for one class."""
    scales = sum_scales(model, len(job.particles))
    complete = alone(completed(summed[0].volume[0], scales, summed[1], job.group))
    estimate = spectra(complete, box, np.ones(box // 2 + 1), 1.0)
    reconstruct(complete, box, estimate.signal_variance, 1.0, job.inversion)


def _sums(model: HalfModel, sphere: PaddedSphere) -> ExpectationSums:
    shape = len(model.noise_variance), 1
    sums = ExpectationSums.zeros(1, n_touched(sphere), shape, 1)
    sums.volume[:] = 2**20
    return sums


def _of_box(model: HalfModel, box: int) -> HalfModel:
    n_shells = box // 2 + 1
    noise = np.maximum(model.noise_variance[:, :n_shells], np.finfo(np.float32).tiny)
    return replace(model, noise_variance=noise)


def _even(size: float) -> int:
    return max(8, 2 * round(size / 2.0))


def table_seconds(job: Job) -> float:
    """Return the seconds to make the text of the particle table; on the leader, else 0."""
    if job.table is None:
        return 0.0
    n = len(job.particles)
    some = {name: column[:ROWS] for name, column in job.table.particles.items()}
    start = time.thread_time()
    for _ in table_text("particles", some):
        pass
    return (time.thread_time() - start) * n / min(n, ROWS)
