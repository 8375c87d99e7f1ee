import numpy as np
import pytest

from halfmap.model.reconstruction_sizes import resolved_sizes
from halfmap.model.slice_quality import KeepRule, kept


def test_sizes_that_are_not_given_follow_from_the_images() -> None:
    sizes = resolved_sizes((64, 48), (96,), (), ())

    assert sizes == ((64, 48), (96, 96), (96, 96, 96), (64, 64, 64))
    assert resolved_sizes((63, 63), (), (), ()).padded == (64, 64)
    assert resolved_sizes((64, 64), (-1,), (), (48, 48, 32)).output == (48, 48, 32)
    assert resolved_sizes((64, 64), (-1,), (), ()).volume == (84, 84, 84)


def test_a_padding_below_the_box_is_named() -> None:
    assert "expected at least the 64 px" in resolved_sizes((64, 64), (48,), (), ()).crowded()[0]


@pytest.mark.parametrize(
    ("rule", "n_kept"),
    [
        (KeepRule(), 10),
        (KeepRule(0.5), 6),
        (KeepRule(0.0), 10),
        (KeepRule(4.5, absolute=True), 5),
        (KeepRule(0.0, of_sigma=True), 5),
        (KeepRule(1.0, of_sigma=True), 8),
    ],
)
def test_slices_of_small_quality_numbers_are_kept(rule: KeepRule, n_kept: int) -> None:
    assert np.flatnonzero(kept(np.arange(10.0), rule)).tolist() == list(range(n_kept))


def test_slices_of_one_quality_are_all_kept() -> None:
    assert kept(np.ones(4), KeepRule(0.1)).all()
