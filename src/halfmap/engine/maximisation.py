"""The maximisation step of all ranks: sums become maps; the halves meet in the FSC."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import scipy.fft
from jaxtyping import Float, Float32
from numpy import ndarray as Array

from halfmap.engine.expectation import Found
from halfmap.engine.job import Job
from halfmap.engine.model_sharing import from_roots, maps_at_root
from halfmap.engine.solving import Solved, Summed, solve
from halfmap.model.exact import decode
from halfmap.model.half_model import HalfModel
from halfmap.model.padded_sphere import PaddedSphere
from halfmap.model.particle_totals import ParticleTotals
from halfmap.model.schedule import Schedule
from halfmap.model.sums import FourierSums
from halfmap.parallel.collectives import all_or_none, share
from halfmap.parallel.halves import LEADER, Team, meet
from halfmap.parallel.reduce_network import reduce_sums
from halfmap.steps.half_maps import (
    downsampled_average,
    half_map_fsc,
    join_low_resolution,
    join_shell,
    low_resolution_part,
    solvent_corrected_fsc,
)
from halfmap.steps.maximisation import hermitian, symmetrise
from halfmap.steps.reconstruction import reconstruct
from halfmap.steps.statistics_update import (
    HalfMaps,
    HalfStatistics,
    UpdateRules,
    updated_model,
    with_equal_classes,
)


@dataclass(frozen=True, slots=True)
class Maximised:
    """What a maximisation leaves on this rank."""

    models: dict[int, HalfModel]
    """Of the halves that this rank serves; the leader has all, without maps."""
    unfiltered: dict[int, Float32[Array, "z y x"]]
    """Half maps without a prior, on the half roots, when they were made."""
    unmasked: dict[int, Float32[Array, "class z y x"]]
    """2D references before their solvent was flattened, on the half roots."""
    fsc: Float[Array, " shell"] | None
    """Between the halves, as it was measured, on all ranks; that of the models may be another
    program's."""


def maximisation(
    job: Job, schedule: Schedule, models: Mapping[int, HalfModel], found: Found
) -> Maximised:
    """Reduce, compare the halves, reconstruct, and hand the new models to the teams. Collective."""
    totals = share(_totals(job, found), job.ranks.world, LEADER)
    with scipy.fft.set_workers(job.options.n_threads):
        sums = sum_up(job, schedule, found)
        unfiltered: dict[int, Float32[Array, "z y x"]] = {}
        fsc = None
        if job.ranks.n_halves == 2 and job.ranks.meeting is not None:
            if schedule.converged or job.options.solvent_correct_fsc:
                unfiltered = {h: _without_prior(job, s.fourier[0]) for h, s in sums.items()}
            sums = _join_low_resolution(job, schedule, sums)
            fsc = _compare(job, schedule, sums, unfiltered)
            if schedule.converged:
                sums = _join(job, sums)
        with all_or_none(job.ranks.world, "making the maps", asleep=job.options.has_helper):
            solved = {
                half: solve(job, schedule, models[half], summed, fsc)
                for half, summed in sums.items()
            }
    halves = range(1 if schedule.converged else job.ranks.n_halves)
    new, unmasked = {}, {}
    for half in halves:
        if half in job.ranks.teams:
            team, own = job.ranks.teams[half], solved.get(half, {})
            made = _collected(team, models[half], own)
            if schedule.sampling.flat:
                unmasked[half] = _maps({k: s.unmasked for k, s in own.items()}, models[half], team)
            if made is not None:
                statistics = HalfStatistics(
                    sums[half].noise, job.noise_pixels, sums[half].directions, totals[half]
                )
                new[half] = _updated(job, schedule, models[half], statistics, made)
    if job.ranks.n_halves == 2:
        fsc = share(fsc, job.ranks.world, job.ranks.roots[0])
    at_roots = {half: maps for half, maps in unmasked.items() if maps is not None}
    return Maximised(from_roots(job.ranks, new, halves), unfiltered, at_roots, fsc)


