from pathlib import Path

import numpy as np
import pytest

from halfmap.errors import DataError
from halfmap.io.local_symmetry_star import read_local_symmetry, read_region_mask
from halfmap.io.mrc import write_map
from halfmap.io.star import write_star

LABELS = ("Rot", "Tilt", "Psi")


def table(*rows: tuple[str, float, float, float, float, float, float]) -> dict[str, list]:
    columns = list(zip(*rows, strict=True))
    labels = [f"rlnAngle{name}" for name in LABELS] + [f"rlnOrigin{axis}Angst" for axis in "XYZ"]
    found: dict[str, list] = {"rlnMaskName": list(columns[0])}
    return found | {
        label: np.array(column, float) for label, column in zip(labels, columns[1:], strict=True)
    }


def written(folder: Path, columns: dict[str, list]) -> Path:
    write_star(folder / "local.star", {"": columns})
    return folder / "local.star"


IDENTITY = (0.0, 0.0, 0.0, 0.0, 0.0, 0.0)
QUARTER = (90.0, 0.0, 0.0, 1.0, 2.0, 3.0)
HALF = (180.0, 0.0, 0.0, 1.0, 2.0, 3.0)


def test_rows_of_one_mask_belong_together_and_identities_are_skipped(tmp_path: Path) -> None:
    rows = [("a.mrc", *IDENTITY), ("b.mrc", *HALF), ("a.mrc", *QUARTER), ("a.mrc", *HALF)]

    regions = read_local_symmetry(written(tmp_path, table(*rows)))

    assert [region.mask_file.name for region in regions] == ["a.mrc", "b.mrc"]
    assert [len(region.operators) for region in regions] == [2, 1]
    quarter = regions[0].operators[0]
    np.testing.assert_allclose(quarter.rotation, [[0, 1, 0], [-1, 0, 0], [0, 0, 1]], atol=1e-12)
    np.testing.assert_array_equal(quarter.shift_A, [1.0, 2.0, 3.0])


def test_masks_are_looked_for_beside_the_table_too(tmp_path: Path) -> None:
    (tmp_path / "a.mrc").touch()

    (region,) = read_local_symmetry(written(tmp_path, table(("a.mrc", *HALF))))

    assert region.mask_file == tmp_path / "a.mrc"


@pytest.mark.parametrize(
    ("rows", "phrase"),
    [
        ([("a.mrc", *IDENTITY)], "found only the identity for a.mrc in row 1, expected"),
        (
            [("a.mrc", *HALF), ("a.mrc", *QUARTER), ("a.mrc", *HALF)],
            "found the same operator for a.mrc twice, in rows 1, 3",
        ),
        (
            [("a.mrc", *IDENTITY), ("a.mrc", *IDENTITY), ("a.mrc", *HALF)],
            "found the same operator for a.mrc twice, in rows 1, 2",
        ),
        ([("a.mrc", *HALF), ("./a.mrc", *QUARTER)], "found one mask under several names"),
    ],
)
def test_tables_that_cannot_be(tmp_path: Path, rows: list, phrase: str) -> None:
    with pytest.raises(DataError) as error:
        read_local_symmetry(written(tmp_path, table(*rows)))

    assert phrase in str(error.value)


def test_every_column_is_needed(tmp_path: Path) -> None:
    columns = table(("a.mrc", *HALF))
    del columns["rlnOriginZAngst"]

    with pytest.raises(DataError, match=r"the column rlnOriginZAngst is missing .*Add it: each"):
        read_local_symmetry(written(tmp_path, columns))


def test_a_table_without_masks_is_named(tmp_path: Path) -> None:
    columns = table(("a.mrc", *HALF))
    del columns["rlnMaskName"]

    with pytest.raises(DataError, match="found no table with rlnMaskName, expected one with"):
        read_local_symmetry(written(tmp_path, columns))


def test_a_mask_must_be_on_the_grid_of_the_map_and_from_0_to_1(tmp_path: Path) -> None:
    write_map(tmp_path / "mask.mrc", np.full((8,) * 3, 1.0 + 5e-7), 2.0)
    write_map(tmp_path / "bad.mrc", np.full((8,) * 3, 1.1), 2.0)

    np.testing.assert_array_equal(read_region_mask(tmp_path / "mask.mrc", 8), np.ones((8,) * 3))
    with pytest.raises(DataError, match="found a box of 8 px, expected that of the map, 10 px"):
        read_region_mask(tmp_path / "mask.mrc", 10)
    with pytest.raises(DataError, match=r"found values from 1\.1 to 1\.1, expected a mask"):
        read_region_mask(tmp_path / "bad.mrc", 8)
