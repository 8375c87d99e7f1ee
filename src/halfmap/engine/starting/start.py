"""From options to the first iteration: ranks, data, and models that know only the start map."""

import os
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
from jaxtyping import Float, Float32
from mpi4py import MPI
from numpy import ndarray as Array

from halfmap.config.options import RefineOptions
from halfmap.engine.helping.external import check_program
from halfmap.engine.helping.priors import check_prior
from halfmap.engine.job import Job
from halfmap.engine.keeping.checkpoints import check_checkpoint_folder
from halfmap.engine.make_job import make_job
from halfmap.engine.model_sharing import from_leader
from halfmap.engine.staging import check_scratch
from halfmap.engine.starting.first_noise import first_noise_variance
from halfmap.engine.starting.first_references import first_references
from halfmap.engine.starting.first_sampling import check_relaxed_symmetry, first_sampling
from halfmap.engine.starting.inputs import Inputs, read_inputs
from halfmap.engine.state import State
from halfmap.engine.telling.console import Console
from halfmap.engine.telling.sampling_text import absent_poses_text
from halfmap.io.output import (
    check_disc_space,
    check_output,
    external_bytes,
    half_written,
    iteration_bytes,
    make_room,
)
from halfmap.io.particle_table import ParticleTable
from halfmap.io.problems import Problems
from halfmap.model.fourier import low_pass, round_half_away, shell_resolution_A
from halfmap.model.half_model import HalfModel
from halfmap.model.noise import initial_signal_to_noise
from halfmap.model.orientations import direction_pixels
from halfmap.model.particles import Poses
from halfmap.model.sampling import Sampling
from halfmap.model.symmetry import NO_SYMMETRY
from halfmap.parallel.collectives import from_root, share
from halfmap.parallel.halves import LEADER, Ranks, organise
from halfmap.parallel.launcher import UNBOUND, bound_cores, check_launcher, is_launched
from halfmap.steps.resolution import first_schedule

NO_SYMMETRY_IN_2D = "class averages (2D) have no symmetry"
FIRST_RESOLUTION = 0.07
"""Shell of the resolution of the first averages, as a fraction of the box."""
References = tuple[tuple[Float32[Array, "z y x"], ...], ...]
"""Starting maps of each half: one a class, or one for all."""


def join_ranks(options: RefineOptions, world: MPI.Intracomm) -> tuple[Ranks, Console]:
    """Organise the ranks and give the leader a voice. Collective.

    Raises
    ------
    OptionError
        When launcher and MPI do not agree on the number of ranks, or no node has the scratch
        folder that was named.
    """
    check_launcher(os.environ, MPI.COMM_WORLD.size, MPI.Get_library_version())
    check_scratch(options, world)
    ranks = organise(world, 2 if options.split_random_halves else 1)
    verbosity = options.verbosity if ranks.leads else 0
    console = Console(verbosity, may_draw=not is_launched(os.environ))
    works = world.size == 1 or not ranks.leads
    bound = world.allreduce(bound_cores() if works else UNBOUND, op=MPI.MIN)
    if bound < options.n_threads and ranks.leads:
        console.warning(
            f"a rank is bound to {bound} core{'' if bound == 1 else 's'} but has --j "
            f"{options.n_threads} threads: they will wait for each other. Launch with mpirun "
            "--bind-to none, or srun --cpus-per-task"
        )
    return ranks, console


def new_run(options: RefineOptions, command: str, world: MPI.Intracomm) -> tuple[Job, State]:
    """Read and check everything, and make the state before the first iteration. Collective."""
    check_relaxed_symmetry(options)
    ranks, console = join_ranks(options, world)
    options = share(_with_seed(options), world, LEADER)
    table: ParticleTable | None = None
    existing: list[Path] = []
    references: References = ()

    def read() -> Inputs:
        nonlocal table, existing, references
        check_program(options)
        check_checkpoint_folder(options)
        check_prior(options)
        problems, root = Problems(), options.output_root
        existing = problems.attempt(check_output, root, overwrite=options.overwrite) or []
        inputs, table = read_inputs(options, options.random_seed, console, problems)
        optics, n = inputs.particles.optics[0], len(inputs.particles)
        references = inputs.references  # not for all ranks: maps are held once on each node
        n_maps = max([options.n_classes, *map(len, references)]) * ranks.n_halves
        depth = 1 if inputs.flat else optics.box
        needed = iteration_bytes((depth, optics.box), n, len(table.particles), n_maps)
        if options.external_reconstruct:
            needed += external_bytes(optics.box, options.padding, n_maps, flat=inputs.flat)
        check_disc_space(root.parent, 2 * needed)
        return replace(inputs, references=())

    inputs = from_root(read, world, LEADER)
    options = share(_with_classes(options, references, console), world, LEADER)
    options = _with_low_pass(options, inputs)
    if (
        inputs.flat
        and options.reference_file is not None
        and options.symmetry.upper() != NO_SYMMETRY
    ):
        console.notice(f"--sym {options.symmetry} has no effect: {NO_SYMMETRY_IN_2D}")
    job = make_job(options, command, (ranks, console), inputs, table)
    state = first_state(job, inputs.poses, references)
    if table is not None:
        absent = absent_poses_text(state.schedule.sampling, table.particles)
        if absent:
            console.warning(absent)
    # Not before the images have been looked at: an old result is worth more than a failed start.
    root = options.output_root
    if not options.dry_run:
        from_root(lambda: make_room(root.parent, [*existing, *half_written(root)]), world, LEADER)
    return job, state


