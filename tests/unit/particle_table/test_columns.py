"""What the columns of a table mean, and what becomes of those that nobody interprets."""

from pathlib import Path

import numpy as np

from halfmap.io.data_star import write_data_star
from halfmap.io.star import read_star

from .small_table import OPTICS, read_table


def test_rows_are_sorted_stably_by_micrograph(tmp_path: Path) -> None:
    particles, _, table = read_table(tmp_path)

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
    particles, poses, _ = read_table(tmp_path)
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
    particles, poses, _ = read_table(tmp_path, particles=columns)

    assert poses.angles_deg[1].tolist() == [2.0, 0.0, 6.0]
    assert poses.offset_A[0].tolist() == [-1.0, 0.0]
    assert poses.class_index.tolist() == [0, 0, 0, -1]
    assert poses.norm[0] == 0.5
    assert poses.n_significant[0] == 7
    assert particles.scale_groups == ("",)


def test_the_pipeline_prefix_of_a_micrograph_makes_no_new_group(tmp_path: Path) -> None:
    names = ["MotionCorr/job002/m/a.mrc", "MotionCorr/job012/m/a.mrc", "m/a.mrc", "m/b.mrc"]

    particles, _, _ = read_table(tmp_path, particles={"rlnMicrographName": names})

    assert particles.scale_groups == ("m/a.mrc", "m/b.mrc")


def test_group_names_come_before_micrographs(tmp_path: Path) -> None:
    particles, _, _ = read_table(tmp_path, particles={"rlnGroupName": ["2", "1", "1", "2"]})

    assert particles.scale_groups == ("1", "2")  # order of first appearance in the sorted table


def test_optics_groups_are_renumbered_in_the_order_of_their_rows(tmp_path: Path) -> None:
    optics = {label: column * 2 for label, column in OPTICS.items()}
    optics |= {"rlnOpticsGroup": [7, 3], "rlnVoltage": [300.0, 200.0]}

    particles, _, table = read_table(tmp_path, optics, {"rlnOpticsGroup": [3, 7, 7, 3]})

    assert [o.voltage_kV for o in particles.optics] == [300.0, 200.0]
    assert particles.optics_group.tolist() == [0, 1, 1, 0]
    assert table.optics["rlnOpticsGroup"].tolist() == [1, 2]
    assert table.particles["rlnOpticsGroup"].tolist() == [1, 2, 2, 1]


def test_premultiplied_groups_are_marked(tmp_path: Path) -> None:
    particles, _, _ = read_table(tmp_path, {"rlnCtfDataAreCtfPremultiplied": [1]})

    assert particles.optics[0].ctf_premultiplied


def test_without_ctf_its_columns_may_be_absent(tmp_path: Path) -> None:
    particles, _, _ = read_table(
        tmp_path, {"rlnAmplitudeContrast": None}, {"rlnDefocusU": None}, ctf=False
    )

    assert not particles.defocus.u_A.any()


def test_columns_that_nobody_interprets_are_written_as_they_were(tmp_path: Path) -> None:
    columns = {
        "rlnMicrographName": None,
        "myScore": ["0.12345678901", "1e-3", "7", "nan"],
        "myNumber": ["007", "1", "2", "3"],
        "rlnCoordinateX": [2626.0, 1.5, 2.0, 3.0],
        "myName": ["a b", "c", "d", "e"],
    }
    particles, poses, table = read_table(tmp_path, particles=columns)

    write_data_star(tmp_path / "data.star", particles, poses, table)

    written = read_star(tmp_path / "data.star").table("particles")
    for label in ("myScore", "myNumber", "myName"):
        assert written[label].tolist() == columns[label]
    assert written["rlnCoordinateX"].tolist()[0] == "2626.000000"


def test_groups_keep_their_own_grid_and_magnification(tmp_path: Path) -> None:
    optics = {label: column * 2 for label, column in OPTICS.items()} | {"rlnOpticsGroup": [1, 2]}
    optics |= {"rlnImageSize": [8, 10], "rlnImagePixelSize": [1.5, 1.6]}
    matrix = {"rlnMagMat00": [1.0, 1.01], "rlnMagMat01": [0.0, 0.002], "rlnMagMat11": [1.0, 0.99]}

    particles, _, table = read_table(tmp_path, optics | matrix, {"rlnOpticsGroup": [1, 1, 2, 2]})

    assert [(o.box, o.pixel_size_A) for o in particles.optics] == [(8, 1.5), (10, 1.6)]
    assert particles.optics[1].magnification == (1.01, 0.002, 0.0, 0.99)
    assert table.optics["rlnMagMat00"].tolist() == [1.0, 1.01]
