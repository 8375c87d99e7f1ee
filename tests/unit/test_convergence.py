from dataclasses import replace

import numpy as np
import pytest

from halfmap.model.particles import Poses
from halfmap.model.sampling import Sampling
from halfmap.model.schedule import NO_CHANGES_YET, Changes, Schedule
from halfmap.model.schedule_rules import ScheduleRules
from halfmap.model.symmetry import point_group
from halfmap.steps.convergence import count_changes, has_converged, pose_changes

RULES = ScheduleRules(box=64, pixel_size_A=5.0, particle_diameter_A=290.0)
START = Sampling(1, 30.0, 25.0, 10.0, 1, "C1")  # fine steps 15° and 5 Å


def schedule(**changes: object) -> Schedule:
    start = Schedule(
        iteration=5,
        sampling=START,
        initial_sampling=START,
        resolution_shell=9,
        best_resolution_shell=9,
        size_increment=10,
    )
    return replace(start, **changes)


def poses(angles_deg: list[list[float]], offset_A: list[list[float]], classes: list[int]) -> Poses:
    return replace(
        Poses.unknown(len(classes)),
        angles_deg=np.array(angles_deg),
        offset_A=np.array(offset_A),
        class_index=np.array(classes),
    )


def test_changes_are_means_over_particles() -> None:
    before = poses([[0, 0, 0], [10, 20, 30]], [[0, 0], [1, 1]], [-1, 0])
    after = poses([[0, 0, 30], [10, 20, 30]], [[3, 4], [1, 1]], [0, 0])

    changes = pose_changes(before, after, point_group("C1"))

    # Of the three axes two turn by 30°, one stays; the second particle stays.
    assert changes.orientations_deg == pytest.approx(30 * 2 / 3 / 2)
    assert changes.offsets_A == pytest.approx(np.sqrt(25 / (2 * 2)))
    assert changes.classes == 0.5


def test_symmetry_mates_are_no_change() -> None:
    before = poses([[0, 40, 10]], [[0, 0]], [0])
    after = poses([[90, 40, 10]], [[0, 0]], [0])

    assert pose_changes(before, after, point_group("C4")).orientations_deg == pytest.approx(
        0, abs=1e-5
    )
    assert pose_changes(before, after, point_group("C2")).orientations_deg > 30


def test_the_first_changes_are_large_and_become_the_smallest() -> None:
    after = count_changes(schedule(), Changes(90.0, 8.0, 1.0))

    assert after.iterations_without_large_changes == 0
    assert after.changes == after.smallest_changes == Changes(90.0, 8.0, 1.0)


def test_changes_that_no_longer_shrink_are_small() -> None:
    known = schedule(smallest_changes=Changes(20.0, 8.0, 0.0))

    assert count_changes(known, Changes(20.1, 8.0, 0.0)).iterations_without_large_changes == 1
    assert count_changes(known, Changes(19.6, 7.8, 0.0)).iterations_without_large_changes == 1
    assert count_changes(known, Changes(20.1, 6.0, 0.0)).iterations_without_large_changes == 0
    assert count_changes(known, Changes(15.0, 8.0, 0.0)).iterations_without_large_changes == 0


def test_changes_below_two_fifths_of_a_step_are_small_even_if_they_shrink() -> None:
    known = schedule(smallest_changes=Changes(20.0, 8.0, 0.0), iterations_without_large_changes=3)

    assert count_changes(known, Changes(5.9, 1.9, 0.0)).iterations_without_large_changes == 4
    assert count_changes(known, Changes(5.9, 2.1, 0.0)).iterations_without_large_changes == 0


def test_small_means_small_in_the_steps_of_the_initial_sampling() -> None:
    # RELION's leader never learns of finer sampling: 5.37° and 1.99 Å count as small to the end.
    refined = replace(START, healpix_order=2, psi_step_deg=15.0, offset_step_A=4.0)
    known = schedule(sampling=refined, smallest_changes=Changes(7.0, 3.0, 0.0))

    assert count_changes(known, Changes(5.37, 1.99, 0.0)).iterations_without_large_changes == 1


def test_the_smallest_class_change_is_rounded() -> None:
    assert count_changes(schedule(), Changes(1.0, 1.0, 0.4)).smallest_changes.classes == 0
    assert count_changes(schedule(), Changes(1.0, 1.0, 0.5)).smallest_changes.classes == 1


def test_after_new_sampling_the_count_begins_in_the_second_iteration() -> None:
    fresh = schedule(smallest_changes=NO_CHANGES_YET)

    first = count_changes(fresh, Changes(2.0, 1.0, 0.0))
    second = count_changes(first, Changes(2.0, 1.0, 0.0))

    assert first.iterations_without_large_changes == 0
    assert second.iterations_without_large_changes == 1


@pytest.mark.parametrize(
    ("state", "wanted"),
    [
        ((True, 1, 1), True),
        ((False, 1, 1), False),
        ((True, 0, 1), False),
        ((True, 1, 0), False),
    ],
)
def test_a_run_converges_when_sampling_resolution_and_poses_rest(
    state: tuple[bool, int, int], wanted: bool
) -> None:
    fine_enough, no_gain, no_change = state
    resting = schedule(
        fine_enough=fine_enough,
        iterations_without_resolution_gain=no_gain,
        iterations_without_large_changes=no_change,
    )

    assert has_converged(resting, RULES) is wanted
    assert has_converged(resting, replace(RULES, automatic=False)) is False


def test_poses_need_not_rest_when_told_so() -> None:
    moving = schedule(fine_enough=True, iterations_without_resolution_gain=1)

    assert has_converged(moving, replace(RULES, ignore_pose_changes=True))
