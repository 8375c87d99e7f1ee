"""Numbers that no particle can have are said, and replaced, turned or left out."""

import numpy as np

from halfmap.model.rotations import euler_matrices

from .conftest import N, Project, numbers


def test_numbers_that_are_none_are_replaced_or_left_out(project: Project) -> None:
    project.write(
        {
            "rlnAnglePsi": ["1.0", "nan", "2.0", "x", "3.0", "4.0"],
            "rlnNormCorrection": [1.0, 1.0, 0.0, 1.0, 1.0, -2.0],
            "rlnDefocusV": ["9000", "9001", "9002", "9003", "inf", "9005"],
        }
    )

    refused = project.check()
    assert refused.code == 3
    assert "rlnAnglePsi is nan in rows 2, 4" in refused.out
    assert "rlnDefocusV is inf in row 5" in refused.out
    assert "rlnNormCorrection is 0 in rows 3, 6" in refused.out
    _, particles, _ = project.fix()

    assert numbers(particles["rlnAnglePsi"]) == [1.0, 0.0, 2.0, 0.0, 4.0]
    assert numbers(particles["rlnNormCorrection"]) == [1.0] * 5
    assert numbers(particles["rlnDefocusV"]) == [9000.0, 9001.0, 9002.0, 9003.0, 9005.0]


def test_angles_come_into_their_range_as_the_same_orientations(project: Project) -> None:
    rot, tilt, psi = [10.0] * N, [350.0, -20.0, 30.0, 30.0, 200.0, 30.0], [5.0] * 5 + [725.0]
    labels = ("rlnAngleRot", "rlnAngleTilt", "rlnAnglePsi")
    project.write(dict(zip(labels, (rot, tilt, psi), strict=True)))

    said, particles, _ = project.fix()

    assert "angles are out of their usual range in rows 1, 2, 5, 6" in said.out
    angles = np.array([numbers(particles[label]) for label in labels]).T
    assert ((angles[:, 1] >= 0) & (angles[:, 1] <= 180)).all()
    expected = euler_matrices(np.array([rot, tilt, psi]).T)
    # Nine digits of 180 degrees.
    np.testing.assert_allclose(euler_matrices(angles), expected, atol=1e-7)
    assert particles["rlnAngleTilt"][2] == "30.000000"


def test_defocus_in_micrometres_is_defocus_in_angstrom(project: Project) -> None:
    columns = {"rlnDefocusU": [1.5] * N, "rlnDefocusV": [1.4] * N}
    project.write(columns)

    said, particles, _ = project.fix()

    assert "it seems to be in µm" in said.out
    assert numbers(particles["rlnDefocusU"]) == [15000.0] * N
    assert numbers(particles["rlnDefocusV"]) == [14000.0] * N


def test_a_defocus_that_is_negative_throughout_is_turned(project: Project) -> None:
    project.write({"rlnDefocusU": [-15000.0] * N, "rlnDefocusV": [-14000.0] * N})

    said, particles, _ = project.fix()

    assert "the defocus of all particles is negative" in said.out
    assert numbers(particles["rlnDefocusU"]) == [15000.0] * N


def test_some_negative_defoci_are_mentioned_and_zeros_left_out(project: Project) -> None:
    project.write(
        {
            "rlnDefocusU": [1e4, -1e4, 1e4, 0.0, 1e4, 1e4],
            "rlnDefocusV": [1e4, -1e4, 1e4, 0.0, 1e4, 1e4],
        }
    )

    said, particles, _ = project.fix()

    assert "the defocus is negative (overfocus) in row 2" in said.out
    assert "rlnDefocusU is 0 in row 4" in said.out
    assert numbers(particles["rlnDefocusU"]) == [1e4, -1e4, 1e4, 1e4, 1e4]
