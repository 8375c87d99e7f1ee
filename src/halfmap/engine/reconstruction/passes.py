"""The passes of ``--iterative``: each begins with the map of the one before."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from jaxtyping import Complex64
from numpy import ndarray as Array

from halfmap.engine.reconstruction.inputs import read_seed
from halfmap.engine.reconstruction.maps import mean_transform
from halfmap.engine.reconstruction.sums import Reference, VolumeSums, summed
from halfmap.engine.reconstruction.task import Task
from halfmap.engine.telling.console import Console
from halfmap.io.eman.volumes import read_volume
from halfmap.model.half_volume import clipped, to_half_volume, to_map
from halfmap.parallel.collectives import all_or_none, broadcast
from halfmap.parallel.halves import Ranks
from halfmap.steps.iterative import PASSES, edited, mode_of_pass


def inserted(
    task: Task, ranks: Ranks, console: Console
) -> tuple[Task, dict[int, VolumeSums], Reference]:
    """Insert all slices, in one pass or in several. Collective.

    Returns
    -------
    task
        As it was in the last pass.
    sums
        Of that pass, of each half whose root this rank is.
    reference
        What that pass began with, where there was one.
    """
    if not task.options.iterative:
        return task, summed(task, ranks, console), {}
    reference = _of_seed(task, ranks)
    seeded = bool(task.options.seed_map_file)
    for number in range(PASSES):
        kernel = replace(task.kernel, mode=mode_of_pass(number, seeded))
        of_pass = replace(task, preparation=replace(task.preparation, kernel=kernel))
        sums = summed(of_pass, ranks, console, reference)
        if number < PASSES - 1:
            reference = _next_reference(of_pass, sums, reference, ranks)
    return of_pass, sums, reference


def _of_seed(task: Task, ranks: Ranks) -> Reference:
    seed = read_seed(task.options, task.kernel.sizes)
    if seed is None:
        return {}
    return {half: to_half_volume(seed.density, task.options.n_threads) for half in ranks.teams}


def _next_reference(
    task: Task, sums: Mapping[int, VolumeSums], before: Reference, ranks: Ranks
) -> Reference:
    """Make the map of a pass on the root of each half, and tell its team. Collective."""
    made: dict[int, Complex64[Array, "z y x"]] = {}
    with all_or_none(ranks.world, "making the map of a pass"):
        for half, own in sums.items():
            made[half] = _believed(task, own, before.get(half))
    for half, team in ranks.teams.items():
        if half not in made:
            made[half] = np.empty(task.kernel.sizes.half_volume, np.complex64)
        broadcast(made[half], team.comm)
    return made


def _believed(
    task: Task, sums: VolumeSums, before: Complex64[Array, "z y x"] | None
) -> Complex64[Array, "z y x"]:
    """Return the transform of the map of a pass, as the next one is to believe it."""
    transform, _ = mean_transform(sums, task, before)
    density = to_map(transform, task.kernel.sizes.volume, task.options.n_threads)
    mask = None
    if task.options.iteration_mask_file is not None:
        mask = clipped(read_volume(task.options.iteration_mask_file)[0], task.kernel.sizes.volume)
    believed = np.asarray(edited(density, mask), np.float32)
    return np.ascontiguousarray(to_half_volume(believed, task.options.n_threads))
