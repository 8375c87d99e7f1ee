"""The course that a run is expected to take: its iterations, before any of them is computed.

The decisions are those of the run itself (`halfmap.engine.schedule` and the steps behind it); what
the data would say is assumed:

* the resolution follows the window, up to what the angular steps can show, and ends at an expected
  one (``--plan_resolution``, or `EXPECTED_SHARE` of Nyquist);
* poses are known as well as the run will estimate in maps as they are expected
  (`halfmap.engine.planning.expected_accuracy`);
* poses move as far as grids differ that are turned at random (`AXIS_OF_STEP`, `OFFSET_OF_STEP`)
  and, at first, because they are undecided (`still_undecided`).

What was measured of it stands in docs/forecast.md.
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from jaxtyping import Float

from halfmap.engine.job import Job
from halfmap.engine.schedule import begin, is_finished
from halfmap.model.fourier import resolution_shell
from halfmap.model.schedule import Changes, Schedule
from halfmap.steps.coarser_sampling import coarser_sampling
from halfmap.steps.convergence import count_changes
from halfmap.steps.resolution import after_fsc, next_resolution
from halfmap.steps.sampling_schedule import next_sampling

EXPECTED_SHARE = 2.0 / 3.0
"""Of the Nyquist shell: the resolution at which a run is expected to end, if nothing is said."""
ARCS = 1.5
"""Finest detail that a sampling can show, in arcs of its fine step at the rim of the particle."""
AXIS_OF_STEP = float(np.sqrt(np.pi / 12.0))
"""How far an axis moves in the mean between the nearest points of two grids, in steps: each of
three rotations differs by two errors that are even within a step (variance 1/6); two of the three
move an axis."""
OFFSET_OF_STEP = float(np.sqrt(1.0 / 6.0))
"""The same of a component of the offsets, root mean square."""
AT_RANDOM_DEG = 90.0
"""Orientations that are not known move so far."""
UNDECIDED = {False: 0.2, True: 0.7}
"""After each iteration so many of the poses are still undecided that were before it: where a map
is there to begin with, and where maps are formed only, which takes long."""
CONFIDENCE = 0.3
"""Mean largest posterior from the second iteration on."""
SURE, NOTHING = 10.0, 0.1
"""Ratio of data to prior within the resolution, and beyond it."""
Accuracies = Callable[[Schedule], tuple[float, float]]
"""From an iteration to the accuracies of angles, degrees, and offsets, Å."""


def expected_iterations(
    job: Job, schedule: Schedule, accuracies: Accuracies
) -> tuple[Schedule, ...]:
    """Return the iterations after a state, up to the last, as their expectations will find them.

    Parameters
    ----------
    schedule
        Before the first of them.
    accuracies
        That the run will estimate.
    """
    target = expected_shell(job, schedule)
    iterations: list[Schedule] = []
    while not (is_finished(schedule, job) or (iterations and job.options.skip_maximisation)):
        opened = _with_accuracies(begin(schedule, job), job, accuracies)
        refined = _refined(opened, job)
        iterations.append(refined)
        schedule = _concluded(refined, job, target)
    return tuple(iterations)


def expected_shell(job: Job, schedule: Schedule) -> int:
    """Return the shell at which the resolution is expected to end; not below the present one."""
    last, wanted_A = job.box // 2 - 1, job.options.plan_resolution_A
    shell = int(EXPECTED_SHARE * last)
    if wanted_A > 0.0:
        shell = int(min(last, resolution_shell(wanted_A, job.box, job.pixel_size_A)))
    return max(shell, schedule.resolution_shell)


def still_undecided(job: Job, iteration: int) -> float:
    """Return which share of the poses that were unknown at first is undecided in an iteration."""
    forms_maps = job.options.reference_file is None or job.options.seeds_classes
    return UNDECIDED[forms_maps] ** (iteration - 1)


def _refined(schedule: Schedule, job: Job) -> Schedule:
    """Do as `halfmap.engine.schedule.update_sampling` does, without models."""
    by_correlation = job.begins_by_correlation(schedule.iteration)
    refined = next_sampling(schedule, job.schedule_rules)
    if job.schedule_rules.coarser_allowed:
        refined = coarser_sampling(refined, job.schedule_rules, by_correlation=by_correlation)
    return refined


def _with_accuracies(schedule: Schedule, job: Job, accuracies: Accuracies) -> Schedule:
    """Return the accuracies that a map of the present resolution allows, if any rule asks."""
    rules = job.schedule_rules
    if not (rules.automatic or rules.coarser_allowed):
        return schedule
    angle_deg, shift_A = accuracies(schedule)
    return replace(schedule, accuracy_rotation_deg=angle_deg, accuracy_translation_A=shift_A)


def _concluded(schedule: Schedule, job: Job, target: int) -> Schedule:
    """Return what follows when the maps reach what window, sampling and data allow."""
    rules = job.schedule_rules
    shell = min(target, schedule.current_size // 2 - 1, _shell_of_sampling(schedule, job))
    shell = max(shell, schedule.resolution_shell, rules.minimum_resolution_shell)
    if schedule.converged:
        shell = target
    counted = count_changes(
        replace(schedule, mean_max_probability=CONFIDENCE), _changes(schedule, job)
    )
    if job.ranks.n_halves == 2:
        counted = after_fsc(counted, _fsc(shell, job.box // 2 + 1))
    shells = np.arange(job.box // 2 + 1)
    ratio = np.where(shells <= shell, SURE, NOTHING)
    return next_resolution(counted, ratio[None], rules)


def _changes(schedule: Schedule, job: Job) -> Changes:
    sampling, sigma = schedule.sampling, schedule.initial_sampling.prior_sigma_deg
    at_first = AT_RANDOM_DEG if sigma is None else float(np.mean(sigma))
    by_chance = at_first * still_undecided(job, schedule.iteration)
    turned = max(AXIS_OF_STEP * sampling.fine_angular_step_deg, by_chance)
    return Changes(turned, OFFSET_OF_STEP * sampling.fine_offset_step_A, 0.0)


def _shell_of_sampling(schedule: Schedule, job: Job) -> int:
    """Return the finest shell that the steps of the second pass can show.

    Angles that stay are those of a finer search.
    """
    if schedule.sampling.fixed_angles:
        return job.box // 2
    rules = job.schedule_rules
    step = np.deg2rad(schedule.sampling.fine_angular_step_deg)
    detail_A = ARCS * step * rules.particle_diameter_A / 2.0
    return int(max(rules.minimum_resolution_shell, rules.box_A / detail_A))


def _fsc(shell: int, n_shells: int) -> Float[np.ndarray, " shell"]:
    """Return a curve that falls below 0.143 one shell after the resolution."""
    shells = np.arange(n_shells)
    return np.where(shells <= shell, 1.0, 0.0)
