from dataclasses import replace

import pytest

from halfmap.model.sampling import Sampling
from halfmap.model.schedule import NO_CHANGES_YET, Changes, Schedule
from halfmap.model.schedule_rules import ScheduleRules
from halfmap.steps.convergence import has_converged
from halfmap.steps.sampling_schedule import angular_step_needed_deg, next_sampling

RULES = ScheduleRules(box=64, pixel_size_A=5.0, particle_diameter_A=290.0, local_from_order=3)


def stalled(sampling: Sampling, offset_change_A: float, **changes: object) -> Schedule:
    """A run that no longer improves at its sampling."""
    schedule = Schedule(
        iteration=4,
        sampling=sampling,
        initial_sampling=sampling,
        resolution_shell=9,
        best_resolution_shell=9,
        size_increment=10,
        iterations_without_resolution_gain=2,
        iterations_without_large_changes=1,
        changes=Changes(3.0, offset_change_A, 0.0),
        smallest_changes=Changes(3.0, 2.0, 0.0),
        accuracy_rotation_deg=4.47,
        accuracy_translation_A=6.19,
    )
    return replace(schedule, **changes)


ORDER_1 = Sampling(1, 30.0, 25.0, 10.0, 1, "D2")


def test_the_steps_of_a_real_run_are_reproduced() -> None:
    """The run of 59 particles in spec section 7.4: order 1 to 4, local from 3."""
    order_2 = next_sampling(stalled(ORDER_1, 6.417), RULES).sampling
    order_3 = next_sampling(stalled(order_2, 1.985), RULES).sampling
    order_4 = next_sampling(stalled(order_3, 0.899), RULES).sampling
    last = next_sampling(stalled(order_4, 0.5), RULES)

    assert (order_2.healpix_order, order_2.psi_step_deg) == (2, 15.0)
    # The run printed its changes, hence these, with four digits.
    assert (order_2.offset_range_A, order_2.offset_step_A) == pytest.approx(
        (16.043, 4.011), abs=1e-3
    )
    assert order_2.prior_sigma_deg is None
    assert (order_3.offset_range_A, order_3.offset_step_A) == pytest.approx((9.926, 3.0), abs=2e-3)
    assert order_3.prior_sigma_deg == (7.5, 7.5, 7.5)
    assert (order_4.offset_range_A, order_4.offset_step_A) == pytest.approx((4.5, 3.0))
    assert order_4.prior_sigma_deg == (3.75, 3.75, 3.75)
    assert last.sampling == order_4
    assert last.fine_enough


def test_refining_the_sampling_resets_the_counters() -> None:
    finer = next_sampling(stalled(ORDER_1, 6.0, fine_enough=True), RULES)

    assert finer.iterations_without_resolution_gain == 0
    assert finer.iterations_without_large_changes == 0
    assert finer.smallest_changes == NO_CHANGES_YET
    assert not finer.fine_enough


@pytest.mark.parametrize(
    "progress",
    [
        {"iterations_without_resolution_gain": 0},
        {"iterations_without_large_changes": 0},
        {"iteration": 1},
    ],
)
def test_a_run_that_still_improves_keeps_its_sampling(progress: dict[str, int]) -> None:
    going = stalled(ORDER_1, 6.0, **progress)

    assert next_sampling(going, RULES) is going


def test_a_run_with_fixed_sampling_keeps_it() -> None:
    schedule = stalled(ORDER_1, 6.0)

    assert next_sampling(schedule, replace(RULES, automatic=False)) is schedule


def test_finer_steps_need_not_wait_for_the_poses_when_told_so() -> None:
    moving = stalled(ORDER_1, 6.0, iterations_without_large_changes=0)

    finer = next_sampling(moving, replace(RULES, ignore_pose_changes=True))

    assert finer.sampling.healpix_order == 2


def test_finer_angles_need_not_wait_when_the_resolution_asks_for_them() -> None:
    # 290 Å at 320 / 30 Å: pi * 290 / 10.67 = 85.4 arcs of 4.19°, finer than 15°.
    gaining = stalled(ORDER_1, 6.0, iterations_without_resolution_gain=0, resolution_shell=30)
    following = replace(RULES, angles_follow_resolution=True)

    assert next_sampling(gaining, following).sampling.healpix_order == 2
    # The step to local searches waits in any case.
    assert next_sampling(gaining, replace(following, local_from_order=2)) is gaining


def test_a_step_larger_than_the_old_one_keeps_step_and_range() -> None:
    fine = replace(ORDER_1, offset_step_A=2.0, offset_range_A=6.0)

    finer = next_sampling(stalled(fine, 3.0), RULES).sampling

    assert (finer.offset_step_A, finer.offset_range_A) == (2.0, 6.0)


def test_the_range_grows_by_a_third_at_most() -> None:
    # 5 * 20 Å would be 100; 1.3 * 8 = 10.4 is less than 4 steps of 3.
    narrow = replace(ORDER_1, offset_range_A=8.0)

    finer = next_sampling(stalled(narrow, 20.0), RULES).sampling

    assert (finer.offset_range_A, finer.offset_step_A) == pytest.approx((10.4, 3.0))


def test_the_offset_step_follows_the_accuracy_when_that_is_better() -> None:
    finer = next_sampling(stalled(ORDER_1, 0.5, accuracy_translation_A=1.0), RULES).sampling

    assert finer.offset_step_A == pytest.approx(1.5)  # 0.75 * 1 Å, twice for the coarse grid
    assert finer.offset_range_A == pytest.approx(2.5)


@pytest.mark.parametrize(("resolution_A", "wanted"), [(10.0, 5.714), (4.0, 2.278)])
def test_the_step_needed_is_the_resolution_at_the_rim(resolution_A: float, wanted: float) -> None:
    rules = ScheduleRules(box=400, pixel_size_A=1.0, particle_diameter_A=200.0)

    step = angular_step_needed_deg(round(400 / resolution_A), rules)

    assert step == pytest.approx(wanted, abs=1e-3)


def test_local_searches_of_automatic_sampling_follow_the_poses() -> None:
    given = replace(ORDER_1, healpix_order=2, prior_sigma_deg=(0.0, 9.0, 9.0))
    given = replace(given, priors_follow_poses=False)

    finer = next_sampling(stalled(given, 1.985), RULES).sampling

    assert finer.prior_sigma_deg == (7.5, 7.5, 7.5)
    assert finer.priors_follow_poses


def test_2d_classes_take_finer_psi_steps_alone() -> None:
    flat = replace(ORDER_1, flat=True, psi_step_deg=12.0)

    finer = next_sampling(stalled(flat, 6.417, accuracy_rotation_deg=4.0), RULES).sampling

    assert finer.psi_step_deg == 6.0
    assert finer.healpix_order == flat.healpix_order
    assert finer.prior_sigma_deg is None


def test_sampling_that_is_automatic_without_refinement_never_converges() -> None:
    done = stalled(ORDER_1, 6.0, fine_enough=True)

    assert has_converged(done, RULES)
    assert not has_converged(done, replace(RULES, converges=False))
    assert next_sampling(stalled(ORDER_1, 6.0), replace(RULES, converges=False)).sampling != ORDER_1
