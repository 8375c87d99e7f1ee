"""Where the halves meet: their FSC, and what of their sums they may share."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Complex128, Float, Float32
from numpy import ndarray as Array

from halfmap.engine.crew import together
from halfmap.engine.job import Job
from halfmap.engine.solving import Summed
from halfmap.model.padded_transform import slabs
from halfmap.model.schedule import Schedule
from halfmap.model.sums import FourierSums
from halfmap.parallel.collectives import share
from halfmap.parallel.halves import meet
from halfmap.steps.half_maps import (
    downsampled_average,
    half_map_fsc,
    join_low_resolution,
    join_shell,
    low_resolution_part,
    solvent_corrected_fsc,
)
from halfmap.steps.phases import Phases
from halfmap.steps.reconstruction import Prior, reconstruction

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
    """On all that make maps; None where there is nobody to meet."""


def meet_halves(job: Job, schedule: Schedule, sums: dict[int, Summed]) -> Met:
    """Compare the halves, after the low resolution is joined; join all in the last iteration.

    Collective over the world; runs that are not split pass through.
    """
    if job.ranks.n_halves == 1:
        return Met(sums, {}, None)
    unfiltered: dict[int, Float32[Array, "z y x"]] = {}
    if schedule.converged or job.options.solvent_correct_fsc:
        unfiltered = together(
            job, {half: (s.crew, _without_prior(job, s)) for half, s in sums.items()}
        )
    if job.ranks.meeting is None:
        unfiltered = {}  # the others have only helped
    _join_low_resolution(job, schedule, sums)
    fsc = _compare(job, schedule, sums, unfiltered)
    if schedule.converged:
        _join(job, sums)
        sums = {half: s for half, s in sums.items() if half == 0}
    return Met(sums, unfiltered, fsc)


def _join_low_resolution(job: Job, schedule: Schedule, sums: dict[int, Summed]) -> None:
    """Join the halves at low resolution, in place; the half roots do."""
    limit_A = job.options.join_halves_resolution_A
    if limit_A <= 0.0 or job.ranks.meeting is None:
        return
    shell = join_shell(limit_A, schedule.resolution_shell, job.box, job.pixel_size_A)
    shared = _meet_sums(
        job, {half: low_resolution_part(s.fourier[0], shell) for half, s in sums.items()}
    )
    for half, s in sums.items():
        join_low_resolution(s.fourier[0], shared[1 - half], shell)


def _join(job: Job, sums: dict[int, Summed]) -> None:
    """Add both halves: the last iteration makes one map of all data, on the first half's root.

    In place, piece by piece: two halves fit into memory, three might not.
    """
    if job.ranks.meeting is None:
        return
    n_voxels = max(len(s.fourier[0].values) for s in sums.values())
    for start in range(0, n_voxels, JOINED_VOXELS):
        piece = slice(start, start + JOINED_VOXELS)
        shown = meet(job.ranks, {half: s.fourier[0].values[piece] for half, s in sums.items()})
        if 0 in sums:
            sums[0].fourier[0].values[piece] = shown[0] + shown[1]


def _meet_sums(job: Job, own: Mapping[int, FourierSums]) -> dict[int, FourierSums]:
    values = meet(job.ranks, {half: s.values for half, s in own.items()})
    any_half = next(iter(own.values()))
    return {half: replace(any_half, values=shown) for half, shown in values.items()}


def _compare(
    job: Job,
    schedule: Schedule,
    sums: dict[int, Summed],
    unfiltered: dict[int, Float32[Array, "z y x"]],
) -> Float[Array, " shell"] | None:
    """Return the gold-standard FSC, on all that make maps. Collective over the world."""
    fsc, is_root = None, job.ranks.meeting is not None
    if job.options.solvent_correct_fsc:
        if is_root:
            assert job.masks.solvent is not None
            maps = meet(job.ranks, unfiltered)
            rng = np.random.default_rng((job.options.random_seed, schedule.iteration))
            size = schedule.current_size
            fsc = solvent_corrected_fsc(maps[0], maps[1], job.masks.solvent, size, rng)
    else:
        averages = together(
            job,
            {h: (s.crew, downsampled_average(s.fourier[0], s.crew.empty)) for h, s in sums.items()},
        )
        if is_root:
            sphere = next(iter(sums.values())).fourier[0].sphere
            fsc = half_map_fsc(_shown_averages(job, averages), sphere, job.box)
    for s in sums.values():
        fsc = share(fsc, s.crew.comm)
    return fsc


def _shown_averages(
    job: Job, own: Mapping[int, Complex128[Array, "z y x"]]
) -> Iterator[tuple[slice, Array, Array]]:
    """Show both half roots the averages of both halves, some planes after the others."""
    any_average = next(iter(own.values()))
    for where in slabs(len(any_average), any_average[0].nbytes):
        shown = meet(job.ranks, {half: average[where] for half, average in own.items()})
        yield where, shown[0], shown[1]


def _without_prior(job: Job, summed: Summed) -> Phases[Float32[Array, "z y x"]]:
    return reconstruction(summed.fourier[0], job.box, Prior(), job.inversion, summed.crew.empty)
