"""How far the poses moved, and whether it is time to stop."""

from dataclasses import replace

import numpy as np

from halfmap.model.fourier import round_half_away
from halfmap.model.particles import Poses
from halfmap.model.rotations import angular_distance_deg, euler_matrices
from halfmap.model.schedule import Changes, Schedule
from halfmap.model.schedule_rules import ScheduleRules
from halfmap.model.symmetry import PointGroup

SMALL_STEPS = 0.40
"""Moving by less than this fraction of a step is not moving."""
IMPROVEMENT = 1.03
"""Changes that shrink by less than 3 % have stopped shrinking."""


def pose_changes(before: Poses, after: Poses, group: PointGroup, *, flat: bool = False) -> Changes:
    """Return how far the best poses of some particles moved in one iteration.

    Angles: mean over particles and image axes, up to symmetry; of 2D references the mean angle
    in the plane. Offsets: root mean square of a component. A particle that had no class before has
    changed its class.
    """
    angles = angular_distance_deg(
        euler_matrices(before.angles_deg), euler_matrices(after.angles_deg), group.right
    )
    if flat:
        angles *= 3.0 / 2.0  # the third axis does not move
    moved = after.offset_A - before.offset_A
    return Changes(
        orientations_deg=float(angles.mean()),
        offsets_A=float(np.sqrt(np.mean(moved**2))),
        classes=float(np.mean(before.class_index != after.class_index)),
    )


def count_changes(schedule: Schedule, changes: Changes) -> Schedule:
    """Record the changes of an iteration, and count the iterations in which they were small.

    As in RELION under MPI, "small" is measured in the steps of the *initial* sampling, however
    fine the present one is: its leader, which makes this test, never learns of the refinement.
    The evident intent is the present steps; but then each sampling takes more iterations, and
    runs end later than RELION's. Its minimum of the class changes is rounded to an integer.
    """
    steps, smallest = schedule.initial_sampling, schedule.smallest_changes
    small = (
        IMPROVEMENT * changes.classes >= smallest.classes
        and _is_small(changes.offsets_A, smallest.offsets_A, steps.fine_offset_step_A)
        and _is_small(
            changes.orientations_deg, smallest.orientations_deg, steps.fine_angular_step_deg
        )
    )
    return replace(
        schedule,
        changes=changes,
        smallest_changes=Changes(
            orientations_deg=min(smallest.orientations_deg, changes.orientations_deg),
            offsets_A=min(smallest.offsets_A, changes.offsets_A),
            classes=min(smallest.classes, round_half_away(changes.classes)),
        ),
        iterations_without_large_changes=(
            schedule.iterations_without_large_changes + 1 if small else 0
        ),
    )


def has_converged(schedule: Schedule, rules: ScheduleRules) -> bool:
    """Say, at the start of an iteration, whether it is to be the last: halves joined, all data."""
    poses_rest = rules.ignore_pose_changes or schedule.iterations_without_large_changes >= 1
    return (
        rules.automatic
        and rules.converges
        and schedule.fine_enough
        and schedule.iterations_without_resolution_gain >= 1
        and poses_rest
    )


def _is_small(change: float, smallest: float, step: float) -> bool:
    return change / step < SMALL_STEPS or IMPROVEMENT * change >= smallest
