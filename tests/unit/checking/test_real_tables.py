"""Every table of the reference data goes through the command, with the outcome that is due."""

from pathlib import Path

import pytest

from halfmap.cli.main import main

NO_TABLE = (3, "is no particle table")
OLD = (0, "a table of RELION 3.0 or before, without optics groups")
FINE = (0, "A run can use this table.")
DARK = (0, "particles are dark (rlnCtfScalefactor below 0)")
ABSENT = "stacks are absent"

WITHOUT_STACKS = {
    "empiar_10076/empiar_10076_7.cs": DARK,
    "empiar_10076/empiar_10076_7.star": OLD,
    "real_betagal/betagal_box80.star": FINE,
    "trpv1/trpv1_small_stack.star": (0, "there is no rlnMicrographName"),
    "tables/4k_dataset.cs": (3, "has no particles; expected at least one"),
    "tables/FinalRefinement-OriginalParticles-PfCRT.star": (
        3,
        "the column rlnAmplitudeContrast is missing",
    ),
    "tables/cryosparc_J2_particles_exported.cs": (
        0,
        "the halves differ in size: 22 and 0 particles",
    ),
    "tables/cryosparc_P12_J24_001_particles.cs": DARK,
    "tables/multi_line_c_engine.star": (3, "line 16: a second block called data_block_3"),
    "tables/one_loop.star": (3, "rlnCtfImage is present"),
    "tables/optics_group_inter1965.star": (0, "the halves differ in size: 1 and 0 particles"),
    "tables/relion31.6opticsgroups.star": FINE,
    "tables/relion31.star": (0, "the halves differ in size: 5 and 0 particles"),
    "tables/relion31.v2.star": (0, "the halves differ in size: 5 and 0 particles"),
    "tables/relion5.star": (
        0,
        "an image is there in several orientations: 1@toy_images_a.mrcs in rows 12, 15",
    ),
    "tables/sample.star": (3, "line 20: row 4 of data_planetary has 5 values"),
    "tables/sample_incomplete_ctf_params.star": (3, "the column rlnVoltage is missing"),
    "tables/sample_particles_relion30.star": OLD,
    "tables/sample_particles_relion31.star": FINE,
    "tables/sample_relion_symmetry_group_D4.star": OLD,
    "tables/single_line_end_of_multiblock.star": (3, "an image is there twice"),
    "tables/single_line_middle_of_multiblock.star": (3, "the column rlnDefocusU is missing"),
    "tables/starfile.star": OLD,
    "tables/thunder_5699.star": OLD,
    **dict.fromkeys(
        (
            *(
                f"tables/{kind}_{quote}_quote.star"
                for kind in ("basic", "loop", "test_string")
                for quote in ("double", "single")
            ),
            *(
                f"tables/{name}.star"
                for name in (
                    *("default_pipeline", "empty_loop", "postprocess", "rln3.1_data_style"),
                    *("run_001_it025_optimiser", "run_001_it025_sampling"),
                    *(f"run_it025_{kind}_{d}D" for kind in ("optimiser", "sampling") for d in "23"),
                    *("test_overwrite_backup", "two_basic_blocks", "two_single_line_loop_blocks"),
                )
            ),
            *(
                f"tables/mtf/mtf_{name}.star"
                for name in (
                    *("de20_300kV", "falcon2_300kV", "falcon3EC_200kV", "falcon3EC_300kV"),
                    *("falcon4EC_200kV", "falcon4EC_300kV", "k2_300kV"),
                )
            ),
        ),
        NO_TABLE,
    ),
}
"""Exit code, and a part of what is said, of each table alone."""

WITH_STACKS = {
    "empiar_10076/empiar_10076_7.cs": DARK,
    "empiar_10076/empiar_10076_7.star": OLD,
    "real_betagal/betagal_box80.star": FINE,
    "tables/relion31.star": (0, "5 in 1 stack"),
    "tables/relion31.6opticsgroups.star": (3, ABSENT),
    "tables/thunder_5699.star": (3, ABSENT),
    "tables/cryosparc_P12_J24_001_particles.cs": (3, "50 of 50 stacks are absent"),
    "trpv1/trpv1_small_stack.star": (3, "1 of 1 stacks is absent: ./batch_0_restacked.mrc"),
}
"""With a look for the stacks, which most tables come without."""


def test_no_table_is_left_out(shared: Path) -> None:
    data = shared / "data"
    there = [f for end in ("star", "cs") for f in data.rglob(f"*.{end}")]

    assert {str(file.relative_to(data)) for file in there} == WITHOUT_STACKS.keys()


@pytest.mark.parametrize("name", sorted(WITHOUT_STACKS))
def test_the_table_alone(shared: Path, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    code = main(["check", str(shared / "data" / name), "--no_stacks"])

    expected_code, text = WITHOUT_STACKS[name]
    assert text in " ".join(capsys.readouterr().out.split())
    assert code == expected_code


@pytest.mark.parametrize("name", sorted(WITH_STACKS))
def test_the_table_with_its_stacks(
    shared: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code = main(["check", str(shared / "data" / name), "--deep"])

    expected_code, text = WITH_STACKS[name]
    out = " ".join(capsys.readouterr().out.split())
    assert text in out
    assert code == expected_code
    assert ("the images were not read" in out) == (code == 3)


@pytest.mark.parametrize(
    "name",
    ["sample_particles_relion30", "thunder_5699", "starfile", "sample_relion_symmetry_group_D4"],
)
def test_a_real_table_of_relion_3_0_is_repaired(
    shared: Path, tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    table, fixed = shared / "data" / "tables" / f"{name}.star", tmp_path / "fixed.star"

    assert main(["check", str(table), "--no_stacks", "--fix", "--o", str(fixed)]) == 0
    capsys.readouterr()
    assert main(["check", str(fixed), "--no_stacks"]) == 0

    assert "--fix" not in capsys.readouterr().out


def test_a_real_set_is_mended_with_its_images(
    shared: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table, fixed = shared / "data/empiar_10076/empiar_10076_7.star", tmp_path / "bright.star"

    words = ["--dark", "--deep", "--fix", "--o", str(fixed)]
    assert main(["check", str(table), *words]) == 0
    capsys.readouterr()
    assert main(["check", str(fixed), "--deep"]) == 0

    assert "particles look dark" not in capsys.readouterr().out
