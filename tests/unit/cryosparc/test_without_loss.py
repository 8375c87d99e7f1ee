"""What one format says comes back from the other, to the last bit."""

from pathlib import Path

import numpy as np
import pytest

from halfmap.io.cryosparc.files import read_cs, write_cs
from halfmap.io.cryosparc.to_cs import fields_of
from halfmap.io.cryosparc.to_star import BLOCK, read_cs_as_star
from halfmap.io.star import TEXT, StarFile, read_star

from .conversion import as_cs, as_star, small_fields, written_star

CS_FILES = (
    "empiar_10076/empiar_10076_7.cs",
    "tables/cryosparc_J2_particles_exported.cs",
    "tables/cryosparc_P12_J24_001_particles.cs",
)
STAR_FILES = (
    "empiar_10076/empiar_10076_7.star",
    "real_betagal/betagal_box80.star",
    "trpv1/trpv1_small_stack.star",
    *(
        f"tables/{name}.star"
        for name in (
            *("FinalRefinement-OriginalParticles-PfCRT", "one_loop", "optics_group_inter1965"),
            *("relion31", "relion31.6opticsgroups", "relion31.v2", "relion5"),
            *("sample_incomplete_ctf_params", "sample_particles_relion30"),
            *("sample_particles_relion31", "sample_relion_symmetry_group_D4"),
            *("single_line_end_of_multiblock", "starfile", "thunder_5699"),
        )
    ),
)


@pytest.mark.parametrize("name", CS_FILES)
def test_a_real_cs_file_comes_back_byte_by_byte(shared: Path, tmp_path: Path, name: str) -> None:
    before = shared / "data" / name

    after = as_cs(as_star(before, tmp_path), tmp_path)

    assert np.load(after).dtype == np.load(before).dtype
    assert np.load(after).tobytes() == np.load(before).tobytes()


@pytest.mark.parametrize("name", STAR_FILES)
def test_a_real_star_file_comes_back_word_by_word(shared: Path, tmp_path: Path, name: str) -> None:
    before = read_star(shared / "data" / name)

    after = as_star(as_cs(before, tmp_path), tmp_path)

    assert_equal(after, before)


def assert_equal(a: StarFile, b: StarFile) -> None:
    assert list(a.tables) == list(b.tables)
    assert a.lists == b.lists
    for name, table in b.tables.items():
        assert list(a.tables[name]) == list(table)
        for label, column in table.items():
            assert a.tables[name][label].tolist() == column.tolist(), label


def test_fields_that_nobody_knows_travel_along(tmp_path: Path) -> None:
    write_cs(tmp_path / "a.cs", small_fields())

    after = as_cs(as_star(tmp_path / "a.cs", tmp_path), tmp_path)

    assert np.load(after).tobytes() == np.load(tmp_path / "a.cs").tobytes()
    assert "unheard/of" in read_cs(after)


def test_numbers_that_relion_wrote_again_count_as_they_were(tmp_path: Path) -> None:
    write_cs(tmp_path / "a.cs", small_fields())
    star = as_star(tmp_path / "a.cs", tmp_path)
    particles = star.tables["particles"]
    for label in ("rlnDefocusU", "rlnAngleRot", "rlnOriginXAngst", "rlnCtfScalefactor"):
        particles[label] = np.array([f"{float(v):.6f}" for v in particles[label]], TEXT)

    after = as_cs(written_star(tmp_path / "b.star", star), tmp_path)

    before = read_cs(tmp_path / "a.cs")
    for name, values in before.items():
        assert read_cs(after)[name].tobytes() == values.tobytes(), name


def test_what_was_changed_in_the_star_file_counts_and_nothing_else(tmp_path: Path) -> None:
    write_cs(tmp_path / "a.cs", small_fields())
    star = as_star(tmp_path / "a.cs", tmp_path)
    star.tables["particles"]["rlnAnglePsi"][2] = "12.5"
    star.tables["particles"]["rlnClassNumber"][3] = "4"

    after, before = fields_of(star), read_cs(tmp_path / "a.cs")

    changed = (after["alignments3D/pose"] != before["alignments3D/pose"]).any(axis=1)
    assert changed.tolist() == [False, False, True, False]
    assert after["alignments3D/class"].tolist() == [0, 0, 0, 3]
    for name in before.keys() - {"alignments3D/pose", "alignments3D/class"}:
        assert after[name].tobytes() == before[name].tobytes(), name


def test_what_was_changed_in_the_cs_file_counts_and_nothing_else(tmp_path: Path) -> None:
    write_cs(tmp_path / "a.cs", small_fields())
    star = written_star(tmp_path / "a.star", read_cs_as_star(tmp_path / "a.cs"))
    del star.tables[BLOCK]
    columns = star.tables["particles"]
    star.tables["particles"] = {k: v for k, v in columns.items() if not k.startswith("cs/")}
    star.tables["optics"]["rlnMtfFileName"] = np.array(["m.star", "m.star"], TEXT)
    for label in ("rlnDefocusU", "rlnDefocusV"):  # as only a STAR file would write them
        words = [f"{float(v):.8f}" for v in star.tables["particles"][label]]
        star.tables["particles"][label] = np.array(words, TEXT)
    fields = fields_of(star)
    fields["ctf/df1_A"][1] = 5.0
    write_cs(tmp_path / "b.cs", fields)

    after = read_cs_as_star(tmp_path / "b.cs")

    assert float(after.tables["particles"]["rlnDefocusU"][1]) == 5.0
    star.tables["particles"]["rlnDefocusU"][1] = after.tables["particles"]["rlnDefocusU"][1]
    after.tables.pop(BLOCK, None)
    assert_equal(after, star)


def test_some_rows_of_a_star_file_keep_their_fields(tmp_path: Path) -> None:
    write_cs(tmp_path / "a.cs", small_fields(6))
    star = as_star(tmp_path / "a.cs", tmp_path)
    rows = [4, 1]
    particles = {label: column[rows] for label, column in star.tables["particles"].items()}

    after = fields_of(StarFile(star.path, star.tables | {"particles": particles}, {}))

    for name, values in read_cs(tmp_path / "a.cs").items():
        assert after[name].tobytes() == values[rows].tobytes(), name


def test_optics_are_made_anew_when_particles_of_a_converted_file_are_missing(
    tmp_path: Path,
) -> None:
    write_cs(tmp_path / "a.cs", small_fields(6))
    star = read_cs_as_star(tmp_path / "a.cs")
    del star.tables[BLOCK]
    fields = {name: values[[0, 3]] for name, values in fields_of(star).items()}
    write_cs(tmp_path / "b.cs", fields)

    optics = read_cs_as_star(tmp_path / "b.cs").tables["optics"]

    assert optics["rlnOpticsGroupName"].tolist() == ["opticsGroup7", "opticsGroup9"]
    assert [float(kv) for kv in optics["rlnVoltage"]] == [300.0, 300.0]
