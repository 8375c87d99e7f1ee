from pathlib import Path

import numpy as np
import pytest

from halfmap.engine.reconstruction.processing import finished, finishing, image_processing
from halfmap.errors import DataError, OptionError
from halfmap.io.eman.structure_factor import read_structure_factor
from halfmap.steps.structure_factor import with_structure_factor

CURVE = "0.0 3\n0.1 2\n0.3 1\n"


@pytest.fixture
def volume(rng) -> np.ndarray:
    return rng.normal(size=(16,) * 3).astype(np.float32)


@pytest.fixture
def warnings() -> list[str]:
    return []


def test_the_structure_factor_comes_before_the_processors(tmp_path: Path, volume, warnings) -> None:
    path = tmp_path / "sf.txt"
    path.write_text(CURVE, encoding="ascii")
    how = finishing(str(path), ["math.squared"], like_eman=False, warn=warnings.append)

    found = finished(volume, 2.0, how, warnings.append)

    expected = with_structure_factor(volume, read_structure_factor(path), 2.0) ** 2
    np.testing.assert_allclose(found.values, expected, rtol=1e-6)
    assert warnings == []


def test_auto_takes_the_file_of_the_usual_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, warnings
) -> None:
    monkeypatch.chdir(tmp_path)
    without = finishing("auto", [], like_eman=False, warn=warnings.append)
    Path("strucfac.txt").write_text(CURVE, encoding="ascii")

    with_it = finishing("auto", [], like_eman=False, warn=warnings.append)

    assert without.structure_factor is None
    assert with_it.structure_factor is not None
    assert len(warnings) == 1
    assert "found no strucfac.txt" in warnings[0]


def test_a_map_is_not_lost_for_a_curve_that_does_not_fit(tmp_path: Path, volume, warnings) -> None:
    (tmp_path / "sf.txt").write_text("0.0 3\n0.01 2\n", encoding="ascii")
    how = finishing(str(tmp_path / "sf.txt"), ["math.linear:shift=1"], False, warnings.append)

    found = finished(volume, 2.0, how, warnings.append)

    np.testing.assert_allclose(found.values, volume + 1.0, rtol=1e-6)
    assert "--setsf: the structure factor ends at" in warnings[0]


def test_none_leaves_the_map_as_it_is(volume, warnings) -> None:
    how = finishing("none", ["none"], like_eman=True, warn=warnings.append)

    np.testing.assert_array_equal(finished(volume, 2.0, how, warnings.append).values, volume)


def test_what_cannot_be_done_is_said_before_any_work(tmp_path: Path, warnings) -> None:
    with pytest.raises(OptionError, match="--postprocess cannot be used"):
        finishing("none", ["math.squarred"], False, warnings.append)
    with pytest.raises(OptionError, match="--preprocess cannot be used"):
        image_processing(["math.squarred"], 1.0)
    with pytest.raises(DataError, match=r"none\.txt cannot be read"):
        finishing(str(tmp_path / "none.txt"), [], False, warnings.append)
