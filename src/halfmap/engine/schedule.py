"""What happens next: the decisions between and within iterations, the same on every rank."""

from dataclasses import replace
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from numpy import ndarray as Array

from halfmap.engine.expectation import Found
from halfmap.engine.job import Job
from halfmap.engine.maximisation import Maximised
from halfmap.engine.node_search import References
from halfmap.engine.state import State
from halfmap.model.geometry import ImageGeometry
from halfmap.model.half_model import HalfModel
from halfmap.model.orientations import direction_pixels, draw_perturbation
from halfmap.model.particles import Poses
from halfmap.model.reference import FourierReference
from halfmap.model.schedule import Schedule
from halfmap.parallel.collectives import share
from halfmap.parallel.halves import LEADER
from halfmap.steps.accuracy import N_TRIALS, TrialRules, expected_accuracy, make_trials
from halfmap.steps.coarser_sampling import coarser_sampling
from halfmap.steps.convergence import count_changes, has_converged, pose_changes
from halfmap.steps.resolution import after_fsc, image_sizes, next_resolution
from halfmap.steps.sampling_schedule import next_sampling
from halfmap.steps.search_plan import ImageSettings
from halfmap.steps.statistics_update import with_uniform_directions


class Told(NamedTuple):
    """What the first half tells everybody: both must choose the same size and resolution."""

    data_vs_prior: Float[Array, "class shell"]
    mean_max_probability: float

    @classmethod
    def of(cls, model: HalfModel) -> "Told":
        """Take it from the model of the first half."""
        return cls(model.data_vs_prior, model.mean_max_probability)


def is_finished(schedule: Schedule, job: Job) -> bool:
    """Say whether no further iteration is due."""
    return schedule.converged or schedule.iteration >= job.options.last_iteration


def begin(schedule: Schedule, job: Job) -> Schedule:
    """Open an iteration: is it the last, how much of Fourier space, and how the grid is turned."""
    iteration = schedule.iteration + 1
    ends = job.options.force_converge or has_converged(schedule, job.schedule_rules)
    opened = replace(schedule, iteration=iteration, converged=ends)
    size, coarse_size = image_sizes(opened, job.schedule_rules)
    factor = 0.0 if job.options.keeps_angles else job.options.perturbation
    seed = job.options.random_seed
    turned = draw_perturbation(opened.sampling.perturbation, factor, seed, iteration)
    return replace(
        opened,
        current_size=size,
        coarse_size=coarse_size,
        sampling=replace(opened.sampling, perturbation=turned),
    )


def update_sampling(
    job: Job, schedule: Schedule, state: State, references: References
) -> tuple[Schedule, dict[int, HalfModel]]:
    """Estimate how accurate the poses can be, and refine the sampling if it is time. Collective.

    The models get the power of their references as prior (tau2), and a new list of directions
    where the sampling has changed.
    """
    models = {
        half: replace(state.models[half], signal_variance=_prior_power(job, references[half]))
        for half in references
    }
    nothing_to_tell = job.options.skip_align and job.options.skip_rotate
    begins = job.begins_by_correlation(schedule.iteration)
    if not (begins or nothing_to_tell):
        schedule, models = _with_accuracy(job, schedule, state.poses, models, references)
    refined = next_sampling(schedule, job.schedule_rules)
    if job.schedule_rules.coarser_allowed:
        refined = coarser_sampling(refined, job.schedule_rules, by_correlation=begins)
    if _directions_of(refined) != _directions_of(schedule):
        n_directions = len(direction_pixels(refined.sampling)[0])
        models = {
            half: with_uniform_directions(model, n_directions) for half, model in models.items()
        }
    return refined, models


def _directions_of(schedule: Schedule) -> tuple[int, float]:
    """Return what decides on the list of directions; 2D references have psi alone."""
    sampling = schedule.sampling
    return sampling.healpix_order, sampling.psi_step_deg if sampling.flat else 0.0


def conclude(job: Job, schedule: Schedule, before: Poses, found: Found, made: Maximised) -> State:
    """Close an iteration: new poses, how far they moved, and the resolution. Collective."""
    models, world = made.models, job.ranks.world
    poses = share(found.results.poses(before) if job.ranks.leads else None, world, LEADER)
    told = share(Told.of(models[0]) if job.ranks.leads else None, world, LEADER)
    schedule = replace(schedule, mean_max_probability=told.mean_max_probability)
    if made.fsc is not None:
        schedule = after_fsc(schedule, made.fsc)
    rows = job.rows_at(schedule)
    flat = schedule.sampling.flat
    changes = pose_changes(before[rows], poses[rows], job.group, flat=flat)
    schedule = count_changes(schedule, changes)
    schedule = next_resolution(schedule, told.data_vs_prior, job.schedule_rules)
    return State(schedule, poses, models)


def _prior_power(job: Job, references: tuple[FourierReference, ...]) -> Float[Array, "class shell"]:
    """Return tau2 of each class: the power of its reference, or what ``--tau`` says."""
    if job.of_map.tau2 is None:
        return np.stack([reference.power for reference in references])
    return np.stack([job.options.data_weight * job.of_map.tau2] * len(references))


def _with_accuracy(
    job: Job,
    schedule: Schedule,
    poses: Poses,
    models: dict[int, HalfModel],
    references: References,
) -> tuple[Schedule, dict[int, HalfModel]]:
    """Estimate the accuracies on the root of the first half; all take them over. Collective."""
    root, accuracy = job.ranks.roots[0], None
    if job.ranks.world.rank == root:
        rows = np.flatnonzero(job.particles.half == 0)
        rows = rows[: N_TRIALS[schedule.sampling.flat]]
        trials = tuple(
            make_trials(job.particles, poses, own, models[0], _trial_rules(job, schedule, images))
            for own, images in job.by_geometry(rows)
        )
        accuracy = expected_accuracy(trials, references[0], models[0].class_fraction, job.kernels)
    accuracy = share(accuracy, job.ranks.world, root)
    if 0 in models:  # RELION's second half shows none either
        models[0] = replace(
            models[0],
            accuracy_rotation_deg=accuracy.rotation_deg,
            accuracy_translation_A=accuracy.translation_A,
            orientability=accuracy.orientability,
        )
    schedule = replace(
        schedule,
        accuracy_rotation_deg=accuracy.best_rotation_deg,
        accuracy_translation_A=accuracy.best_translation_A,
    )
    return schedule, models


def _trial_rules(
    job: Job, schedule: Schedule, images: ImageSettings
) -> tuple[TrialRules, ImageGeometry]:
    ctf = None if job.reference_has_ctf(schedule.iteration) else images.ctf
    compares_coarsely = job.search_rules.compares_coarsely
    size = schedule.coarse_size if compares_coarsely else schedule.current_size
    rules = TrialRules(size, job.options.random_seed, ctf, job.interpolation)
    return rules, images.geometry
