from pathlib import Path

import numpy as np
import pytest

from halfmap.errors import DataError
from halfmap.io.data_star import write_data_star
from halfmap.io.mrc import write_stack
from halfmap.io.particle_table import read_particles
from halfmap.io.star import read_star, write_star

OPTICS = {
    "rlnOpticsGroup": [1],
    "rlnOpticsGroupName": ["og1"],
    "rlnVoltage": [300.0],
    "rlnSphericalAberration": [2.7],
    "rlnAmplitudeContrast": [0.1],
    "rlnImagePixelSize": [1.5],
    "rlnImageSize": [8],
    "rlnImageDimensionality": [2],
}
PARTICLES = {
    "rlnImageName": ["1@s.mrcs", "2@s.mrcs", "3@s.mrcs", "1@t.mrcs"],
    "rlnMicrographName": ["b.mrc", "a.mrc", "b.mrc", "a.mrc"],
    "rlnDefocusU": [10000.0, 11000.0, 12000.0, 13000.0],
    "rlnOpticsGroup": [1, 1, 1, 1],
}


def _read(tmp_path: Path, optics=None, particles=None, *, ctf=True, half_seed=None):
    """Read the table above with some columns changed; None removes a column."""
    blocks = {}
    for name, base, changed in (("optics", OPTICS, optics), ("particles", PARTICLES, particles)):
        columns = base | (changed or {})
        blocks[name] = {label: column for label, column in columns.items() if column is not None}
    write_star(tmp_path / "p.star", blocks)
    return read_particles(tmp_path / "p.star", ctf=ctf, half_seed=half_seed)


def _problems(tmp_path: Path, optics=None, particles=None, **how) -> list[str]:
    with pytest.raises(DataError) as error:
        _read(tmp_path, optics, particles, **how)
    return str(error.value).split("\n")[1:]


def test_rows_are_sorted_stably_by_micrograph(tmp_path: Path) -> None:
    particles, _, table = _read(tmp_path)

    assert [particles.name(row) for row in range(4)] == [
        "000002@s.mrcs",
        "000001@t.mrcs",
        "000001@s.mrcs",
        "000003@s.mrcs",
    ]
    assert table.particles["rlnImageName"].tolist() == [
        "2@s.mrcs",
        "1@t.mrcs",
        "1@s.mrcs",
        "3@s.mrcs",
    ]
    assert particles.defocus.u_A.tolist() == [11000.0, 13000.0, 10000.0, 12000.0]
    assert particles.scale_groups == ("a.mrc", "b.mrc")
    assert particles.scale_group.tolist() == [0, 0, 1, 1]


def test_absent_columns_have_relions_defaults(tmp_path: Path) -> None:
    particles, poses, _ = _read(tmp_path)
    defocus = particles.defocus

    np.testing.assert_array_equal(defocus.v_A, defocus.u_A)
    assert not defocus.angle_deg.any()
    assert defocus.scale.tolist() == [1.0] * 4
    assert poses.norm.tolist() == [1.0] * 4
    assert poses.class_index.tolist() == [-1] * 4
    assert not poses.angles_deg.any()


def test_poses_of_an_earlier_run_are_taken_over(tmp_path: Path) -> None:
    columns = {
        "rlnMicrographName": None,
        "rlnAngleRot": [1.0, 2.0, 3.0, 4.0],
        "rlnAnglePsi": [5.0, 6.0, 7.0, 8.0],
        "rlnOriginXAngst": [-1.0, 0.0, 1.0, 2.0],
        "rlnClassNumber": [1, 1, 1, 0],
        "rlnNormCorrection": [0.5, 1.0, 1.0, 1.0],
        "rlnNrOfSignificantSamples": [7, 0, 0, 0],
    }
    particles, poses, _ = _read(tmp_path, particles=columns)

    assert poses.angles_deg[1].tolist() == [2.0, 0.0, 6.0]
    assert poses.offset_A[0].tolist() == [-1.0, 0.0]
    assert poses.class_index.tolist() == [0, 0, 0, -1]
    assert poses.norm[0] == 0.5
    assert poses.n_significant[0] == 7
    assert particles.scale_groups == ("",)


def test_the_pipeline_prefix_of_a_micrograph_makes_no_new_group(tmp_path: Path) -> None:
    names = ["MotionCorr/job002/m/a.mrc", "MotionCorr/job012/m/a.mrc", "m/a.mrc", "m/b.mrc"]

    particles, _, _ = _read(tmp_path, particles={"rlnMicrographName": names})

    assert particles.scale_groups == ("m/a.mrc", "m/b.mrc")


def test_group_names_come_before_micrographs(tmp_path: Path) -> None:
    particles, _, _ = _read(tmp_path, particles={"rlnGroupName": ["2", "1", "1", "2"]})

    assert particles.scale_groups == ("1", "2")  # order of first appearance in the sorted table


