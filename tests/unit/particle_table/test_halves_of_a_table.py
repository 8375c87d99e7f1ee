"""Half-sets, given or drawn."""

from pathlib import Path

import pytest

from .small_table import PARTICLES, problems_of, read_table


def test_given_halves_are_used_as_they_are(tmp_path: Path) -> None:
    particles, _, _ = read_table(tmp_path, particles={"rlnRandomSubset": [1, 2, 2, 1]}, half_seed=1)

    assert particles.half.tolist() == [1, 0, 0, 1]


def test_a_set_that_is_not_split_has_one_half(tmp_path: Path) -> None:
    particles, _, _ = read_table(tmp_path, particles={"rlnRandomSubset": [1, 2, 0, 1]})

    assert particles.half.tolist() == [0, 0, 0, 0]


@pytest.mark.parametrize("subset", [None, [0] * 100])
def test_halves_are_drawn_by_the_seed_where_none_are_given(tmp_path: Path, subset) -> None:
    columns = {label: column * 25 for label, column in PARTICLES.items()}
    columns["rlnRandomSubset"] = subset

    halves = [
        read_table(tmp_path, particles=columns, half_seed=seed)[0].half.tolist()
        for seed in (1, 1, 2)
    ]

    assert halves[0] == halves[1]
    assert halves[0] != halves[2]
    # a hundred tosses of a fair coin: 50 heads, give or take 5
    assert 30 < sum(halves[0]) < 70


def test_an_empty_half_is_refused(tmp_path: Path) -> None:
    (problem,) = problems_of(tmp_path, particles={"rlnRandomSubset": [2] * 4}, half_seed=1)

    assert "no particle is in half 1; both halves need some" in problem


def test_mixed_halves_are_refused(tmp_path: Path) -> None:
    (problem,) = problems_of(tmp_path, particles={"rlnRandomSubset": [1, 2, 0, 3]}, half_seed=1)

    # The row that is named is that of the file, not of the sorted table.
    assert "rlnRandomSubset is 3 in rows 3, 4; expected 1 or 2" in problem
