"""How far the data carry, and how much of Fourier space the next iteration looks at."""

from dataclasses import replace

import numpy as np
from jaxtyping import Float
from numpy import ndarray as Array

from halfmap.model.fourier import resolution_shell, round_half_away
from halfmap.model.sampling import Sampling
from halfmap.model.schedule import Schedule
from halfmap.model.schedule_rules import ScheduleRules

HIGH_FSC = 0.2
"""More than this at the edge of the window: the window was too small."""
CONFIDENT = 0.1
"""Mean largest posterior above which a high FSC at the edge widens the window generously."""
GENEROUS_FRACTION = 0.25
"""Of the Nyquist shell."""
EXTRA_SHELLS = 5
LASTING_SHELLS = 3
"""A dip of the data below the prior is passed over if they win again so much further out."""
RESOLUTION_GAIN_PER_A = 0.0001
COARSE_OVERSAMPLING = {False: 1.2, True: 1.5}
"""The first pass sees detail this much finer than the arc of one angular step; flat or not."""


def first_schedule(
    sampling: Sampling,
    data_vs_prior: Float[Array, "class shell"],
    rules: ScheduleRules,
    size_increment: int = 10,
) -> Schedule:
    """Return the schedule before the first iteration.

    Parameters
    ----------
    data_vs_prior
        As guessed from the starting map; used if that is not low-pass filtered.
    size_increment
        Shells beyond the resolution that take part.
    """
    schedule = Schedule(
        iteration=0,
        sampling=sampling,
        initial_sampling=sampling,
        resolution_shell=0,
        best_resolution_shell=0,
        size_increment=size_increment,
    )
    shell = _resolution_shell(schedule, data_vs_prior, rules)
    return replace(schedule, resolution_shell=shell)


def next_resolution(
    schedule: Schedule, data_vs_prior: Float[Array, "class shell"], rules: ScheduleRules
) -> Schedule:
    """Take the resolution from the maps of the iteration that has just ended.

    Counts the iterations without a gain over the one *before* (not over the best so far).
    """
    shell = _resolution_shell(schedule, data_vs_prior, rules)
    gained = (shell - schedule.resolution_shell) / rules.box_A > RESOLUTION_GAIN_PER_A
    return replace(
        schedule,
        resolution_shell=shell,
        best_resolution_shell=max(schedule.best_resolution_shell, schedule.resolution_shell),
        iterations_without_resolution_gain=(
            0 if gained else schedule.iterations_without_resolution_gain + 1
        ),
    )


def after_fsc(schedule: Schedule, fsc: Float[Array, " shell"]) -> Schedule:
    """Widen the margin around the window as the FSC asks; it never shrinks again.

    Parameters
    ----------
    schedule
        Of this iteration: its ``current_size`` is the window in which the FSC was measured.
    fsc
        Between the halves, shells 0 to box/2.
    """
    fall = _first_below(fsc, 0.143) - _first_below(fsc, 0.5)
    edge = fsc[schedule.current_size // 2 - 1]
    return replace(
        schedule,
        size_increment=max(schedule.size_increment, fall + EXTRA_SHELLS),
        high_fsc_at_limit=schedule.high_fsc_at_limit or bool(edge > HIGH_FSC),
    )


def image_sizes(schedule: Schedule, rules: ScheduleRules) -> tuple[int, int]:
    """Return the Fourier windows of the second and of the first pass, px.

    Parameters
    ----------
    schedule
        At the start of an iteration, its sampling not yet refined: RELION takes the coarse window
        from the sampling before the update.
    """
    if schedule.converged:
        size = rules.box
    else:
        size = min(rules.box, 2 * (schedule.resolution_shell + _margin(schedule, rules)))
    return size, min(size, _coarse_size(schedule.sampling, rules))


def _margin(schedule: Schedule, rules: ScheduleRules) -> int:
    if schedule.high_fsc_at_limit and schedule.mean_max_probability > CONFIDENT:
        return int(round_half_away(GENEROUS_FRACTION * rules.box / 2))
    return schedule.size_increment


def _coarse_size(sampling: Sampling, rules: ScheduleRules) -> int:
    """Return a window with all the detail that one step of the coarse grid can tell apart."""
    if rules.strict_high_resolution_A > 0.0:
        return 2 * resolution_shell(rules.strict_high_resolution_A, rules.box, rules.pixel_size_A)
    if sampling.oversampling == 0:
        return rules.box
    arc_A = sampling.angular_step_deg / 360.0 * np.pi * rules.particle_diameter_A
    detail_A = arc_A / COARSE_OVERSAMPLING[sampling.flat]
    wanted = 2 * int(np.ceil(rules.box_A / detail_A))
    limit = rules.coarse_size_limit_px
    return min(wanted, limit if limit > 0 else rules.box)


def _resolution_shell(
    schedule: Schedule, data_vs_prior: Float[Array, "class shell"], rules: ScheduleRules
) -> int:
    given = 1 if rules.first_iteration_by_correlation else 0
    if schedule.iteration <= given and rules.initial_low_pass_A > 0.0:
        return resolution_shell(rules.initial_low_pass_A, rules.box, rules.pixel_size_A)
    tolerant = rules.automatic and rules.converges and rules.split
    shells = [_last_shell_of_data(ratio, tolerant) for ratio in data_vs_prior]
    return max(rules.minimum_resolution_shell, *shells)


def _last_shell_of_data(data_vs_prior: Float[Array, " shell"], tolerant: bool) -> int:
    """Return the shell before the first where the prior wins, or where the data last win.

    ``tolerant``: a narrow dip of the FSC does not end the resolution.
    """
    inner = data_vs_prior[1:-1]
    lost, won = np.flatnonzero(inner < 1.0), np.flatnonzero(inner > 1.0)
    shell = int(lost[0]) if lost.size else len(inner)
    last = int(won[-1]) + 1 if won.size else 0
    return last if tolerant and last > shell + LASTING_SHELLS else shell


def _first_below(fsc: Float[Array, " shell"], level: float) -> int:
    """Return the first shell with an FSC below ``level``, -1 if there is none."""
    below = np.flatnonzero(fsc < level)
    return int(below[0]) if below.size else -1