def test_optics_groups_are_renumbered_in_the_order_of_their_rows(tmp_path: Path) -> None:
    optics = {label: column * 2 for label, column in OPTICS.items()}
    optics |= {"rlnOpticsGroup": [7, 3], "rlnVoltage": [300.0, 200.0]}

    particles, _, table = _read(tmp_path, optics, {"rlnOpticsGroup": [3, 7, 7, 3]})

    assert [o.voltage_kV for o in particles.optics] == [300.0, 200.0]
    assert particles.optics_group.tolist() == [0, 1, 1, 0]
    assert table.optics["rlnOpticsGroup"].tolist() == [1, 2]
    assert table.particles["rlnOpticsGroup"].tolist() == [1, 2, 2, 1]


def test_given_halves_are_used_as_they_are(tmp_path: Path) -> None:
    particles, _, _ = _read(tmp_path, particles={"rlnRandomSubset": [1, 2, 2, 1]}, half_seed=1)

    assert particles.half.tolist() == [1, 0, 0, 1]


def test_a_set_that_is_not_split_has_one_half(tmp_path: Path) -> None:
    particles, _, _ = _read(tmp_path, particles={"rlnRandomSubset": [1, 2, 0, 1]})

    assert particles.half.tolist() == [0, 0, 0, 0]


@pytest.mark.parametrize("subset", [None, [0] * 100])
def test_halves_are_drawn_by_the_seed_where_none_are_given(tmp_path: Path, subset) -> None:
    columns = {label: column * 25 for label, column in PARTICLES.items()}
    columns["rlnRandomSubset"] = subset

    halves = [
        _read(tmp_path, particles=columns, half_seed=seed)[0].half.tolist() for seed in (1, 1, 2)
    ]

    assert halves[0] == halves[1]
    assert halves[0] != halves[2]
    assert 30 < sum(halves[0]) < 70


def test_an_empty_half_is_refused(tmp_path: Path) -> None:
    (problem,) = _problems(tmp_path, particles={"rlnRandomSubset": [2] * 4}, half_seed=1)

    assert "no particle is in half 1; both halves need some" in problem


def test_mixed_halves_are_refused(tmp_path: Path) -> None:
    (problem,) = _problems(tmp_path, particles={"rlnRandomSubset": [1, 2, 0, 3]}, half_seed=1)

    # The row that is named is that of the file, not of the sorted table.
    assert "rlnRandomSubset is 3 in rows 3, 4; expected 1 or 2" in problem


def test_all_problems_are_listed_at_once(tmp_path: Path) -> None:
    problems = _problems(
        tmp_path,
        {"rlnVoltage": None, "rlnAmplitudeContrast": [7.0], "rlnImagePixelSize": None},
        {
            "rlnImageName": ["0@s.mrcs", "x@s.mrcs", "3@s.mrcs", "1@t.mrcs"],
            "rlnDefocusU": ["10000", "unknown", "12000", "inf"],
            "rlnOpticsGroup": [1, 1, 9, 1],
            "rlnNormCorrection": [1.0, 1.0, 0.0, 1.0],
        },
    )

    wanted = (
        "data_particles: rlnImageName is x@s.mrcs in rows 1, 2; expected 000001@stack.mrcs",
        "data_particles: rlnOpticsGroup is 9 in row 3; data_optics defines only 1",
        "data_optics: the column rlnVoltage is missing",
        "data_optics: rlnAmplitudeContrast is 7.000000 in row 1; expected a fraction",
        "data_optics: no pixel size; expected rlnImagePixelSize",
        "data_particles: rlnDefocusU is unknown in rows 2, 4; expected a number",
        "data_particles: rlnNormCorrection is 0.000000 in row 3",
    )
    for text in wanted:
        assert any(text in problem for problem in problems), (text, problems)
    assert len(problems) == len(wanted)


@pytest.mark.parametrize(
    ("label", "neutral", "effective"),
    [
        ("rlnBeamTiltX", 0.0, 0.1),
        ("rlnBeamTiltY", 0.0, -0.1),
        ("rlnOddZernike", "[0,0,0]", "[0,1.5,0]"),
        ("rlnEvenZernike", "[]", "[1e-3]"),
        ("rlnMagMat00", 1.0, 1.01),
        ("rlnMagMat01", 0.0, 0.01),
        ("rlnMagMat10", 0.0, 0.01),
        ("rlnMagMat11", 1.0, 0.99),
        ("rlnImageDimensionality", 2, 3),
        ("rlnCtfDataAreCtfCorrected", 0, 1),
    ],
)
def test_optics_columns_of_later_versions_pass_only_without_effect(
    tmp_path: Path, label: str, neutral, effective
) -> None:
    _read(tmp_path, {label: [neutral]})

    (problem,) = _problems(tmp_path, {label: [effective]})

    assert label in problem


