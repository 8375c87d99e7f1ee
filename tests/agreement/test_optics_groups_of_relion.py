"""Lenses and detectors that differ, beside RELION 5.0.1 (plain CPU path, double precision).

RELION refined the particles that `halfmap simulate` makes here, with the same words: one iteration
at the true poses from the true map. What it found is written below.
"""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from halfmap.cli.main import main
from halfmap.io.model_reading import read_model_star
from halfmap.io.star import write_star

ONE = {
    "rlnOpticsGroup": [1],
    "rlnOpticsGroupName": ["a"],
    "rlnVoltage": [300.0],
    "rlnSphericalAberration": [2.7],
    "rlnAmplitudeContrast": [0.1],
    "rlnImagePixelSize": [5.0],
    "rlnImageSize": [32],
    "rlnImageDimensionality": [2],
}
TWO = {label: values * 2 for label, values in ONE.items()} | {"rlnOpticsGroup": [1, 2]}
LENSES = {
    "tilt": ONE
    | {
        "rlnBeamTiltX": [60.0],
        "rlnBeamTiltY": [-30.0],
        "rlnOddZernike": ["[2,0,300,0,0,200]"],
        "rlnEvenZernike": ["[0.2,150,0,20,300,0,0,0,100]"],
    },
    "mag": ONE
    | {
        "rlnMagMat00": [1.03],
        "rlnMagMat01": [0.01],
        "rlnMagMat10": [-0.02],
        "rlnMagMat11": [0.97],
    },
    "pre": ONE | {"rlnCtfDataAreCtfPremultiplied": [1]},
    # As wide in ångström, where RELION's grey scale is ours.
    "grids": TWO | {"rlnImagePixelSize": [5.0, 4.0], "rlnImageSize": [32, 40]},
}
REFINE = (
    "--iter 1 --ctf --norm --scale --zero_mask --skip_align --particle_diameter 120 --ini_high 12 "
    "--random_seed 1 --verb 0"
)


class Found(NamedTuple):
    """RELION's run_it001_model.star."""

    data_vs_prior: list[float]
    """Shells 1 to 14."""
    noise: list[list[float]]
    """Of each group, shells 0 to 15, times 1e4."""


RELIONS: dict[str, Found] = {
    "tilt": Found(
        [
            46.080647,
            10.867641,
            7.557154,
            6.412187,
            5.324594,
            3.853689,
            2.564212,
            1.671672,
            1.443389,
            0.92598,
            0.525204,
            0.574291,
            0.258826,
            0.00954,
        ],
        [
            [
                2.67134,
                2.88156,
                2.70732,
                2.74477,
                2.60289,
                2.77408,
                2.84825,
                2.87412,
                2.80015,
                2.73063,
                2.76278,
                2.78948,
                2.98294,
                2.91521,
                3.14697,
                3.25698,
            ]
        ],
    ),
    "mag": Found(
        [
            142.84118,
            50.424543,
            10.176634,
            6.500071,
            5.075949,
            3.485318,
            2.116717,
            1.303559,
            1.031216,
            0.494423,
            0.218928,
            0.43527,
            0.20264,
            0.007484,
        ],
        [
            [
                2.69381,
                2.95432,
                2.74732,
                2.773,
                2.63905,
                2.80422,
                2.871,
                2.8959,
                2.82964,
                2.76109,
                2.7897,
                2.81043,
                3.01239,
                2.96647,
                3.17443,
                3.04223,
            ]
        ],
    ),
    "pre": Found(
        [
            74.742269,
            39.449851,
            8.318846,
            5.75394,
            5.144358,
            3.537119,
            1.98254,
            1.273937,
            1.05762,
            0.341762,
            0.134577,
            0.492901,
            0.190683,
            0.007885,
        ],
        [
            [
                0.843754,
                0.258292,
                0.48049,
                1.08226,
                1.96022,
                3.32374,
                4.1675,
                4.11478,
                3.88971,
                3.42237,
                1.70266,
                1.327,
                3.17043,
                3.49264,
                3.95589,
                2.5095,
            ]
        ],
    ),
    "grids": Found(
        [
            702.50651,
            296.223624,
            13.149285,
            6.862071,
            5.436541,
            3.84705,
            2.187481,
            1.28581,
            0.969459,
            0.383633,
            0.211945,
            0.465434,
            0.202476,
            0.006785,
        ],
        [
            [
                2.00016,
                2.21355,
                2.17198,
                2.24802,
                2.03988,
                2.34688,
                2.30988,
                2.42786,
                2.38999,
                2.18315,
                2.18388,
                2.26821,
                2.46131,
                2.38039,
                2.66154,
                2.47645,
            ],
            [
                1.93185,
                2.61914,
                2.4064,
                2.23922,
                2.27702,
                2.24099,
                2.07641,
                2.29968,
                2.30156,
                2.14653,
                2.08069,
                2.19559,
                2.13287,
                2.23161,
                2.33265,
                2.30397,
            ],
        ],
    ),
}


@pytest.fixture(scope="module", params=LENSES)
def run(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp(request.param)
    # RELION shifts images of another box by phases of the map's; so nothing is to be shifted.
    offset_A = 0 if request.param == "grids" else 3
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        write_star(Path("lens.star"), {"optics": LENSES[request.param]})
        words = f"--n 60 --snr 1 --n_micrographs 4 --seed 3 --offset_sigma {offset_A} --noise white"
        made = ["simulate", "--phantom", "--optics", "lens.star", "--o", "data", *words.split()]
        assert main(made) == 0
        given = ["--i", "data/truth.star", "--ref", "data/truth.mrc", "--o", "out/run"]
        assert main(["refine", *given, *REFINE.split()]) == 0
    model, _ = read_model_star(folder / "out/run_it001_model.star")
    return model, RELIONS[request.param]


def test_the_ratio_of_data_to_prior_is_relions(run: Any) -> None:
    model, theirs = run

    # The window ends with shell 16; RELION writes six digits.
    np.testing.assert_allclose(model.data_vs_prior[0, 1:15], theirs.data_vs_prior, rtol=3e-4)


def test_the_noise_is_relions(run: Any) -> None:
    model, theirs = run

    np.testing.assert_allclose(1e4 * model.noise_variance[:, :16], theirs.noise, rtol=3e-4)
