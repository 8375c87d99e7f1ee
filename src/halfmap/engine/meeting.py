"""Where the halves meet: their FSC, and what of their sums they may share."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float, Float32
from numpy import ndarray as Array

from halfmap.engine.job import Job
from halfmap.engine.solving import Summed
from halfmap.model.schedule import Schedule
from halfmap.model.sums import FourierSums
from halfmap.parallel.halves import meet
from halfmap.steps.half_maps import (
    downsampled_average,
    half_map_fsc,
    join_low_resolution,
    join_shell,
    low_resolution_part,
    solvent_corrected_fsc,
)
from halfmap.steps.reconstruction import reconstruct

JOINED_VOXELS = 2**19
"""Voxels that are shown at a time when the halves are added: 12 MiB."""


@dataclass(frozen=True, slots=True)
class Met:
    """The sums that maps are made from, and what the meeting found."""

    sums: dict[int, Summed]
    """By half; in the last iteration those of both, as the first half's."""
    unfiltered: dict[int, Float32[Array, "z y x"]]
    """Half maps without a prior, on the half roots, when they were made."""
    fsc: Float[Array, " shell"] | None
    """On both half roots; None where there is nobody to meet."""


def meet_halves(job: Job, schedule: Schedule, sums: dict[int, Summed]) -> Met:
    """Compare the halves, after the low resolution is joined; join all in the last iteration.

    Collective over the half roots; other ranks, and runs that are not split, pass through.
    """
    unfiltered: dict[int, Float32[Array, "z y x"]] = {}
    if job.ranks.n_halves == 1 or job.ranks.meeting is None:
        return Met(sums, unfiltered, None)
    if schedule.converged or job.options.solvent_correct_fsc:
        unfiltered = {half: _without_prior(job, s.fourier[0]) for half, s in sums.items()}
    sums = _join_low_resolution(job, schedule, sums)
    fsc = _compare(job, schedule, sums, unfiltered)
    return Met(_join(job, sums) if schedule.converged else sums, unfiltered, fsc)


def _join_low_resolution(
    job: Job, schedule: Schedule, sums: dict[int, Summed]
) -> dict[int, Summed]:
    limit_A = job.options.join_halves_resolution_A
    if limit_A <= 0.0:
        return sums
    shell = join_shell(limit_A, schedule.resolution_shell, job.box, job.pixel_size_A)
    shared = _meet_sums(
        job, {half: low_resolution_part(s.fourier[0], shell) for half, s in sums.items()}
    )
    return {
        half: replace(s, fourier={0: join_low_resolution(s.fourier[0], shared[1 - half], shell)})
        for half, s in sums.items()
    }


def _join(job: Job, sums: dict[int, Summed]) -> dict[int, Summed]:
    """Add both halves: the last iteration makes one map of all data, on the first half's root.

    In place, piece by piece: two halves fit into memory, three might not.
    """
    n_voxels = max(len(s.fourier[0].values) for s in sums.values())
    for start in range(0, n_voxels, JOINED_VOXELS):
        piece = slice(start, start + JOINED_VOXELS)
        shown = meet(job.ranks, {half: s.fourier[0].values[piece] for half, s in sums.items()})
        if 0 in sums:
            sums[0].fourier[0].values[piece] = shown[0] + shown[1]
    return {half: s for half, s in sums.items() if half == 0}


def _meet_sums(job: Job, own: Mapping[int, FourierSums]) -> dict[int, FourierSums]:
    values = meet(job.ranks, {half: s.values for half, s in own.items()})
    any_half = next(iter(own.values()))
    return {half: replace(any_half, values=shown) for half, shown in values.items()}


def _compare(
    job: Job,
    schedule: Schedule,
    sums: dict[int, Summed],
    unfiltered: dict[int, Float32[Array, "z y x"]],
) -> Float[Array, " shell"]:
    """Return the gold-standard FSC, on both half roots."""
    if job.options.solvent_correct_fsc:
        assert job.masks.solvent is not None
        maps = meet(job.ranks, unfiltered)
        rng = np.random.default_rng((job.options.random_seed, schedule.iteration))
        size = schedule.current_size
        return solvent_corrected_fsc(maps[0], maps[1], job.masks.solvent, size, rng)
    sphere = next(iter(sums.values())).fourier[0].sphere
    return half_map_fsc(_shown_averages(job, sums), sphere, job.box)


def _shown_averages(job: Job, sums: dict[int, Summed]) -> Iterator[tuple[slice, Array, Array]]:
    """Show both half roots the averages of both halves, a slab after the other."""
    own = {half: downsampled_average(s.fourier[0]) for half, s in sums.items()}
    for slabs in zip(*own.values(), strict=True):
        where = slabs[0][0]
        shown = meet(job.ranks, {half: slab for half, (_, slab) in zip(own, slabs, strict=True)})
        yield where, shown[0], shown[1]


def _without_prior(job: Job, sums: FourierSums) -> Float32[Array, "z y x"]:
    return reconstruct(sums, job.box, None, inversion=job.inversion)
