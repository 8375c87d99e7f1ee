import numpy as np
import pytest

from halfmap.errors import OptionError
from halfmap.model.asymmetric_unit import inside_asymmetric_unit, without_seam_mates
from halfmap.model.rotations import direction_angles, direction_vectors, euler_matrices
from halfmap.model.symmetry import PointGroup, point_group

ORDERS = (
    {"C1": 1, "C2": 2, "C7": 7, "D1": 2, "D2": 4, "D7": 14, "T": 12, "O": 24}
    | {"I": 60, "I1": 60, "I2": 60, "I3": 60, "I4": 60}
    | {"CI": 2, "CS": 2, "C3H": 6, "C4H": 8, "C1V": 2, "C3V": 6, "S2": 2, "S4": 4, "S6": 6}
    | {"D2H": 8, "D3H": 12, "D3V": 12, "TD": 24, "TH": 24, "OH": 48}
    | {"IH": 120, "I1H": 120, "I2H": 120, "I3H": 120, "I4H": 120}
)
AXES = [
    ("C5", 5, (0, 0, 1)),
    ("D5", 5, (0, 0, 1)),
    ("D5", 2, (1, 0, 0)),
    ("T", 3, (0, 0, 1)),
    ("T", 2, (0, 0.816496, 0.577350)),
    ("O", 3, (0.577350, 0.577350, 0.577350)),
    ("O", 4, (0, 0, 1)),
    ("I2", 2, (0, 0, 1)),
    ("I2", 5, (0.525731114, 0, 0.850650807)),
    ("I2", 3, (0, 0.356822076, 0.934172364)),
    ("I1", 2, (1, 0, 0)),
    ("I1", 5, (0.85065080702670, 0, -0.5257311142635)),
    ("I1", 3, (0.9341723640, 0.3568220765, 0)),
    ("I3", 2, (-0.5257311143, 0, 0.8506508070)),
    ("I3", 5, (0, 0, 1)),
    ("I3", 3, (-0.4911234778630044, 0.3568220764705179, 0.7946544753759428)),
    ("I4", 2, (0.5257311143, 0, 0.8506508070)),
    ("I4", 5, (0.8944271932547096, 0, 0.4472135909903704)),
    ("I4", 3, (0.4911234778630044, 0.3568220764705179, 0.7946544753759428)),
]
MIRRORS = [
    ("CS", (0, 0, 1)),
    ("C3H", (0, 0, 1)),
    ("D3H", (0, 0, 1)),
    ("C3V", (0, 1, 0)),
    ("D3V", (1, 0, 0)),
    ("TD", (1.4142136, 2.4494897, 0)),
    ("OH", (0, 1, 1)),
    ("I1H", (0, 0, -1)),
    ("I2H", (1, 0, 0)),
]


def elements(group: PointGroup) -> np.ndarray:
    return np.concatenate([np.eye(3)[None], group.right])


@pytest.mark.parametrize(("name", "order"), ORDERS.items())
def test_a_group_has_its_order_and_is_closed(name: str, order: int) -> None:
    group = point_group(name)

    assert group.n_operators == order
    all_of_it = elements(group)
    products = np.einsum("aij,bjk->abik", all_of_it, all_of_it).reshape(-1, 1, 9)
    distance = np.abs(products - all_of_it.reshape(1, -1, 9)).max(axis=2)
    assert distance.min(axis=1).max() < 1e-12, "a product is not in the group"
    assert ((distance < 1e-3).sum(axis=1) == 1).all(), "an element is there twice"


@pytest.mark.parametrize(("name", "fold", "axis"), AXES)
def test_a_rotation_axis_lies_where_relion_has_it(
    name: str, fold: int, axis: tuple[float, float, float]
) -> None:
    right = point_group(name).right

    fixed = np.abs(right @ axis - axis).max(axis=1) < 2e-6  # six digits are given
    angles = np.degrees(np.arccos(np.clip((np.trace(right, axis1=1, axis2=2) - 1) / 2, -1, 1)))
    assert np.isclose(angles[fixed], 360.0 / fold).any()


