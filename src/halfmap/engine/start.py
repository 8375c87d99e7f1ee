"""From options to the first iteration: ranks, data, and models that know only the start map."""

import os
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
from jaxtyping import Float
from mpi4py import MPI
from numpy import ndarray as Array

from halfmap.config.options import RefineOptions
from halfmap.engine.console import Console
from halfmap.engine.first_noise import first_noise_variance
from halfmap.engine.inputs import Inputs, read_inputs
from halfmap.engine.job import Job, make_job
from halfmap.engine.state import State
from halfmap.io.output import check_disc_space, check_output, iteration_bytes, make_room
from halfmap.io.particle_table import ParticleTable
from halfmap.io.problems import Problems
from halfmap.model.fourier import low_pass
from halfmap.model.half_model import HalfModel
from halfmap.model.noise import initial_signal_to_noise
from halfmap.model.orientations import direction_pixels
from halfmap.model.sampling import Sampling
from halfmap.parallel.collectives import from_root, share
from halfmap.parallel.halves import LEADER, Ranks, organise
from halfmap.parallel.launcher import check_launcher, is_launched
from halfmap.steps.resolution import first_schedule
from halfmap.steps.sampling_schedule import LOCAL_SIGMA_STEPS


def join_ranks(options: RefineOptions, world: MPI.Intracomm) -> tuple[Ranks, Console]:
    """Organise the ranks and give the leader a voice. Collective.

    Raises
    ------
    OptionError
        When launcher and MPI do not agree on the number of ranks.
    """
    check_launcher(os.environ, world.size, MPI.Get_library_version())
    ranks = organise(world, 2 if options.split_random_halves else 1)
    verbosity = options.verbosity if ranks.leads else 0
    return ranks, Console(verbosity, may_draw=not is_launched(os.environ))


def new_run(options: RefineOptions, command: str, world: MPI.Intracomm) -> tuple[Job, State]:
    """Read and check everything, and make the state before the first iteration. Collective."""
    ranks, console = join_ranks(options, world)
    options = share(_with_seed(options), world, LEADER)
    table: ParticleTable | None = None
    existing: list[Path] = []

    def read() -> Inputs:
        nonlocal table, existing
        problems, root = Problems(), options.output_root
        existing = problems.attempt(check_output, root, overwrite=options.overwrite) or []
        inputs, table = read_inputs(options, options.random_seed, console, problems)
        optics, n = inputs.particles.optics[0], len(inputs.particles)
        needed = iteration_bytes(optics.box, n, len(table.particles), ranks.n_halves)
        check_disc_space(root.parent, 2 * needed)
        return inputs

    inputs = from_root(read, world, LEADER)
    job = make_job(options, command, (ranks, console), inputs, table)
    state = first_state(job, inputs)
    # Not before the images have been looked at: an old result is worth more than a failed start.
    from_root(lambda: make_room(options.output_root.parent, existing), world, LEADER)
    return job, state


def _with_seed(options: RefineOptions) -> RefineOptions:
    """Return the options with the seed that will be used."""
    if options.random_seed >= 0:
        return options
    return options.model_copy(update={"random_seed": int(time.time())})


def first_state(job: Job, inputs: Inputs) -> State:
    """Make the models that know nothing but the starting map and the noise. Collective."""
    noise = first_noise_variance(job)
    sampling = first_sampling(job)
    models = {half: _first_model(job, inputs, sampling, noise, half) for half in job.told_halves}
    if job.ranks.leads:
        data_vs_prior = models[0].data_vs_prior
        models = {h: m if h in job.ranks.teams else m.without_maps() for h, m in models.items()}
    data_vs_prior = share(data_vs_prior if job.ranks.leads else None, job.ranks.world, LEADER)
    increment = job.options.size_increment_shells
    schedule = first_schedule(sampling, data_vs_prior, job.schedule_rules, increment)
    return State(schedule, inputs.poses, models)


def first_sampling(job: Job) -> Sampling:
    """Return the sampling as it was asked for."""
    options = job.options
    order, step = options.healpix_order, options.psi_step_deg
    sampling = Sampling(
        healpix_order=order,
        psi_step_deg=360.0 / np.ceil(360.0 / step) if step > 0.0 else 60.0 / 2**order,
        offset_range_A=options.offset_range_px * job.pixel_size_A,
        offset_step_A=options.offset_step_px * job.pixel_size_A,
        oversampling=options.oversampling,
        symmetry=options.symmetry.upper(),
        limit_tilt_deg=options.limit_tilt_deg,
    )
    sigma = options.sigma_ang_deg
    if options.auto_refine and order >= options.local_search_healpix_order and sigma <= 0.0:
        sigma = LOCAL_SIGMA_STEPS * sampling.fine_angular_step_deg
    return replace(sampling, prior_sigma_deg=(sigma, sigma, sigma)) if sigma > 0.0 else sampling


def _first_model(
    job: Job, inputs: Inputs, sampling: Sampling, noise: Float[Array, "optics shell"], half: int
) -> HalfModel:
    volume = inputs.references[half]
    if job.options.initial_lowpass_A > 0.0:
        volume = low_pass(volume, job.pixel_size_A, job.options.initial_lowpass_A)
    n_particles = float(np.count_nonzero(job.particles.half == half))
    signal, ratio = initial_signal_to_noise(
        volume, noise * job.pixel_share, n_particles, job.options.data_weight, job.of_map.tau2
    )
    n_directions = len(direction_pixels(sampling)[0])
    model = HalfModel.untrained(
        maps=np.ascontiguousarray(volume[None], np.float32),
        noise_variance=noise,
        data_vs_prior=ratio[None],
        offset_sigma_A=job.options.offset_sigma_A,
        counts=(n_directions, len(job.particles.scale_groups)),
    )
    return replace(model, signal_variance=signal[None])