def _with_seed(options: RefineOptions) -> RefineOptions:
    """Return the options with the seed that will be used."""
    if options.random_seed >= 0:
        return options
    return options.model_copy(update={"random_seed": int(time.time())})


def _with_classes(
    options: RefineOptions, references: References, console: Console
) -> RefineOptions:
    """Return the options with the number of classes there will be, on the leader."""
    if not references or options.seeds_classes or len(references[0]) == options.n_classes:
        return options
    n_listed = len(references[0])
    if options.n_classes > 1:
        console.notice(
            f"--K {options.n_classes} does not count: {options.reference_file} lists {n_listed} "
            f"reference{'' if n_listed == 1 else 's'}"
        )
    return options.model_copy(update={"n_classes": n_listed})


def _with_low_pass(options: RefineOptions, inputs: Inputs) -> RefineOptions:
    """Return the options with the resolution of the first averages, if there is no map."""
    if options.reference_file is not None or options.initial_lowpass_A > 0.0:
        return options
    optics = inputs.particles.optics[0]
    shell = max(1, round_half_away(FIRST_RESOLUTION * optics.box))
    limit_A = shell_resolution_A(shell, optics.box, optics.pixel_size_A)
    return options.model_copy(update={"initial_lowpass_A": limit_A})


def first_state(job: Job, poses: Poses, references: References) -> State:
    """Make the models that know nothing but the starting maps and the noise. Collective.

    Parameters
    ----------
    references
        Starting maps of each half, one a class or one for all; on the leader. If there are none
        they are made.
    """
    noise = first_noise_variance(job)
    sampling = first_sampling(job)
    if job.flat:  # whatever is known of rot and tilt, a class average shows none of it
        poses = replace(poses, angles_deg=poses.angles_deg * [0.0, 0.0, 1.0])
    if job.options.reference_file is None:
        blank = np.zeros((1, job.box // 2 + 1))
        before = first_schedule(sampling, blank, job.schedule_rules)
        references = first_references(job, before, noise, poses)
    made = {
        half: _first_model(job, volumes, sampling, noise, half)
        for half, volumes in enumerate(references)
    }
    models = from_leader(job.ranks, made)
    data_vs_prior = models[0].data_vs_prior if job.ranks.leads else None
    data_vs_prior = share(data_vs_prior, job.ranks.world, LEADER)
    increment = job.options.size_increment_shells
    schedule = first_schedule(sampling, data_vs_prior, job.schedule_rules, increment)
    return State(schedule, poses, models)


def _first_model(
    job: Job,
    volumes: tuple[Float32[Array, "z y x"], ...],
    sampling: Sampling,
    noise: Float[Array, "optics shell"],
    half: int,
) -> HalfModel:
    """Make a half's first model; a single map is that of all classes."""
    n_classes = job.options.n_classes
    if job.options.initial_lowpass_A > 0.0 and job.options.reference_file is not None:
        limit_A = job.options.initial_lowpass_A
        volumes = tuple(low_pass(volume, job.pixel_size_A, limit_A) for volume in volumes)
    each = np.count_nonzero(job.particles.half == half) / n_classes
    weight, tau2 = job.options.data_weight, job.of_map.tau2
    of_map = noise * job.pixel_share
    known = [initial_signal_to_noise(v, of_map, each, weight, tau2) for v in volumes]
    signal, ratio = (np.array(spectra) for spectra in zip(*known, strict=True))
    copies = n_classes // len(volumes)
    model = HalfModel.untrained(
        maps=np.repeat(np.array(volumes, np.float32), copies, axis=0),
        noise_variance=noise,
        data_vs_prior=np.repeat(ratio, copies, axis=0),
        offset_sigma_A=job.options.offset_sigma_A,
        counts=(len(direction_pixels(sampling)[0]), len(job.particles.scale_groups)),
    )
    return replace(model, signal_variance=np.repeat(signal, copies, axis=0))