@pytest.mark.parametrize(("name", "normal"), MIRRORS)
def test_a_mirror_plane_lies_where_relion_has_it(
    name: str, normal: tuple[float, float, float]
) -> None:
    unit = np.asarray(normal) / np.linalg.norm(normal)
    mirror = np.eye(3) - 2.0 * np.outer(unit, unit)

    assert np.abs(point_group(name).right - mirror).max(axis=(1, 2)).min() < 1e-6


@pytest.mark.parametrize("name", ["CI", "S2", "S4", "S6", "TH", "D3V", "OH", "IH"])
def test_a_group_with_an_inversion_contains_it(name: str) -> None:
    assert np.abs(point_group(name).right + np.eye(3)).max(axis=(1, 2)).min() < 1e-12


@pytest.mark.parametrize("name", ["C3", "D2", "T", "O", "I3", "CI", "CS", "C3V", "S4", "TD", "IH"])
def test_equivalent_orientations_show_the_same_image(name: str) -> None:
    rng = np.random.default_rng(3)
    group = point_group(name)
    particle = (elements(group) @ rng.normal(size=(4, 3)).T).transpose(0, 2, 1).reshape(-1, 3)
    orientation = euler_matrices(rng.uniform(-180.0, 180.0, 3))
    image = particle @ orientation[:2].T

    for left, right in zip(group.left, group.right, strict=True):
        mate = left @ orientation @ right
        assert np.linalg.det(mate) == pytest.approx(1.0), "no rotation"
        distance = np.linalg.norm(image[:, None] - particle @ mate[:2].T, axis=2)
        assert distance.min(axis=0).max() < 1e-12


@pytest.mark.parametrize("name", ["D3", "I1", "CS", "C3V", "TD"])
def test_direction_operators_lead_to_the_directions_of_the_mates(name: str) -> None:
    group = point_group(name)
    orientation = euler_matrices(np.array([20.0, 50.0, 10.0]))

    mates = group.direction_operators @ orientation[2]

    np.testing.assert_allclose(mates[0], orientation[2])
    np.testing.assert_allclose(mates[1:], (group.left @ orientation @ group.right)[:, 2])


@pytest.mark.parametrize(
    "name",
    ["C1", "C3", "D1", "D2", "D5", "T", "O", "I1", "I2", "I3", "I4", "CI", "C3V", "S6", "IH"],
)
def test_just_one_mate_of_a_direction_is_in_the_asymmetric_unit(name: str) -> None:
    rng = np.random.default_rng(4)
    group = point_group(name)
    vectors = rng.normal(size=(500, 3))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    mates = np.einsum("oij,dj->doi", group.direction_operators, vectors).reshape(-1, 3)

    inside = inside_asymmetric_unit(group, direction_angles(mates), mates)

    # An inversion takes each direction to itself: those mates are inside twice.
    itself = np.isclose(group.direction_operators, np.eye(3)).all(axis=(1, 2)).sum()
    # The planes of T and I are given with six digits, the sector of D1 for no psi.
    count = inside.reshape(500, -1).sum(axis=1)
    assert np.mean(count == itself) >= 0.998


def test_a_direction_is_dropped_only_for_a_mate_that_is_kept() -> None:
    chain = direction_vectors(np.array([[0.0, 90.0], [189.0, 90.0], [18.0, 90.0]]))

    keep = without_seam_mates(point_group("C2"), chain, np.radians(10.0))

    # The second goes for the first, 9° from its mate; the third is near the second only.
    assert keep.tolist() == [True, False, True]


@pytest.mark.parametrize("name", ["i", "I2", "i2 "])
def test_names_are_read_in_capitals_or_not_and_i_is_i2(name: str) -> None:
    assert point_group(name).name == "I2"


@pytest.mark.parametrize("name", ["I5", "I5H", "S3", "S5", "C0", "C", "D", "X", "", "C3VV", "TI"])
def test_an_unknown_group_is_an_error_that_lists_the_known_ones(name: str) -> None:
    with pytest.raises(OptionError, match=r"unknown symmetry .*expected one of C1, Cn.*I4.*--sym"):
        point_group(name)
