"""What an external program is given is what RELION gives it."""

from pathlib import Path

import mrcfile
import numpy as np
import pytest

from halfmap.io.external_reconstruction import ExternalNames, write_request, write_sums
from halfmap.io.star import read_star
from halfmap.model.padded_sphere import PaddedSphere
from halfmap.steps.external_sums import zero_first

BOX, SIZE, PADDING = 64, 42, 2.0
ROOT = "sums/run_it001_class001"


@pytest.fixture(scope="module")
def golden(shared: Path) -> Path:
    return shared / "golden/relion"


@pytest.mark.parametrize("part", ["data_real", "data_imag", "weight"])
def test_a_sphere_of_sums_becomes_relions_file(golden: Path, tmp_path: Path, part: str) -> None:
    file = golden / f"{ROOT}_external_reconstruct_{part}.mrc"
    wanted = mrcfile.read(file)
    sphere = PaddedSphere(SIZE // 2, PADDING)
    k = np.arange(-sphere.half, sphere.half + 1) % len(wanted)
    sums = wanted[np.ix_(k, k, np.arange(sphere.half + 1))].astype(float)
    sums[sphere.squared_radius() > sphere.reach**2] = 7.0  # what interpolation left outside

    write_sums(tmp_path / "sums.mrc", zero_first(sums, sphere, len(wanted)))

    np.testing.assert_array_equal(mrcfile.read(tmp_path / "sums.mrc"), wanted)
    with mrcfile.open(file) as relion, mrcfile.open(tmp_path / "sums.mrc") as ours:
        assert ours.header.cella == relion.header.cella
        assert ours.data.dtype == relion.data.dtype


def test_the_request_is_relions_line_by_line(golden: Path, tmp_path: Path) -> None:
    file = golden / f"{ROOT}_external_reconstruct.star"
    relion = read_star(file)
    spectra = relion.table("external_reconstruct_tau2")
    general = {
        "rlnTau2FudgeFactor": 1.0,
        "rlnPaddingFactor": 2.0,
        "rlnReferenceDimensionality": 3,
        "rlnOriginalImageSize": BOX,
        "rlnCurrentImageSize": SIZE,
        "rlnPixelSize": 5.0,
        "rlnParticleDiameter": 290.0,
    }
    (tmp_path / "sums").mkdir()

    write_request(
        ExternalNames(str(tmp_path / ROOT)),
        general,
        spectra["rlnReferenceTau2"].astype(float),
        spectra["rlnGoldStandardFsc"].astype(float),
    )

    written = (tmp_path / f"{ROOT}_external_reconstruct.star").read_text(encoding="utf-8")
    ours = written.replace(f"{tmp_path}/", "").split()
    assert ours == file.read_text(encoding="utf-8").split()
