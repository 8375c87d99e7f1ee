"""The maximisation step of all ranks: sums become maps; the halves meet in the FSC."""

from collections.abc import Mapping
from dataclasses import dataclass

import scipy.fft
from jaxtyping import Float, Float32
from numpy import ndarray as Array

from halfmap.engine.crew import Crew, crew_of, together
from halfmap.engine.expectation import Found
from halfmap.engine.job import Job
from halfmap.engine.meeting import meet_halves
from halfmap.engine.model_sharing import from_roots, maps_at_root
from halfmap.engine.solving import Solved, Summed, solve
from halfmap.model.exact import SumScales, decode_totals
from halfmap.model.half_model import HalfModel
from halfmap.model.padded_sphere import PaddedSphere
from halfmap.model.particle_totals import ParticleTotals
from halfmap.model.schedule import Schedule
from halfmap.model.sums import ExpectationSums, FourierSums
from halfmap.parallel.collectives import share
from halfmap.parallel.halves import LEADER, Team
from halfmap.steps.complete_sums import completed
from halfmap.steps.phases import Phases
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
    job: Job,
    schedule: Schedule,
    models: Mapping[int, HalfModel],
    found: Found,
    totals: Mapping[int, ExpectationSums],
) -> Maximised:
    """Compare the halves, reconstruct, and hand the new models to the teams. Collective.

    Parameters
    ----------
    totals
        The sums of `halfmap.engine.reduction.reduced`; their memory is used up.
    """
    ranks, statistics = job.ranks, share(_totals(job, found), job.ranks.world, LEADER)
    with scipy.fft.set_workers(job.options.n_threads):
        met = meet_halves(job, schedule, sum_up(job, schedule, found, totals))
        solved = solve(job, schedule, models, met.sums, met.fsc)
    halves = range(1 if schedule.converged else ranks.n_halves)
    new, unmasked = {}, {}
    for half in halves:
        if half in ranks.teams:
            team, old, own = ranks.teams[half], models[half], solved.get(half, {})
            made = _collected(team, old, own)
            plain = _unmasked(team, old, own) if old.flat else None
            if made is not None:
                sums = met.sums[half]
                found_here = HalfStatistics(
                    sums.noise,
                    job.noise_pixels,
                    sums.directions,
                    statistics[half],
                    job.measures_noise_at(schedule),
                )
                new[half] = _updated(job, schedule, old, found_here, made)
            if plain is not None:
                unmasked[half] = plain
    fsc = share(met.fsc, ranks.world, ranks.roots[0])
    return Maximised(from_roots(ranks, new, halves), met.unfiltered, unmasked, fsc)


def _totals(job: Job, found: Found) -> tuple[ParticleTotals, ...] | None:
    if not job.ranks.leads:
        return None
    return tuple(found.results.totals(job.particles, h) for h in range(job.ranks.n_halves))


def sum_up(
    job: Job, schedule: Schedule, found: Found, totals: Mapping[int, ExpectationSums]
) -> dict[int, Summed]:
    """Turn totals into floating point, on the ranks that make the maps. Collective."""
    sphere = PaddedSphere(schedule.current_size // 2, job.padding, schedule.sampling.flat)
    crews = {}
    for half in job.ranks.teams:
        crew = crew_of(job.ranks, half, found.sums[half], job.options.n_classes)
        if crew is not None:
            crews[half] = crew
    fourier = together(
        job, {h: (c, _completed(job, found.scales[h], sphere, c)) for h, c in crews.items()}
    )
    summed = {}
    for half, crew in crews.items():
        noise, directions = decode_totals(totals[half], found.scales[half])
        summed[half] = Summed(half, crew, fourier[half], noise, directions)
    return summed


def _completed(
    job: Job, scales: SumScales, sphere: PaddedSphere, crew: Crew
) -> Phases[dict[int, FourierSums]]:
    """Complete the sums of each class of a crew."""
    made = {}
    for k, volume in crew.volumes.items():
        made[k] = yield from completed(volume, scales, sphere, job.group, crew.empty)
    return made


def _collected(team: Team, old: HalfModel, solved: Solved) -> HalfMaps | None:
    """Collect the classes of a half on its root; None on its other ranks. Collective."""
    n_classes = len(old.class_fraction)
    gathered = team.comm.gather({k: made.spectra for k, made in solved.items()})
    maps = _maps({k: made.volume for k, made in solved.items()}, old, team)
    if gathered is None or maps is None:
        return None
    estimates = {k: estimate for part in gathered for k, estimate in part.items()}
    return HalfMaps(maps, tuple(estimates[k] for k in range(n_classes)), solved[0].fsc)


def _unmasked(team: Team, old: HalfModel, solved: Solved) -> Float32[Array, "class z y x"] | None:
    """Collect 2D references before their solvent was flattened, as `_collected` does."""
    return _maps({k: made.unmasked for k, made in solved.items()}, old, team)


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
