"""Optics groups that are absent, split by rounding or in the wrong table are repaired."""

from pathlib import Path

import pytest

from halfmap.io.mrc import write_stack
from halfmap.io.star import write_star

from .conftest import BOX, OPTICS, PARTICLES, PIXEL_A, N, Project, numbers


def test_a_table_of_relion_3_0_becomes_one_of_3_1(project: Project) -> None:
    old = {k: v for k, v in PARTICLES.items() if k != "rlnOpticsGroup"} | {
        "rlnVoltage": [300, 200] * 3,
        "rlnSphericalAberration": [2.7] * N,
        "rlnAmplitudeContrast": [0.1] * N,
        "rlnDetectorPixelSize": [5.0] * N,
        "rlnMagnification": [25000.0] * N,
        "rlnOriginX": [1.5] * N,
    }
    write_star(project.table, {"": old})

    assert project.check().code == 0
    said, particles, optics = project.fix()

    assert "RELION 3.0 or before" in said.out
    assert numbers(optics["rlnVoltage"]) == [300.0, 200.0]
    assert numbers(optics["rlnImagePixelSize"]) == [2.0, 2.0]
    assert numbers(optics["rlnImageSize"]) == [BOX, BOX]
    assert particles["rlnOpticsGroup"].tolist() == ["1", "2"] * 3
    assert numbers(particles["rlnOriginXAngst"]) == [3.0] * N
    assert "rlnOriginX" not in particles


def test_an_optics_table_that_was_cut_off_is_made_of_what_is_given(project: Project) -> None:
    two = {"rlnOpticsGroup": [4, 7] * 3, "rlnBeamTiltX": [0.5, -0.5] * 3}
    write_star(project.table, {"particles": PARTICLES | two})

    refused = project.check()
    assert refused.code == 3
    assert "rlnOpticsGroup is there, but no table data_optics" in refused.out
    assert "the column rlnVoltage is missing" in refused.out
    _, particles, optics = project.fix("--kv", 300, "--cs", 2.7, "--q0", 0.1)

    assert optics["rlnOpticsGroup"].tolist() == ["4", "7"]
    assert particles["rlnOpticsGroup"].tolist() == ["4", "7"] * 3
    assert numbers(optics["rlnBeamTiltX"]) == [0.5, -0.5]
    assert numbers(optics["rlnVoltage"]) == [300.0, 300.0]
    assert numbers(optics["rlnImagePixelSize"]) == [PIXEL_A, PIXEL_A]  # of the stack


@pytest.mark.parametrize("group", [None, [1, 1, 9, 1, 1, 1]])
def test_particles_without_a_defined_group_get_the_only_one(project: Project, group) -> None:
    project.write({"rlnOpticsGroup": group})

    assert project.check().code == 3
    said, particles, _ = project.fix()

    assert "an optics group that data_optics does not define" in said.out
    assert particles["rlnOpticsGroup"].tolist() == ["1"] * N


def test_particles_without_groups_of_a_set_with_several_have_no_repair(project: Project) -> None:
    two = {k: v * 2 for k, v in OPTICS.items()} | {"rlnOpticsGroup": [1, 2]}
    project.write({"rlnOpticsGroup": None}, two)

    said = project.check("--fix")

    assert said.code == 3
    assert "data_particles: the column rlnOpticsGroup is missing" in said.out
    assert "No copy was written" in said.out


def write_two_pixel_sizes(project: Project, sizes: list[str]) -> None:
    two = {k: v * 2 for k, v in OPTICS.items()} | {"rlnOpticsGroup": [1, 2]}
    project.write({"rlnOpticsGroup": [1, 2] * 3}, two | {"rlnImagePixelSize": sizes})


def test_pixel_sizes_that_differ_by_rounding_become_equal(project: Project) -> None:
    write_two_pixel_sizes(project, ["2.0", "2.00001"])

    said, _, optics = project.fix()

    assert "differs by rounding between optics groups" in said.out
    assert numbers(optics["rlnImagePixelSize"]) == [2.0, 2.0]


def test_pixel_sizes_that_differ_truly_stay(project: Project) -> None:
    write_two_pixel_sizes(project, ["2.0", "2.004"])

    assert "differs by rounding" not in project.check().out


def test_columns_of_the_optics_are_removed_from_the_particles(project: Project) -> None:
    project.write({"rlnVoltage": [200.0] * N})

    said, particles, optics = project.fix()

    assert "rlnVoltage: also in the table of particles, where nobody reads it" in said.out
    assert "rlnVoltage" not in particles
    assert numbers(optics["rlnVoltage"]) == [300.0]


def test_what_no_repair_can_guess_is_taken_from_the_options(project: Project) -> None:
    project.write(optics={"rlnVoltage": None, "rlnImagePixelSize": None})
    write_stack(Path("s.mrcs"), project.images, 1.0)

    assert project.check("--angpix", 3, "--kv", 200).code == 3
    _, _, optics = project.fix("--angpix", 3, "--kv", 200)

    assert numbers(optics["rlnVoltage"]) == [200.0]
    assert numbers(optics["rlnImagePixelSize"]) == [3.0]
