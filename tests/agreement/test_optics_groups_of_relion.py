"""Lenses, detectors and CTFs that differ, beside RELION 5.0.1.

RELION refined the particles that `halfmap simulate` makes here, with the same words: one iteration
at the true poses from the true map. What it found is in ``optics_groups_of_relion.txt``.
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from numpy import ndarray as Array
from optics_tables import ONE

from halfmap.cli.main import main
from halfmap.io.model_reading import read_model_star
from halfmap.io.star import Table, write_star
from halfmap.model.half_model import HalfModel

TWO = {label: values * 2 for label, values in ONE.items()} | {"rlnOpticsGroup": [1, 2]}
TILT = {
    "rlnBeamTiltX": [60.0],
    "rlnBeamTiltY": [-30.0],
    "rlnOddZernike": ["[2,0,300,0,0,200]"],
    "rlnEvenZernike": ["[0.2,150,0,20,300,0,0,0,100]"],
}
STRETCH = {
    "rlnMagMat00": [1.03],
    "rlnMagMat01": [0.01],
    "rlnMagMat10": [-0.02],
    "rlnMagMat11": [0.97],
}
MTF = {
    "rlnMtfFileName": ["sharp.star", "soft.star"],
    "rlnMicrographOriginalPixelSize": [2.5, 2.5],
}
REFINE = (
    "--iter 1 --ctf --norm --scale --zero_mask --skip_align --particle_diameter 120 --ini_high 12 "
    "--random_seed 1 --verb 0"
)


class Case(NamedTuple):
    """Particles, and how they are refined."""

    optics: Table
    words: str = ""
    offset_A: float = 3.0
    """Spread of the offsets."""


CASES = {
    "tilt": Case(ONE | TILT),
    "magnified": Case(ONE | STRETCH),
    "premultiplied": Case(ONE | {"rlnCtfDataAreCtfPremultiplied": [1]}),
    # As wide in ångström, where RELION's grey scale is ours; and not shifted, as RELION's plain CPU
    # path shifts images of another box by phases of the map's.
    "grids": Case(TWO | {"rlnImagePixelSize": [5.0, 4.0], "rlnImageSize": [32, 40]}, offset_A=0.0),
    "detectors": Case(TWO | MTF),
    "uncorrected": Case(ONE, "--ctf_uncorrected_ref"),
    "first peak": Case(ONE, "--ctf_intact_first_peak"),
    "flipped": Case(ONE, "--ctf_phase_flipped"),
}


class Found(NamedTuple):
    """What both say."""

    first: HalfModel
    """Ours before the iteration."""
    ours: HalfModel
    data_vs_prior: Array
    """RELION's, shells 1 to 14."""
    noise: Array
    """RELION's, of each group, shells 0 to 15, times 1e4."""


def relions(name: str) -> list[Array]:
    file = Path(__file__).with_name("optics_groups_of_relion.txt")
    _, rest = file.read_text(encoding="utf-8").split(f"[{name}]\n")
    return [np.array(line.split(), float) for line in rest.split("[")[0].splitlines()]


@pytest.fixture(scope="module", params=CASES)
def found(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Found:
    folder, case = tmp_path_factory.mktemp("case"), CASES[request.param]
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        frequency = np.linspace(0.0, 0.5, 51)
        for detector, slope in (("sharp", 1.0), ("soft", 1.6)):
            curve = {"rlnResolutionInversePixel": frequency, "rlnMtfValue": 1.0 - slope * frequency}
            write_star(Path(f"{detector}.star"), {"mtf": curve})
        write_star(Path("lens.star"), {"optics": case.optics})
        words = f"--n 60 --snr 1 --n_micrographs 4 --seed 3 --offset_sigma {case.offset_A}"
        made = ["simulate", "--phantom", "--optics", "lens.star", "--o", "data", "--noise", "white"]
        assert main([*made, *words.split()]) == 0
        given = ["refine", "--i", "data/truth.star", "--ref", "data/truth.mrc", "--o", "out/run"]
        assert main([*given, *REFINE.split(), *case.words.split()]) == 0
    first, ours = (read_model_star(folder / f"out/run_it00{i}_model.star")[0] for i in (0, 1))
    data_vs_prior, *noise = relions(request.param)
    return Found(first, ours, data_vs_prior, np.array(noise))


@pytest.mark.parametrize("found", sorted(CASES.keys() - {"detectors"}), indirect=True)
def test_the_ratio_of_data_to_prior_is_relions(found: Found) -> None:
    # The window ends with shell 16; the files have six digits.
    np.testing.assert_allclose(found.ours.data_vs_prior[0, 1:15], found.data_vs_prior, rtol=3e-4)


def test_the_noise_is_relions(found: Found) -> None:
    np.testing.assert_allclose(1e4 * found.ours.noise_variance[:, :16], found.noise, rtol=3e-4)


@pytest.mark.parametrize("found", ["detectors"], indirect=True)
def test_the_first_noise_is_that_of_what_is_compared(found: Found) -> None:
    """That is, after the detectors are undone, which RELION does not do in the first images."""
    first, after = (model.noise_variance[:, 6:15] for model in (found.first, found.ours))

    of_groups, later = first[0] / first[1], after[0] / after[1]
    # White noise before; the groups differ by the square of (1 - f) / (1 - 1.6 f), to a factor 1.8.
    # Single shells of 30 masked images are known to a fifth, the median of nine to a tenth.
    assert np.median(of_groups / later) == pytest.approx(1.0, abs=0.1)
    assert np.median(later) < 0.85
