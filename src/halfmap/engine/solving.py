"""From the sums of one half-set to its maps, finished for the next iteration.

Runs on the ranks that make maps of the half, which hold nothing of the other.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float, Float32
from numpy import ndarray as Array

from halfmap.engine.crew import Crew, together
from halfmap.engine.finishing import finished, flattening_steps, shaping_steps
from halfmap.engine.helping.external import Reconstructed, externally_reconstructed
from halfmap.engine.job import Job
from halfmap.model.fourier import low_pass_factor
from halfmap.model.half_model import HalfModel
from halfmap.model.prior_input import PriorInput
from halfmap.model.schedule import Schedule
from halfmap.model.sums import FourierSums
from halfmap.parallel.collectives import all_or_none
from halfmap.steps.maximisation import KnownSignal, Spectra, estimated_spectra
from halfmap.steps.phases import Phases
from halfmap.steps.reconstruction import Prior, reconstruction


@dataclass(frozen=True, slots=True)
class Summed:
    """The sums of a whole half-set in floating point, on the ranks that make its maps."""

    half: int
    crew: Crew
    """These ranks."""
    fourier: dict[int, FourierSums]
    """Of the classes that they reconstruct; complete and symmetrised. They share them."""
    noise: Float[Array, "optics shell"]
    """On the root."""
    directions: Float[Array, "class direction"]
    """On the root."""


Known = tuple[Spectra, Float[Array, " shell"]]
"""What is known of a class besides its map: its spectra, and the FSC."""
Solved = dict[int, Reconstructed]
"""The classes that this rank makes."""
Volume = Float32[Array, "z y x"]


def solve(
    job: Job,
    schedule: Schedule,
    models: Mapping[int, HalfModel],
    sums: Mapping[int, Summed],
    fsc: Float[Array, " shell"] | None,
) -> dict[int, Solved]:
    """Estimate the spectra of each class and make its map, by half. Collective over the world."""
    made = together(
        job,
        {h: (s.crew, _maps(job, schedule, models[h], s, fsc)) for h, s in sums.items()},
    )
    with all_or_none(job.ranks.world, "making the maps", asleep=job.options.has_helper):
        return {
            half: {
                k: _shaped(job, schedule, (sums[half], k), own, fsc)
                for k, own in of_class.items()
                if k in job.ranks.teams[half].classes(job.options.n_classes)
            }
            for half, of_class in made.items()
        }


def _maps(
    job: Job,
    schedule: Schedule,
    old: HalfModel,
    summed: Summed,
    fsc: Float[Array, " shell"] | None,
) -> Phases[dict[int, tuple[Spectra, Volume | None]]]:
    """Make the maps of a crew's classes; None where another program does, or nothing is there."""
    weight, empty = job.options.data_weight, summed.crew.empty
    # A spectrum from a file is what the user says it is; with an FSC there is no such prior.
    given = fsc is not None or job.of_map.tau2 is not None
    share = np.ones(job.box // 2 + 1) if given else job.ctf_power
    made = {}
    for k, sums in summed.fourier.items():
        known = KnownSignal(old.signal_variance[k], weight, fsc, joined=schedule.converged)
        found = yield from estimated_spectra(sums, job.box, known, empty)
        estimate = replace(found, data_vs_prior=found.data_vs_prior * share)
        volume = None
        if estimate.map_variance.any() and not job.options.external_reconstruct:
            prior = Prior(estimate.signal_variance, weight)
            volume = yield from reconstruction(sums, job.box, prior, job.inversion, empty)
        made[k] = estimate, volume
    return made


def _shaped(
    job: Job,
    schedule: Schedule,
    own: tuple[Summed, int],
    made: tuple[Spectra, Volume | None],
    fsc: Float[Array, " shell"] | None,
) -> Reconstructed:
    """Finish the map of a class that this rank makes."""
    (summed, k), (estimate, volume) = own, made
    known = estimate, np.zeros(job.box // 2 + 1) if fsc is None else fsc
    if not estimate.map_variance.any():  # no particle was here: the class stays, and stays empty
        depth = 1 if schedule.sampling.flat else job.box
        nothing = np.zeros((depth, job.box, job.box), np.float32)
        return Reconstructed(nothing, *known, nothing)
    is_half = job.ranks.n_halves == 2 and not schedule.converged
    if volume is None:
        half = summed.half if is_half else None
        found = externally_reconstructed(job, schedule, half, k, summed.fourier[k], known)
    else:
        found = Reconstructed(volume, *known)
        if job.priors.wanted and not schedule.converged:  # the last map is of both halves
            found = _with_plug_in(job, schedule, (summed.half + 1 if is_half else 0, k), found)
    shaped = finished(found.volume, shaping_steps(job, schedule))
    return found._replace(
        volume=finished(shaped, flattening_steps(job, schedule)),
        unmasked=shaped,
        spectra=_as_filtered(job, schedule, found.spectra),
    )


def _as_filtered(job: Job, schedule: Schedule, found: Spectra) -> Spectra:
    """Return the spectra of a map that is filtered again: its power shows the filter, squared."""
    if not job.filters_again(schedule.iteration):
        return found
    shells = np.arange(job.box // 2 + 1)
    limit_A = job.options.initial_lowpass_A
    share = low_pass_factor(shells, job.box * job.pixel_size_A, limit_A) ** 2
    return replace(
        found,
        signal_variance=found.signal_variance * share,
        data_vs_prior=found.data_vs_prior * share,
    )


def _with_plug_in(
    job: Job, schedule: Schedule, place: tuple[int, int], made: Reconstructed
) -> Reconstructed:
    """Let the plug-in regularise the ordinary map.

    Parameters
    ----------
    place
        Half, 1 or 2, 0 without halves; and class.
    """
    half, k = place
    given = PriorInput(
        map=made.volume,
        pixel_size_A=float(job.pixel_size_A),
        particle_diameter_A=float(job.schedule_rules.particle_diameter_A),
        symmetry=schedule.sampling.symmetry,
        iteration=schedule.iteration,
        class_number=k + 1,
        window_px=schedule.current_size,
        noise_variance=made.spectra.map_variance,
        signal_variance=made.spectra.signal_variance,
        data_vs_prior=made.spectra.data_vs_prior,
        fsc=made.fsc,
    )
    return made._replace(volume=job.priors.regularised(half, given))