def test_one_detector_passes_and_two_do_not(tmp_path: Path) -> None:
    optics = {label: column * 2 for label, column in OPTICS.items()} | {"rlnOpticsGroup": [1, 2]}
    _read(tmp_path, optics | {"rlnMtfFileName": ["k2.star", "k2.star"]})

    (problem,) = _problems(tmp_path, optics | {"rlnMtfFileName": ["k2.star", "de.star"]})

    assert "rlnMtfFileName is de.star in row 2" in problem


@pytest.mark.parametrize(
    ("label", "effective"),
    [
        ("rlnCtfImage", ["a", "b", "c", "d"]),
        ("rlnReconstructImageName", ["a", "b", "c", "d"]),
        ("rlnOriginXPriorAngst", [0.0, 1.0, 0.0, 0.0]),
        ("rlnOriginZAngst", [0.0, 1.0, 0.0, 0.0]),
    ],
)
def test_particle_columns_of_later_versions_are_named(tmp_path, label: str, effective) -> None:
    (problem,) = _problems(tmp_path, particles={label: effective})

    assert label in problem


def test_premultiplied_groups_are_marked(tmp_path: Path) -> None:
    particles, _, _ = _read(tmp_path, {"rlnCtfDataAreCtfPremultiplied": [1]})

    assert particles.optics[0].ctf_premultiplied


@pytest.mark.parametrize(
    ("changed", "problem"),
    [
        ({"rlnImageSize": [8, 10]}, "differ in box (8, 10)"),
        ({"rlnImagePixelSize": [1.5, 1.6]}, "differ in pixel size (1.5, 1.6)"),
    ],
)
def test_groups_of_unequal_scale_are_refused_when_both_are_used(
    tmp_path: Path, changed, problem: str
) -> None:
    optics = {label: column * 2 for label, column in OPTICS.items()} | {"rlnOpticsGroup": [1, 2]}

    (found,) = _problems(tmp_path, optics | changed, {"rlnOpticsGroup": [1, 1, 2, 2]})

    assert problem in found
    _read(tmp_path, optics | changed)  # the second group has no particles


def test_an_odd_box_is_refused(tmp_path: Path) -> None:
    (problem,) = _problems(tmp_path, {"rlnImageSize": [9]})

    assert "rlnImageSize is 9 in row 1; expected an even box" in problem


def test_a_ctf_that_is_zero_everywhere_is_refused(tmp_path: Path) -> None:
    optics = {"rlnSphericalAberration": [0.0], "rlnAmplitudeContrast": [0.0]}
    particles = {"rlnDefocusU": [10000.0, 0.0, 10000.0, 10000.0]}

    (problem,) = _problems(tmp_path, optics, particles)

    assert "rlnDefocusU is 0.000000 in row 2; all CTF parameters are zero" in problem
    _read(tmp_path, optics, particles, ctf=False)


def test_without_ctf_its_columns_may_be_absent(tmp_path: Path) -> None:
    particles, _, _ = _read(
        tmp_path, {"rlnAmplitudeContrast": None}, {"rlnDefocusU": None}, ctf=False
    )

    assert not particles.defocus.u_A.any()


def test_stacks_are_found_beside_the_table(tmp_path: Path) -> None:
    write_stack(tmp_path / "s.mrcs", np.zeros((3, 8, 8)), 1.5)

    particles, _, table = _read(tmp_path)

    assert particles.stacks == (str(tmp_path / "s.mrcs"), "t.mrcs")
    assert table.particles["rlnImageName"][0] == "2@s.mrcs"


def test_stacks_in_the_working_directory_come_first(tmp_path: Path, monkeypatch) -> None:
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    for folder in (tmp_path, tmp_path / "work"):
        write_stack(folder / "s.mrcs", np.zeros((3, 8, 8)), 1.5)

    assert _read(tmp_path)[0].stacks == ("s.mrcs", "t.mrcs")


def test_a_missing_box_is_read_from_the_stack(tmp_path: Path) -> None:
    write_stack(tmp_path / "s.mrcs", np.zeros((3, 8, 8)), 1.5)

    particles, _, table = _read(tmp_path, {"rlnImageSize": None})

    assert particles.optics[0].box == 8
    assert table.optics["rlnImageSize"].tolist() == [8]


OLD = {
    "rlnImageName": ["1@s.mrcs", "2@s.mrcs", "3@s.mrcs"],
    "rlnVoltage": [300, 200, 300],
    "rlnSphericalAberration": [2.7, 2.7, 2.7],
    "rlnAmplitudeContrast": [0.1, 0.1, 0.1],
    "rlnDetectorPixelSize": [5.0, 5.0, 5.0],
    "rlnMagnification": [38168.0, 38168.0, 38168.0],
    "rlnDefocusU": [10000.0, 11000.0, 12000.0],
    "rlnOriginX": [2.0, 0.0, -1.0],
}


