"""When automatic sampling takes finer steps, and which."""

from dataclasses import replace

import numpy as np

from halfmap.model.sampling import Sampling
from halfmap.model.schedule import NO_CHANGES_YET, Schedule
from halfmap.model.schedule_rules import ScheduleRules

FINE_ENOUGH = 0.75
"""Steps below this fraction of the expected accuracy gain nothing."""
LARGEST_STEP_A = 1.5
RANGE_OF_CHANGES = 5.0
"""Offsets are searched this many times as far as they moved (root mean square)."""
RANGE_GROWTH = 1.3
STEPS_IN_RANGE = (1.5, 4.0)
"""A range has at least and at most so many steps; more, and it is halved first."""
LOCAL_SIGMA_STEPS = 2.0
"""Width of the priors of a local search, in fine angular steps."""


def next_sampling(schedule: Schedule, rules: ScheduleRules) -> Schedule:
    """Refine the sampling if the iterations at the present one have stopped improving.

    Parameters
    ----------
    schedule
        In the iteration at hand: ``iteration`` is its number and the accuracies are those
        expected for it; changes and counters are those of the iteration before.

    Returns
    -------
    schedule
        If its sampling has another ``healpix_order``, the directions are new and what is known
        of their occupancy is void.
    """
    due = _resolution_stalls(schedule, rules) and _poses_stall(schedule, rules)
    if not rules.automatic or schedule.iteration <= 1 or not due:
        return schedule
    if schedule.sampling.fine_angular_step_deg < FINE_ENOUGH * schedule.accuracy_rotation_deg:
        return replace(schedule, fine_enough=True)
    return replace(
        schedule,
        sampling=_finer(schedule, rules),
        fine_enough=False,
        iterations_without_resolution_gain=0,
        iterations_without_large_changes=0,
        smallest_changes=NO_CHANGES_YET,
    )


def angular_step_needed_deg(resolution_shell: int, rules: ScheduleRules) -> float:
    """Return the step whose arc at the rim of the particle is the resolution."""
    steps = np.ceil(np.pi * rules.particle_diameter_A * resolution_shell / rules.box_A)
    return float(360.0 / max(steps, 1.0))


def _resolution_stalls(schedule: Schedule, rules: ScheduleRules) -> bool:
    if schedule.iterations_without_resolution_gain >= 1:
        return True
    sampling = schedule.sampling
    stays_global = sampling.healpix_order + 1 != rules.local_from_order
    needed = angular_step_needed_deg(schedule.resolution_shell, rules)
    return (
        rules.angles_follow_resolution and needed < sampling.fine_angular_step_deg and stays_global
    )


def _poses_stall(schedule: Schedule, rules: ScheduleRules) -> bool:
    return rules.ignore_pose_changes or schedule.iterations_without_large_changes >= 1


def _finer(schedule: Schedule, rules: ScheduleRules) -> Sampling:
    """Return the sampling one order further on."""
    old = schedule.sampling
    step, reach = _offset_steps(schedule)
    if step > old.offset_step_A:
        step, reach = old.offset_step_A, old.offset_range_A
    finer = replace(old, offset_step_A=step, offset_range_A=reach)
    if old.flat:
        return replace(finer, psi_step_deg=old.psi_step_deg / 2.0)
    order = old.healpix_order + 1
    finer = replace(finer, healpix_order=order, psi_step_deg=60.0 / 2**order)
    if finer.healpix_order >= rules.local_from_order:
        sigma = LOCAL_SIGMA_STEPS * finer.fine_angular_step_deg
        finer = replace(finer, prior_sigma_deg=(sigma, sigma, sigma), priors_follow_poses=True)
    return finer


def _offset_steps(schedule: Schedule) -> tuple[float, float]:
    """Return step and range of the offsets, from their accuracy and their last changes."""
    old = schedule.sampling
    fine_step = min(LARGEST_STEP_A, FINE_ENOUGH * schedule.accuracy_translation_A)
    step = fine_step * 2**old.oversampling
    fewest, most = STEPS_IN_RANGE
    reach = min(RANGE_OF_CHANGES * schedule.changes.offsets_A, RANGE_GROWTH * old.offset_range_A)
    reach = max(reach, fewest * step)
    if reach > most * step:
        reach /= 2.0
        if reach > most * step:
            step = reach / most
    return step, reach
