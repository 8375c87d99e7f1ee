import numpy as np
import pytest

from halfmap.errors import OptionError
from halfmap.model.eman_symmetry import eman_point_group
from halfmap.model.symmetry import point_group

AXES = {
    "tet": [
        (3, (0.0, 0.0, 1.0)),
        (3, (0.0, 0.9428, 0.3333)),
        (2, (0.0, -0.8165, 0.5774)),
    ],
    "oct": [(4, (1.0, 0.0, 0.0)), (4, (0.0, 1.0, 0.0)), (4, (0.0, 0.0, 1.0))],
    "icos": [
        (5, (0.0, 0.0, 1.0)),
        (5, (0.8944, 0.0, 0.4472)),
        (5, (0.2764, 0.8507, 0.4472)),
        (5, (-0.7236, 0.5257, 0.4472)),
        (2, (0.0, 1.0, 0.0)),
        (2, (0.5257, 0.0, 0.8507)),
        (3, (0.4911, 0.3568, 0.7947)),
    ],
    "icos2": [(2, (1.0, 0.0, 0.0)), (2, (0.0, 1.0, 0.0)), (5, (0.0, 0.5257, 0.8507))],
    "d5": [(5, (0.0, 0.0, 1.0)), (2, (1.0, 0.0, 0.0))],
}
ORDER = {"tet": 12, "oct": 24, "icos": 60, "icos2": 60, "d5": 10, "c7": 7, "C1": 1}


def folds(name: str, axis: tuple[float, float, float]) -> int:
    """Count the operators that leave an axis where it is."""
    operators = np.concatenate([np.eye(3)[None], eman_point_group(name).right])
    # Axes are written with four digits.
    return int(np.sum(np.abs(operators @ axis - axis).max(axis=1) < 2e-4))


@pytest.mark.parametrize(("name", "order"), ORDER.items())
def test_a_group_has_as_many_operators_as_its_order(name: str, order: int) -> None:
    assert eman_point_group(name).n_operators == order


@pytest.mark.parametrize("name", AXES)
def test_axes_lie_where_eman_has_them(name: str) -> None:
    for fold, axis in AXES[name]:
        assert folds(name, axis) == fold, (fold, axis)


def test_i_means_icos() -> None:
    for other in ("i", "ICOS5", "I4"):
        np.testing.assert_array_equal(eman_point_group(other).right, eman_point_group("icos").right)


def test_names_that_eman_does_not_have_are_relions() -> None:
    assert eman_point_group("I2").name == point_group("I2").name


@pytest.mark.parametrize("name", ["icos7", "c0", "", "h3:1:20:4"])
def test_what_is_no_group_is_answered_by_those_that_are(name: str) -> None:
    with pytest.raises(OptionError, match=r"cN, dN, tet, oct, icos, icos2"):
        eman_point_group(name)
