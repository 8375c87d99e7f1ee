"""RELION keeps unknown columns, and drops blocks."""

from pathlib import Path

import numpy as np
import pytest

from halfmap.errors import DataError
from halfmap.io.cryosparc.files import read_cs, write_cs
from halfmap.io.cryosparc.original import is_orphaned, with_original
from halfmap.io.cryosparc.to_cs import fields_of
from halfmap.io.cryosparc.to_star import BLOCK, read_cs_as_star
from halfmap.io.star import TEXT, StarFile

from .conversion import as_star, small_fields


@pytest.fixture
def from_relion(tmp_path: Path) -> StarFile:
    """A set that RELION has sorted and written again, with new classes."""
    write_cs(tmp_path / "a.cs", small_fields())
    star = as_star(tmp_path / "a.cs", tmp_path)
    particles = {label: column[::-1] for label, column in star.tables["particles"].items()}
    particles["rlnDefocusU"] = np.array([f"{float(v):.6f}" for v in particles["rlnDefocusU"]], TEXT)
    particles["rlnClassNumber"] = np.array(["3"] * 4, TEXT)
    return StarFile(star.path, {"optics": star.tables["optics"], "particles": particles}, {})


def test_the_original_brings_back_types_and_constants(
    tmp_path: Path, from_relion: StarFile
) -> None:
    assert is_orphaned(from_relion)

    star = with_original(from_relion, read_cs_as_star(tmp_path / "a.cs"))
    fields = fields_of(star)

    assert not is_orphaned(star)
    before = {name: values[::-1] for name, values in read_cs(tmp_path / "a.cs").items()}
    assert fields["alignments3D/class"].tolist() == [2] * 4
    assert list(fields)[: len(before)] == list(before)
    for name in before.keys() - {"alignments3D/class"}:
        assert fields[name].tobytes() == before[name].tobytes(), name


def test_a_particle_that_the_original_lacks_is_named(tmp_path: Path, from_relion: StarFile) -> None:
    from_relion.tables["particles"]["cs/uid"][2] = "5"

    with pytest.raises(DataError, match=r"row 3 has the uid 5, which .*a\.cs does not have"):
        with_original(from_relion, read_cs_as_star(tmp_path / "a.cs"))


def test_a_table_without_uids_is_refused(tmp_path: Path, from_relion: StarFile) -> None:
    del from_relion.tables["particles"]["cs/uid"]

    with pytest.raises(DataError, match="has no cs/uid"):
        with_original(from_relion, read_cs_as_star(tmp_path / "a.cs"))
    assert BLOCK not in from_relion.tables
