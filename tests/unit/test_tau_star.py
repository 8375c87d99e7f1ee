from pathlib import Path

import numpy as np
import pytest

from halfmap.errors import DataError
from halfmap.io.star import write_star
from halfmap.io.tau_star import check_shells, read_tau2

SHELLS = np.array([2, 0, 1])
POWER = np.array([0.25, 4.0, 1.0])


def written(folder: Path, **columns: np.ndarray) -> Path:
    first = {"rlnGroupNumber": np.array([1])}
    write_star(folder / "tau.star", {"groups": first, "class_1": columns, "class_2": columns})
    return folder / "tau.star"


def test_the_first_table_with_tau2_is_read_in_the_order_of_its_shells(tmp_path: Path) -> None:
    path = written(tmp_path, rlnSpectralIndex=SHELLS, rlnReferenceTau2=POWER)

    np.testing.assert_array_equal(read_tau2(path), [4.0, 1.0, 0.25])


@pytest.mark.parametrize(
    ("columns", "phrase"),
    [
        ({"rlnSpectralIndex": SHELLS}, "found no table with rlnSpectralIndex and rlnReferenceTau2"),
        (
            {"rlnSpectralIndex": SHELLS + 1, "rlnReferenceTau2": POWER},
            "found the shells rlnSpectralIndex 3, 1, 2, expected each from 0 on once",
        ),
        (
            {"rlnSpectralIndex": SHELLS // 2, "rlnReferenceTau2": POWER},
            "found the shells rlnSpectralIndex 1, 0, 0, expected each from 0 on once",
        ),
        ({"rlnSpectralIndex": SHELLS, "rlnReferenceTau2": -POWER}, "expected a power, 0 or more"),
        ({"rlnSpectralIndex": SHELLS, "rlnReferenceTau2": POWER * np.nan}, "expected a number"),
    ],
)
def test_spectra_that_cannot_be(tmp_path: Path, columns: dict, phrase: str) -> None:
    with pytest.raises(DataError) as error:
        read_tau2(written(tmp_path, **columns))

    assert phrase in str(error.value)


def test_a_spectrum_ends_at_nyquist() -> None:
    check_shells(Path("tau.star"), POWER, 4)

    with pytest.raises(DataError, match=r"found tau2 in the shells 0 to 2, expected 0 to 3, for"):
        check_shells(Path("tau.star"), POWER, 6)
