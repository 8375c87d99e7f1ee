"""The course that a run is expected to take: its iterations, before any of them is computed.

The decisions are those of the run itself (`halfmap.engine.schedule` and the steps behind it); what
the data would say is assumed:

* the resolution follows the window, up to what the angular steps can show, and ends at an expected
  one (``--plan_resolution``, or `EXPECTED_SHARE` of Nyquist);
* poses move less in each iteration (`STILL_MOVING`), down to some times their accuracy;
* poses are known as well as the resolution allows (`ROTATION_ACCURACY`, `SHIFT_ACCURACY`).

The constants are those of refinements of simulated particles (docs/forecast.md).
"""

from dataclasses import dataclass, replace

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
ROTATION_ACCURACY = 0.33
"""Angular accuracy in arcs: of the resolution at the rim of the particle."""
SHIFT_ACCURACY = 0.12
"""Accuracy of the offsets, as a share of the resolution."""
AT_RANDOM_DEG, STILL_MOVING = 90.0, 0.7
"""Poses move so far in the first iteration, and after each by this factor less ..."""
UNREST = 3.0
"""... but by so many times their accuracy all the same."""
CONFIDENCE = 0.3
"""Mean largest posterior from the second iteration on."""
SURE, NOTHING = 10.0, 0.1
"""Ratio of data to prior within the resolution, and beyond it."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """The iterations that are expected."""

    iterations: tuple[Schedule, ...]
    """As their expectations will find them."""
    target_shell: int
    """Where the resolution is expected to end."""


def expected_iterations(job: Job, schedule: Schedule) -> Scenario:
    """Return the iterations after a state, up to the last.

    Parameters
    ----------
    schedule
        Before the first of them.
    """
    target = max(expected_shell(job), schedule.resolution_shell)
    iterations: list[Schedule] = []
    while not (is_finished(schedule, job) or (iterations and job.options.skip_maximisation)):
        opened = _with_accuracies(begin(schedule, job), job)
        refined = _refined(opened, job)
        iterations.append(refined)
        schedule = _concluded(refined, job, target)
    return Scenario(tuple(iterations), target)


def expected_shell(job: Job) -> int:
    """Return the shell at which the resolution is expected to end."""
    last = job.box // 2 - 1
    wanted_A = job.options.plan_resolution_A
    if wanted_A > 0.0:
        return int(min(last, resolution_shell(wanted_A, job.box, job.pixel_size_A)))
    return int(EXPECTED_SHARE * last)


def _refined(schedule: Schedule, job: Job) -> Schedule:
    """Do as `halfmap.engine.schedule.update_sampling` does, without models."""
    by_correlation = job.begins_by_correlation(schedule.iteration)
    refined = next_sampling(schedule, job.schedule_rules)
    if job.schedule_rules.coarser_allowed:
        refined = coarser_sampling(refined, job.schedule_rules, by_correlation=by_correlation)
    return refined


def _with_accuracies(schedule: Schedule, job: Job) -> Schedule:
    """Return the accuracies that a map of the present resolution allows."""
    resolution_A = job.schedule_rules.box_A / max(1, schedule.resolution_shell)
    rim_A = job.schedule_rules.particle_diameter_A / 2.0
    return replace(
        schedule,
        accuracy_rotation_deg=float(np.rad2deg(ROTATION_ACCURACY * resolution_A / rim_A)),
        accuracy_translation_A=SHIFT_ACCURACY * resolution_A,
    )


def _concluded(schedule: Schedule, job: Job, target: int) -> Schedule:
    """Return what follows when the maps reach what window, sampling and data allow."""
    rules = job.schedule_rules
    shell = min(target, schedule.current_size // 2 - 1, _shell_of_sampling(schedule, job))
    shell = max(shell, schedule.resolution_shell, rules.minimum_resolution_shell)
    if schedule.converged:
        shell = target
    by_chance = AT_RANDOM_DEG * STILL_MOVING ** (schedule.iteration - 1)
    turned = max(UNREST * schedule.accuracy_rotation_deg, by_chance)
    moved = Changes(turned, schedule.accuracy_translation_A, 0.0)
    counted = count_changes(replace(schedule, mean_max_probability=CONFIDENCE), moved)
    if job.ranks.n_halves == 2:
        counted = after_fsc(counted, _fsc(shell, job.box // 2 + 1))
    shells = np.arange(job.box // 2 + 1)
    ratio = np.where(shells <= shell, SURE, NOTHING)
    return next_resolution(counted, ratio[None], rules)


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
