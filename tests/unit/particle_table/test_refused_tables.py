"""Tables that cannot be used, or not yet."""

from pathlib import Path

import pytest

from halfmap.io.star import write_star

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


def test_volumes_are_refused(tmp_path: Path) -> None:
    (problem,) = problems_of(tmp_path, {"rlnImageDimensionality": [3]})

    assert "rlnImageDimensionality is 3" in problem


@pytest.mark.parametrize("text", ["[0.1,x]", "0.1", "[1,inf]"])
def test_coefficients_that_are_no_numbers_are_refused(tmp_path: Path, text: str) -> None:
    (problem,) = problems_of(tmp_path, {"rlnOddZernike": [text]})

    assert f"rlnOddZernike is {text} in row 1; expected numbers in brackets" in problem


TWO_GROUPS = {label: column * 2 for label, column in OPTICS.items()} | {"rlnOpticsGroup": [1, 2]}
ORIGINAL = {"rlnMicrographOriginalPixelSize": [0.7, 0.7]}


@pytest.mark.parametrize(
    ("mtf", "more", "problem"),
    [
        (["a.star", "b.star"], {}, "rlnMicrographOriginalPixelSize"),
        (["a.star", "b.star"], ORIGINAL, "no_such.star"),
        (["falling.star", "bad.star"], ORIGINAL, "rlnMtfValue is 0.000000 in row 2; expected num"),
    ],
)
def test_detectors_that_cannot_be_told_apart_are_refused(
    tmp_path: Path, mtf: list[str], more: dict, problem: str
) -> None:
    curve = {"rlnResolutionInversePixel": [0.0, 0.5], "rlnMtfValue": [1.0, 0.4]}
    write_star(tmp_path / "falling.star", {"mtf": curve})
    write_star(tmp_path / "bad.star", {"mtf": curve | {"rlnMtfValue": [1.0, 0.0]}})
    names = [name.replace("a.star", "falling.star") for name in mtf]
    names = [name.replace("b.star", "no_such.star") for name in names]
    names = [name if name != "no_such.star" or more else "other.star" for name in names]

    found = problems_of(tmp_path, TWO_GROUPS | more | {"rlnMtfFileName": names})

    assert any(problem in text for text in found), found


def test_a_group_without_a_detector_beside_others_is_refused(tmp_path: Path) -> None:
    three = {label: column * 3 for label, column in OPTICS.items()} | {"rlnOpticsGroup": [1, 2, 3]}
    curve = {"rlnResolutionInversePixel": [0.0, 0.5], "rlnMtfValue": [1.0, 0.4]}
    for name in "ab":
        write_star(tmp_path / f"{name}.star", {"mtf": curve})
    mtf = {"rlnMtfFileName": ["a.star", "None", "b.star"]}

    found = problems_of(tmp_path, three | mtf | {"rlnMicrographOriginalPixelSize": [0.7] * 3})

    assert any("rlnMtfFileName is None in row 2; other groups name" in text for text in found)


@pytest.mark.parametrize(
    ("label", "effective"),
    [
        ("rlnCtfImage", ["a", "b", "c", "d"]),
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
