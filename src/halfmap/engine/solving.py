"""From the sums of one half-set to its maps, finished for the next iteration.

Runs on the ranks that make maps of the half, which hold nothing of the other.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from jaxtyping import Float
from numpy import ndarray as Array

from halfmap.engine.finishing import finished, flattening_steps, shaping_steps
from halfmap.engine.helping.external import Reconstructed, externally_reconstructed
from halfmap.engine.job import Job
from halfmap.model.fourier import low_pass_factor
from halfmap.model.half_model import HalfModel
from halfmap.model.prior_input import PriorInput
from halfmap.model.schedule import Schedule
from halfmap.model.sums import FourierSums
from halfmap.steps.maximisation import Spectra, spectra
from halfmap.steps.reconstruction import reconstruct


@dataclass(frozen=True, slots=True)
class Summed:
    """The sums of a whole half-set in floating point: on its root, or of a class on its maker."""

    half: int
    fourier: dict[int, FourierSums]
    """Of the classes that this rank reconstructs; complete and symmetrised."""
    noise: Float[Array, "optics shell"]
    """On the root."""
    directions: Float[Array, "class direction"]
    """On the root."""


Known = tuple[Spectra, Float[Array, " shell"]]
"""What is known of a class before its map is made: its spectra, and the FSC."""
Solved = dict[int, Reconstructed]
"""The classes that this rank makes."""


def solve(
    job: Job,
    schedule: Schedule,
    old: HalfModel,
    summed: Summed,
    fsc: Float[Array, " shell"] | None,
) -> Solved:
    """Estimate the spectra of this rank's classes and reconstruct their maps."""
    shown = np.zeros(job.box // 2 + 1) if fsc is None else fsc
    weight = job.options.data_weight
    # A spectrum from a file is what the user says it is; with an FSC there is no such prior.
    given = fsc is not None or job.of_map.tau2 is not None
    share = np.ones(job.box // 2 + 1) if given else job.ctf_power
    reconstructed = _reconstructor(job, schedule, summed.half)
    solved = {}
    for k, sums in summed.fourier.items():
        power = old.signal_variance[k]
        estimate = spectra(sums, job.box, power, weight, fsc, joined=schedule.converged)
        estimate = replace(estimate, data_vs_prior=estimate.data_vs_prior * share)
        if sums.values[:, 2].any():
            made = reconstructed(k, sums, (estimate, shown))
            shaped = finished(made.volume, shaping_steps(job, schedule))
            volume = finished(shaped, flattening_steps(job, schedule))
            shown_spectra = _as_filtered(job, schedule, made.spectra)
            solved[k] = made._replace(volume=volume, unmasked=shaped, spectra=shown_spectra)
        else:  # no particle was here: the class stays, and stays empty
            volume = np.zeros(old.maps.shape[1:], np.float32)
            solved[k] = Reconstructed(volume, estimate, shown, volume)
    return solved


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


def _reconstructor(
    job: Job, schedule: Schedule, half: int
) -> Callable[[int, FourierSums, Known], Reconstructed]:
    """Return what makes the map of a class from its sums: we, another program, or a plug-in."""
    is_half = job.ranks.n_halves == 2 and not schedule.converged
    if job.options.external_reconstruct:
        return partial(externally_reconstructed, job, schedule, half if is_half else None)
    if job.priors.wanted and not schedule.converged:  # the last map is of both halves
        return partial(_with_plug_in, job, schedule, half + 1 if is_half else 0)
    return partial(_reconstructed, job)


def _reconstructed(job: Job, k: int, sums: FourierSums, known: Known) -> Reconstructed:
    del k  # all classes are made alike
    estimate, fsc = known
    weight = job.options.data_weight
    volume = reconstruct(sums, job.box, estimate.signal_variance, weight, job.inversion)
    return Reconstructed(volume, estimate, fsc)


def _with_plug_in(
    job: Job, schedule: Schedule, half: int, k: int, sums: FourierSums, known: Known
) -> Reconstructed:
    """Let the plug-in regularise the ordinary map; ``half`` is 1 or 2, 0 without halves."""
    made = _reconstructed(job, k, sums, known)
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