def _read_old(tmp_path: Path, **changed):
    write_stack(tmp_path / "s.mrcs", np.zeros((3, 8, 8)), 1.5)
    columns = {k: v for k, v in (OLD | changed).items() if v is not None}
    write_star(tmp_path / "old.star", {"images": columns})
    return read_particles(tmp_path / "old.star", ctf=True, half_seed=None)


def test_a_table_of_relion_3_0_gets_optics_groups(tmp_path: Path) -> None:
    particles, poses, table = _read_old(tmp_path)

    pixel_A = 10_000 * 5.0 / 38168.0
    assert [o.voltage_kV for o in particles.optics] == [300.0, 200.0]
    assert [o.pixel_size_A for o in particles.optics] == [pixel_A, pixel_A]
    assert [o.box for o in particles.optics] == [8, 8]
    assert particles.optics_group.tolist() == [0, 1, 0]
    assert poses.offset_A[:, 0].tolist() == [2 * pixel_A, 0.0, -pixel_A]
    assert list(table.particles) == [
        "rlnImageName",
        "rlnDefocusU",
        "rlnOriginXAngst",
        "rlnOpticsGroup",
    ]


def test_a_converted_table_is_read_again_to_the_last_bit(tmp_path: Path) -> None:
    # A run that is continued must see the pixel size that it began with.
    particles, poses, table = _read_old(tmp_path)
    write_data_star(tmp_path / "data.star", particles, poses, table)

    again, _, _ = read_particles(tmp_path / "data.star", ctf=True, half_seed=None)

    assert again.optics == particles.optics


def test_a_magnification_of_zero_is_no_pixel_size(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"rlnImagePixelSize is 0\.0 in rows 1, 2; expected Å"):
        _read_old(tmp_path, rlnMagnification=[0.0, 0.0, 0.0])


def test_a_new_table_without_its_optics_is_explained(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="rlnOpticsGroup in data_images but no table data_optics"):
        _read_old(tmp_path, rlnOpticsGroup=[1, 1, 1])


def test_a_table_of_something_else_is_explained(shared: Path) -> None:
    for name, problem in (
        ("postprocess.star", "no rlnImageName in data_fsc"),
        ("two_basic_blocks.star", "has no table; expected data_optics and data_particles"),
        ("rln3.1_data_style.star", "rlnOpticsGroup in data_block_1 but no table data_optics"),
    ):
        with pytest.raises(DataError, match=problem):
            read_particles(shared / "data/tables" / name, ctf=True, half_seed=1)


def test_tables_from_the_wild_name_what_is_not_supported(shared: Path) -> None:
    with pytest.raises(DataError) as error:
        read_particles(shared / "data/tables/relion31.6opticsgroups.star", ctf=True, half_seed=None)

    for label in ("rlnBeamTiltX", "rlnOddZernike", "rlnEvenZernike", "rlnMagMat00", "pixel size"):
        assert label in str(error.value)


@pytest.mark.parametrize(
    ("name", "n", "pixel_A", "box"),
    [
        ("empiar_10076/empiar_10076_7.star", 7, 1.3099979, 320),
        ("real_betagal/betagal_box80.star", 116, 3.415102, 80),
        ("trpv1/trpv1_small_stack.star", 10, 4.88, 48),
        ("tables/relion31.star", 5, 2.806, 256),
    ],
)
def test_real_tables_are_read(shared: Path, name: str, n: int, pixel_A: float, box: int) -> None:
    particles, _, _ = read_particles(shared / "data" / name, ctf=True, half_seed=None)

    assert len(particles) == n
    assert particles.optics[0].pixel_size_A == pytest.approx(pixel_A)
    assert particles.optics[0].box == box


def test_columns_that_nobody_interprets_are_written_as_they_were(tmp_path: Path) -> None:
    columns = {
        "rlnMicrographName": None,
        "myScore": ["0.12345678901", "1e-3", "7", "nan"],
        "myNumber": ["007", "1", "2", "3"],
        "rlnCoordinateX": [2626.0, 1.5, 2.0, 3.0],
        "myName": ["a b", "c", "d", "e"],
    }
    particles, poses, table = _read(tmp_path, particles=columns)

    write_data_star(tmp_path / "data.star", particles, poses, table)

    written = read_star(tmp_path / "data.star").table("particles")
    for label in ("myScore", "myNumber", "myName"):
        assert written[label].tolist() == columns[label]
    assert written["rlnCoordinateX"].tolist()[0] == "2626.000000"
