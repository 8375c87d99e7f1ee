from pathlib import Path

import numpy as np
import pytest

from halfmap.errors import DataError
from halfmap.io.external_reconstruction import (
    ExternalNames,
    read_result,
    read_spectrum,
    write_request,
)
from halfmap.io.mrc import write_map
from halfmap.io.star import write_star


@pytest.fixture
def names(tmp_path: Path) -> ExternalNames:
    return ExternalNames(str(tmp_path / "run_it001_class001"))


def test_a_new_request_removes_the_answers_to_an_old_one(names: ExternalNames) -> None:
    write_map(names.map, np.ones((4,) * 3), 1.0)
    names.spectra.touch()

    write_request(names, {}, np.ones(3), np.zeros(3))

    assert not names.map.exists()
    assert not names.spectra.exists()
    assert names.star.exists()
    with pytest.raises(DataError, match=r"found no .*external_reconstruct\.mrc, expected the map"):
        read_result(names, (4, 4, 4))


def test_shells_that_are_left_out_are_zero_and_those_beyond_are_passed_over(
    names: ExternalNames,
) -> None:
    columns = {"rlnSpectralIndex": np.array([9, 1, 0]), "rlnReferenceTau2": np.array([7.0, 2, 1])}
    write_star(names.spectra, {"": columns})

    found = read_spectrum(names, 4)

    assert found is not None
    assert found[0] == "rlnReferenceTau2"
    np.testing.assert_array_equal(found[1], [1.0, 2.0, 0.0, 0.0])


@pytest.mark.parametrize("value", [-1.0, np.nan])
def test_a_power_that_is_none_is_refused(names: ExternalNames, value: float) -> None:
    columns = {"rlnSpectralIndex": np.arange(2), "rlnReferenceTau2": np.array([1.0, value])}
    write_star(names.spectra, {"": columns})

    with pytest.raises(DataError, match="rlnReferenceTau2 is"):
        read_spectrum(names, 2)