def _totals(job: Job, found: Found) -> tuple[ParticleTotals, ...] | None:
    if not job.ranks.leads:
        return None
    return tuple(found.results.totals(job.particles, h) for h in range(job.ranks.n_halves))


def sum_up(job: Job, schedule: Schedule, found: Found) -> dict[int, Summed]:
    """Sum over the ranks of each half; the result is on those that make its maps."""
    flat = schedule.sampling.flat
    sphere = PaddedSphere(schedule.current_size // 2, job.padding, flat)
    # Interpolation reaches one voxel beyond the sphere along each axis.
    inside = np.flatnonzero(sphere.squared_radius() <= (sphere.reach + 2) ** 2)
    summed = {}
    for half, team in job.ranks.teams.items():
        total = reduce_sums(found.sums[half], inside, team.comm)
        mine = team.classes(len(total.volume))
        if mine:
            own = replace(total, volume=total.volume[mine.start :: mine.step])
            fourier, noise, directions = decode(own, found.scales[half], sphere)
            complete = {
                k: symmetrise(hermitian(sums), job.group, job.options.n_threads)
                for k, sums in zip(mine, fourier, strict=True)
            }
            summed[half] = Summed(half, complete, noise, directions)
    return summed


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
    """Add both halves: the last iteration makes one map of all data, on the first half's root."""
    both = _meet_sums(job, {half: s.fourier[0] for half, s in sums.items()})
    total = replace(
        both[0], signal=both[0].signal + both[1].signal, weight=both[0].weight + both[1].weight
    )
    return {half: replace(s, fourier={0: total}) for half, s in sums.items() if half == 0}


def _meet_sums(job: Job, own: Mapping[int, FourierSums]) -> dict[int, FourierSums]:
    signal = meet(job.ranks, {half: s.signal for half, s in own.items()})
    weight = meet(job.ranks, {half: s.weight for half, s in own.items()})
    any_half = next(iter(own.values()))
    return {h: replace(any_half, signal=signal[h], weight=weight[h]) for h in signal}


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
    averages = meet(job.ranks, {h: downsampled_average(s.fourier[0]) for h, s in sums.items()})
    return half_map_fsc(averages[0], averages[1], job.box)


def _without_prior(job: Job, sums: FourierSums) -> Float32[Array, "z y x"]:
    return reconstruct(sums, job.box, None, inversion=job.inversion)


def _collected(team: Team, old: HalfModel, solved: Solved) -> HalfMaps | None:
    """Collect the classes of a half on its root; None on its other ranks. Collective."""
    n_classes = len(old.class_fraction)
    gathered = team.comm.gather({k: made.spectra for k, made in solved.items()})
    maps = _maps({k: made.volume for k, made in solved.items()}, old, team)
    if gathered is None or maps is None:
        return None
    estimates = {k: estimate for part in gathered for k, estimate in part.items()}
    return HalfMaps(maps, tuple(estimates[k] for k in range(n_classes)), solved[0].fsc)


def _maps(
    made: Mapping[int, Float32[Array, "z y x"] | None], old: HalfModel, team: Team
) -> Float32[Array, "class z y x"] | None:
    """Collect one map of each class on the root of a team; None on its other ranks. Collective."""
    maps = {k: volume for k, volume in made.items() if volume is not None}
    return maps_at_root(maps, len(old.class_fraction), team)


def _updated(
    job: Job, schedule: Schedule, old: HalfModel, statistics: HalfStatistics, made: HalfMaps
) -> HalfModel:
    """Re-estimate the statistics of a half."""
    by_correlation = job.compares_by_correlation(schedule.iteration)
    rules = UpdateRules(
        noise=not (job.options.fix_sigma_noise or by_correlation),
        offset_sigma=not job.options.fix_sigma_offset,
        offset_mean=schedule.sampling.flat,
        norm=job.options.corrects_norm,
        scale=job.options.corrects_scale and not by_correlation,
        mean_likelihood=by_correlation,
    )
    model = updated_model(old, statistics, made, rules)
    if job.begins_by_correlation(schedule.iteration) and job.options.seeds_classes:
        return with_equal_classes(model)
    return model
