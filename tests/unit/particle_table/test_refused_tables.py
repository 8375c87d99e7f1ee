"""Tables that cannot be used, or not yet."""

from pathlib import Path

import pytest

from .small_table import OPTICS, problems_of, read_table


def test_all_problems_are_listed_at_once(tmp_path: Path) -> None:
    problems = problems_of(
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
        ("rlnImageDimensionality", 2, 3),
        ("rlnCtfDataAreCtfCorrected", 0, 1),
    ],
)
def test_optics_columns_of_later_versions_pass_only_without_effect(
    tmp_path: Path, label: str, neutral, effective
) -> None:
    read_table(tmp_path, {label: [neutral]})

    (problem,) = problems_of(tmp_path, {label: [effective]})

    assert label in problem


def test_one_detector_passes_and_two_do_not(tmp_path: Path) -> None:
    optics = {label: column * 2 for label, column in OPTICS.items()} | {"rlnOpticsGroup": [1, 2]}
    read_table(tmp_path, optics | {"rlnMtfFileName": ["k2.star", "k2.star"]})

    (problem,) = problems_of(tmp_path, optics | {"rlnMtfFileName": ["k2.star", "de.star"]})

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
    (problem,) = problems_of(tmp_path, particles={label: effective})

    assert label in problem


def test_a_matrix_that_is_no_magnification_is_refused(tmp_path: Path) -> None:
    (problem,) = problems_of(tmp_path, {"rlnMagMat00": [0.0]})

    assert "rlnMagMat00 is 0" in problem
    assert "expected a matrix near the identity" in problem


def test_an_odd_box_is_refused(tmp_path: Path) -> None:
    (problem,) = problems_of(tmp_path, {"rlnImageSize": [9]})

    assert "rlnImageSize is 9 in row 1; expected an even box" in problem


def test_a_ctf_that_is_zero_everywhere_is_refused(tmp_path: Path) -> None:
    optics = {"rlnSphericalAberration": [0.0], "rlnAmplitudeContrast": [0.0]}
    particles = {"rlnDefocusU": [10000.0, 0.0, 10000.0, 10000.0]}

    (problem,) = problems_of(tmp_path, optics, particles)

    assert "rlnDefocusU is 0.000000 in row 2; all CTF parameters are zero" in problem
    read_table(tmp_path, optics, particles, ctf=False)
