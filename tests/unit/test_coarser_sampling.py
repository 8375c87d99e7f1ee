"""Steps of a classification whose poses are not accurate (spec section 8.5)."""

from dataclasses import replace

import pytest

from halfmap.model.sampling import Sampling
from halfmap.model.schedule import Schedule
from halfmap.model.schedule_rules import ScheduleRules
from halfmap.steps.coarser_sampling import coarser_sampling

RULES = ScheduleRules(box=64, pixel_size_A=5.0, particle_diameter_A=290.0, automatic=False)
GIVEN = Sampling(3, 7.5, 25.0, 5.0, 1, "C1", perturbation=0.3)


def coarser(
    rotation_deg: float, translation_A: float, given: Sampling = GIVEN, *, by_correlation=False
) -> Sampling:
    schedule = Schedule(
        iteration=2,
        sampling=given,
        initial_sampling=replace(given, perturbation=0.0),
        resolution_shell=9,
        best_resolution_shell=9,
        size_increment=10,
        accuracy_rotation_deg=rotation_deg,
        accuracy_translation_A=translation_A,
    )
    return coarser_sampling(schedule, RULES, by_correlation=by_correlation).sampling


@pytest.mark.parametrize(
    ("accuracy_deg", "order"),
    # fine steps 3.75, 7.5, 15, 30 degrees at orders 3, 2, 1, 0, against 0.8 of the accuracy
    [(1.0, 3), (4.6, 3), (9.3, 3), (9.4, 2), (18.7, 2), (18.8, 1), (37.6, 0), (999.0, 0)],
)
def test_the_order_is_the_coarsest_with_steps_below_0_8_of_the_accuracy(
    accuracy_deg: float, order: int
) -> None:
    found = coarser(accuracy_deg, 1.0)

    assert found.healpix_order == order
    assert found.psi_step_deg == 60.0 / 2**order
    assert found.perturbation == 0.3


def test_offsets_have_a_step_of_0_8_of_their_accuracy_within_bounds() -> None:
    assert coarser(1.0, 6.0).offset_step_A == pytest.approx(0.8 * 6.0 * 2)
    assert coarser(1.0, 1.0).offset_step_A == 5.0  # never finer than given
    assert coarser(1.0, 100.0).offset_step_A == pytest.approx(0.95 * 25.0)


def test_2d_classes_have_a_psi_step_of_0_8_of_the_accuracy() -> None:
    flat = replace(GIVEN, flat=True, psi_step_deg=6.0)

    # RELION's own steps at these accuracies: 18.576 and 14.576 shortened to divide 360
    assert coarser(11.61, 1.0, flat).psi_step_deg == pytest.approx(18.0)
    assert coarser(9.11, 1.0, flat).psi_step_deg == pytest.approx(14.4)
    assert coarser(2.0, 1.0, flat).psi_step_deg == 6.0
    assert coarser(10.0, 1.0, flat).healpix_order == 3


def test_by_correlation_the_resolution_stands_for_the_accuracy() -> None:
    # 360 / ceil(pi * 290 * 9 / 320) = 360 / 26 = 13.8 degrees; the accuracies are those of nobody
    found = coarser(999.0, 999.0, by_correlation=True)

    assert found.healpix_order == 2
    assert found.offset_step_A == 5.0
