"""Growing random subsets: who takes part in which iteration."""

import numpy as np

from halfmap.steps.subsets import drawn_rows, subset_size


def test_subsets_grow_to_all_particles_and_never_beyond() -> None:
    sizes = [subset_size(i, 20_000, 2, flat=False) for i in range(1, 20)]

    assert sizes == [3_000] * 5 + [9_000] * 5 + [9_000] * 5 + [20_000] * 4
    assert subset_size(1, 20_000, 2, flat=True) == 200
    assert subset_size(11, 20_000, 2, flat=True) == 6_000  # 0.3 of all
    assert subset_size(1, 2_000, 2, flat=False) == 2_000


def test_each_iteration_draws_other_particles_from_both_halves() -> None:
    half = np.arange(1_000) % 2

    first, again, other = (drawn_rows(half, 100, (7, i)) for i in (1, 1, 2))

    np.testing.assert_array_equal(first, again)
    assert np.bincount(half[first]).tolist() == [100, 100]
    assert len(np.unique(first)) == 200
    assert (np.diff(first) > 0).all()
    # 200 of 1,000: two draws share 40, give or take 5
    assert 15 < len(np.intersect1d(first, other)) < 65


def test_a_small_half_takes_part_as_a_whole() -> None:
    half = np.array([0] * 90 + [1] * 10)

    assert np.bincount(half[drawn_rows(half, 20, (1, 1))]).tolist() == [20, 10]
