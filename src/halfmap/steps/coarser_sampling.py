"""Classification at steps no finer than the accuracy of the poses deserves."""

import math
from dataclasses import replace

from halfmap.model.sampling import Sampling
from halfmap.model.schedule import Schedule
from halfmap.model.schedule_rules import ScheduleRules
from halfmap.steps.accuracy import UNKNOWN
from halfmap.steps.sampling_schedule import angular_step_needed_deg

DESERVED = 0.8
"""Steps finer than this fraction of the accuracy gain nothing."""
LARGEST_PART_OF_RANGE = 0.95
"""The offset step stays below the range."""
_ROUNDING = 1e-9
"""Keeps a step that divides 360° in spite of rounding."""


def coarser_sampling(schedule: Schedule, rules: ScheduleRules, *, by_correlation: bool) -> Schedule:
    """Take the coarsest steps that the accuracy allows; never finer than the initial ones.

    Parameters
    ----------
    schedule
        In the iteration at hand, with the accuracies expected for it.
    by_correlation
        There are no accuracies: the step that the resolution needs stands for that of angles.

    Returns
    -------
    schedule
        If its sampling has another ``healpix_order``, the directions are new and what is known
        of their occupancy is void.
    """
    first, now = schedule.initial_sampling, schedule.sampling
    angle_deg = schedule.accuracy_rotation_deg
    shift_A = schedule.accuracy_translation_A
    if by_correlation:
        angle_deg = angular_step_needed_deg(schedule.resolution_shell, rules)
        shift_A = UNKNOWN
    order, psi_step_deg = _angular_steps(first, DESERVED * angle_deg)
    step = first.offset_step_A
    if shift_A < UNKNOWN:
        wanted = DESERVED * shift_A * 2**first.oversampling
        step = max(min(wanted, LARGEST_PART_OF_RANGE * first.offset_range_A), step)
    coarser = replace(now, healpix_order=order, psi_step_deg=psi_step_deg, offset_step_A=step)
    return replace(schedule, sampling=coarser)


def _angular_steps(first: Sampling, enough_deg: float) -> tuple[int, float]:
    """Return order and psi step: in 3D the coarsest order whose fine step is still fine enough.

    A psi step divides 360°.
    """
    if first.flat:
        wanted = max(enough_deg * 2**first.oversampling, first.psi_step_deg)
        return first.healpix_order, 360.0 / math.ceil(360.0 / wanted - _ROUNDING)
    order = first.healpix_order
    while order > 0 and 60.0 / 2 ** (order - 1 + first.oversampling) < enough_deg:
        order -= 1
    unchanged = order == first.healpix_order
    return order, first.psi_step_deg if unchanged else 60.0 / 2**order
