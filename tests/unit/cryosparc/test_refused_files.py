"""Files that are not what they seem, and files that belong together."""

from pathlib import Path

import numpy as np
import pytest

from halfmap.errors import DataError
from halfmap.io.cryosparc.files import read_cs, write_cs
from halfmap.io.cryosparc.to_cs import fields_of
from halfmap.io.cryosparc.to_star import read_cs_as_star
from halfmap.io.star import TEXT, StarFile

from .conversion import small_fields

MAIN = "cryosparc_P12_J24_001_particles.cs"
PASSED = "P12_J24_passthrough_particles.cs"


def test_what_was_passed_through_is_joined_by_uid(tmp_path: Path) -> None:
    fields = small_fields()
    write_cs(tmp_path / MAIN, {k: v for k, v in fields.items() if not k.startswith("ctf/")})
    passed = {k: v[::-1] for k, v in fields.items() if k == "uid" or k.startswith("ctf/")}
    write_cs(tmp_path / PASSED, passed)

    joined = read_cs(tmp_path / MAIN)

    assert joined["ctf/df1_A"].tolist() == fields["ctf/df1_A"].tolist()


def test_files_of_other_jobs_are_left_alone(tmp_path: Path) -> None:
    fields = small_fields()
    write_cs(tmp_path / MAIN, {"uid": fields["uid"]})
    write_cs(tmp_path / "P12_J240_passthrough_particles.cs", fields)

    assert list(read_cs(tmp_path / MAIN)) == ["uid"]


def test_a_passthrough_file_without_all_particles_is_refused(tmp_path: Path) -> None:
    fields = small_fields()
    write_cs(tmp_path / MAIN, {"uid": fields["uid"]})
    write_cs(tmp_path / PASSED, {k: v[1:] for k, v in fields.items()})

    with pytest.raises(DataError, match="does not have all particles"):
        read_cs(tmp_path / MAIN)


def test_a_file_without_particles_is_refused(shared: Path) -> None:
    with pytest.raises(DataError, match="has no particles; expected at least one"):
        read_cs_as_star(shared / "data" / "tables" / "4k_dataset.cs")


def test_a_file_that_does_not_say_where_images_are_is_refused(tmp_path: Path) -> None:
    fields = small_fields()
    del fields["blob/path"]
    write_cs(tmp_path / "a.cs", fields)

    with pytest.raises(DataError, match=r"no blob/path.*passthrough"):
        read_cs_as_star(tmp_path / "a.cs")


def test_half_a_file_is_refused(tmp_path: Path) -> None:
    write_cs(tmp_path / "a.cs", small_fields())
    whole = (tmp_path / "a.cs").read_bytes()
    (tmp_path / "a.cs").write_bytes(whole[:-100])

    with pytest.raises(DataError, match="Is it whole"):
        read_cs(tmp_path / "a.cs")


@pytest.mark.parametrize("content", [b"", b"\x94CSDAT\x01\x00", b"data_\n\nloop_\n"])
def test_something_else_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.cs").write_bytes(content)

    with pytest.raises(DataError, match="is not a cryoSPARC file that can be read here"):
        read_cs(tmp_path / "a.cs")


def test_an_absent_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be read: No such file"):
        read_cs(tmp_path / "a.cs")


def test_an_array_that_is_no_table_is_refused(tmp_path: Path) -> None:
    with (tmp_path / "a.cs").open("wb") as file:
        np.save(file, np.zeros(3))

    with pytest.raises(DataError, match="holds no table of particles"):
        read_cs(tmp_path / "a.cs")


@pytest.mark.parametrize("label", ["rlnOriginX", "rlnDefocusU", "rlnAngleTilt"])
def test_words_for_numbers_are_not_converted(tmp_path: Path, label: str) -> None:
    table = {"rlnImageName": np.array(["1@a.mrcs", "2@a.mrcs"], TEXT)}
    table |= {"rlnDetectorPixelSize": np.array(["5.0"] * 2, TEXT)}
    table |= {"rlnMagnification": np.array(["1e4"] * 2, TEXT), label: np.array(["1", "x"], TEXT)}

    with pytest.raises(DataError, match=f"{label} is x in row 2; expected a number"):
        fields_of(StarFile(tmp_path / "x.star", {"": table}, {}))


def test_a_star_file_without_particles_is_not_converted(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no particle table"):
        fields_of(StarFile(tmp_path / "x.star", {}, {"general": {"a": "b"}}))
