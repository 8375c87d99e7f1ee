"""Maps of e2make3dpar, mode by mode: the same with its habits, and nearer to the truth without."""

from pathlib import Path

import numpy as np
import pytest

from halfmap.model.compat import EMAN2, HALFMAP
from halfmap.model.insertion_modes import MODES
from halfmap.model.symmetry import point_group

from .eman2_maps import correlation, made_map, map_of, relative_rms

SAME = 1e-4
"""Where a tabulated exponent lies between two entries, rounding decides; there are many."""
LESS_CORRELATED = 1e-4
"""So much further from the truth a map may be."""
WITH_MAPS = (
    "nearest_neighbor",
    "trilinear",
    "gauss_2",
    "gauss_3",
    "gauss_5",
    "gauss_var",
    "experimental",
    "gridding_5",
    "gridding_7",
)


@pytest.fixture
def golden(shared: Path) -> Path:
    return shared / "golden" / "eman2"


@pytest.mark.parametrize("mode", WITH_MAPS)
def test_a_map_is_that_of_eman2_with_its_habits_and_no_worse_without(
    golden: Path, mode: str
) -> None:
    theirs, truth = map_of(golden / f"rec_{mode}.hdf"), map_of(golden / "truth.hdf")

    imitated = made_map(golden, MODES[mode], 64, EMAN2)
    ours = made_map(golden, MODES[mode], 64, HALFMAP)

    assert relative_rms(imitated, theirs) <= SAME
    assert correlation(ours, truth) >= correlation(theirs, truth) - LESS_CORRELATED


@pytest.mark.slow
@pytest.mark.parametrize(("name", "padded"), [("rec_iterative", 64), ("rec_pad96_iterative", 96)])
def test_an_iterated_map_is_that_of_eman2_with_its_habits_and_no_worse_without(
    golden: Path, name: str, padded: int
) -> None:
    theirs, truth = map_of(golden / f"{name}.hdf"), map_of(golden / "truth.hdf")

    imitated = made_map(golden, None, padded, EMAN2)
    ours = made_map(golden, None, padded, HALFMAP)

    assert relative_rms(imitated, theirs) <= SAME
    assert correlation(ours, truth) >= correlation(theirs, truth) - LESS_CORRELATED


@pytest.mark.slow
def test_a_symmetric_map_is_that_of_eman2_with_its_habits(golden: Path) -> None:
    operators = np.concatenate([np.eye(3)[None], point_group("C4").right])

    made = made_map(golden, MODES["gauss_var"], 96, EMAN2, operators)

    assert relative_rms(made, map_of(golden / "rec_sym_c4.hdf")) <= SAME
