from dataclasses import replace

import numpy as np
import pytest

from halfmap.model.sampling import Sampling
from halfmap.model.schedule import Schedule
from halfmap.model.schedule_rules import ScheduleRules
from halfmap.steps.resolution import after_fsc, first_schedule, image_sizes, next_resolution

RULES = ScheduleRules(box=64, pixel_size_A=5.0, particle_diameter_A=290.0, initial_low_pass_A=30.0)


def sampling(order: int = 2, oversampling: int = 1) -> Sampling:
    return Sampling(order, 60.0 / 2**order, 10.0, 2.0, oversampling, "C1")


def schedule(**changes: object) -> Schedule:
    start = Schedule(
        iteration=3,
        sampling=sampling(),
        initial_sampling=sampling(),
        resolution_shell=11,
        best_resolution_shell=11,
        size_increment=10,
        current_size=42,
    )
    return replace(start, **changes)


def falling(crossing: int, n: int = 33) -> np.ndarray:
    """A ratio of data to prior that falls below one at ``crossing``."""
    return np.where(np.arange(n) < crossing, 2.0, 0.5)


@pytest.mark.parametrize(
    ("box", "pixel_A", "diameter_A", "order", "wanted"),
    [
        (256, 1.2, 200.0, 2, 30),
        (256, 1.2, 200.0, 3, 58),
        (256, 1.2, 200.0, 4, 114),
        (360, 0.885, 180.0, 2, 34),
        (360, 0.885, 180.0, 3, 66),
        (128, 3.54, 200.0, 1, 22),
        (100, 3.54, 150.0, 2, 44),
    ],
)
def test_the_coarse_size_follows_from_the_angular_step(
    box: int, pixel_A: float, diameter_A: float, order: int, wanted: int
) -> None:
    rules = ScheduleRules(box=box, pixel_size_A=pixel_A, particle_diameter_A=diameter_A)
    wide = schedule(sampling=sampling(order), resolution_shell=box)

    assert image_sizes(wide, rules) == (box, wanted)


@pytest.mark.parametrize(
    ("box", "pixel_A", "low_pass_A", "wanted"),
    [(256, 1.2, 60.0, 30), (360, 0.885, 50.0, 32), (100, 3.54, 30.0, 44), (64, 5.0, 30.0, 42)],
)
def test_the_first_window_is_ten_shells_beyond_the_initial_low_pass(
    box: int, pixel_A: float, low_pass_A: float, wanted: int
) -> None:
    rules = ScheduleRules(box, pixel_A, 200.0, initial_low_pass_A=low_pass_A)

    first = first_schedule(sampling(), np.zeros((1, box // 2 + 1)), rules)

    assert image_sizes(first, rules)[0] == wanted


def test_without_a_low_pass_the_starting_map_decides_the_first_window() -> None:
    rules = replace(RULES, initial_low_pass_A=0.0)

    first = first_schedule(sampling(), falling(14)[None], rules)

    assert first.resolution_shell == 13
    assert first.iterations_without_resolution_gain == 0


def test_the_coarse_window_is_never_wider_than_the_fine_one() -> None:
    assert image_sizes(schedule(sampling=sampling(5), resolution_shell=5), RULES) == (30, 30)


def test_a_single_pass_uses_the_fine_window() -> None:
    assert image_sizes(schedule(sampling=sampling(2, oversampling=0)), RULES) == (42, 42)


def test_the_coarse_window_can_be_limited() -> None:
    wide = schedule(sampling=sampling(4), resolution_shell=32)

    assert image_sizes(wide, RULES)[1] == 64
    assert image_sizes(wide, replace(RULES, coarse_size_limit_px=40))[1] == 40


def test_a_strict_high_resolution_limit_sets_the_coarse_window() -> None:
    rules = replace(RULES, strict_high_resolution_A=20.0)

    assert image_sizes(schedule(resolution_shell=32), rules) == (64, 32)


def test_the_last_iteration_uses_all_data() -> None:
    assert image_sizes(schedule(converged=True), RULES)[0] == 64


def test_the_window_grows_generously_once_the_fsc_was_high_at_its_edge() -> None:
    confident = schedule(high_fsc_at_limit=True, mean_max_probability=0.2)
    unsure = schedule(high_fsc_at_limit=True, mean_max_probability=0.1)

    assert image_sizes(confident, RULES)[0] == 2 * (11 + 8)  # a quarter of 32 shells
    assert image_sizes(unsure, RULES)[0] == 2 * (11 + 10)


def test_the_resolution_is_the_shell_before_the_data_lose() -> None:
    after = next_resolution(schedule(), falling(15)[None], RULES)

    assert after.resolution_shell == 14
    assert after.iterations_without_resolution_gain == 0


def test_the_resolution_is_at_least_shell_five() -> None:
    assert next_resolution(schedule(), falling(3)[None], RULES).resolution_shell == 5


def test_if_the_data_never_lose_the_resolution_is_one_shell_before_nyquist() -> None:
    assert next_resolution(schedule(), falling(33)[None], RULES).resolution_shell == 31


def test_the_best_class_decides() -> None:
    ratios = np.stack([falling(9), falling(17)])

    assert next_resolution(schedule(), ratios, RULES).resolution_shell == 16


def test_a_dip_is_passed_over_only_by_split_automatic_runs() -> None:
    ratio = falling(20)
    ratio[12] = 0.9

    assert next_resolution(schedule(), ratio[None], RULES).resolution_shell == 19
    for other in (replace(RULES, automatic=False), replace(RULES, split=False)):
        assert next_resolution(schedule(), ratio[None], other).resolution_shell == 11


def test_a_dip_counts_when_the_data_win_for_only_three_more_shells() -> None:
    ratio = falling(15)
    ratio[12] = 0.9

    assert next_resolution(schedule(), ratio[None], RULES).resolution_shell == 11


def test_gain_is_measured_against_the_iteration_before_not_against_the_best() -> None:
    worse = next_resolution(schedule(), falling(10)[None], RULES)
    same = next_resolution(worse, falling(10)[None], RULES)
    better = next_resolution(same, falling(11)[None], RULES)

    assert [s.iterations_without_resolution_gain for s in (worse, same, better)] == [1, 2, 0]
    assert better.best_resolution_shell == 11


def test_an_iteration_by_correlation_says_nothing_about_the_resolution() -> None:
    rules = replace(RULES, first_iteration_by_correlation=True)

    after = [next_resolution(schedule(iteration=i), falling(20)[None], rules) for i in (1, 2)]

    assert [s.resolution_shell for s in after] == [11, 19]


def test_the_margin_follows_a_slowly_falling_fsc_and_never_shrinks() -> None:
    slow, steep = np.zeros(33), np.zeros(33)
    slow[:8], slow[8:20] = 1.0, 0.3
    steep[:8] = 1.0

    wider = after_fsc(schedule(), slow)

    assert wider.size_increment == (20 - 8) + 5
    assert after_fsc(wider, steep).size_increment == 17
    assert after_fsc(schedule(), steep).size_increment == 10


def test_a_high_fsc_at_the_edge_of_the_window_is_remembered() -> None:
    edge = np.zeros(33)
    edge[20] = 0.21  # window 42: shell 42 / 2 - 1

    high = after_fsc(schedule(), edge)

    assert high.high_fsc_at_limit
    assert after_fsc(high, np.zeros(33)).high_fsc_at_limit
    assert not after_fsc(schedule(current_size=44), edge).high_fsc_at_limit
