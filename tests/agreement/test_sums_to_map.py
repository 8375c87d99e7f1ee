"""The numerator and weight that RELION summed, turned into its map by us."""

from pathlib import Path

import mrcfile
import numpy as np
import pytest
import starfile

from halfmap.model.estimated_resolution import estimated_resolution_A, overall_completeness
from halfmap.model.fourier import shells_3d
from halfmap.model.fsc import shell_correlation
from halfmap.model.padded_sphere import PaddedSphere
from halfmap.model.sums import FourierSums
from halfmap.steps.maximisation import (
    Spectra,
    spectra,
)
from halfmap.steps.reconstruction import reconstruct

BOX, SIZE, PADDING = 64, 42, 2.0
N_FULL = SIZE // 2  # shells that pixels on the rim |k| = r_max do not touch


@pytest.fixture(scope="module")
def golden(shared: Path) -> Path:
    return shared / "golden/relion"


@pytest.fixture(scope="module")
def tables(golden: Path) -> dict:
    return starfile.read(golden / "em/run_it001_model.star", always_dict=True)


@pytest.fixture(scope="module")
def sums(golden: Path) -> FourierSums:
    """Sums after the Hermitian plane, stored with frequency zero first."""
    real, imaginary, weight = (
        mrcfile.read(golden / f"sums/run_it001_class001_external_reconstruct_{part}.mrc")
        for part in ("data_real", "data_imag", "weight")
    )
    half = PaddedSphere(SIZE // 2, PADDING).half
    k = np.arange(-half, half + 1) % len(weight)
    where = np.ix_(k, k, np.arange(half + 1))
    signal = (real + 1j * imaginary).astype(complex)
    return FourierSums.of(signal[where], weight[where].astype(float), SIZE // 2, PADDING)


@pytest.fixture(scope="module")
def found(sums: FourierSums, tables: dict) -> Spectra:
    power = tables["model_class_1"]["rlnReferenceTau2"].to_numpy()
    return spectra(sums, BOX, power, fudge=1.0)


def test_the_map_is_relions(sums: FourierSums, tables: dict, golden: Path) -> None:
    tau2 = tables["model_class_1"]["rlnReferenceTau2"].to_numpy()

    volume = reconstruct(sums, BOX, tau2)

    wanted = mrcfile.read(golden / "em/run_it001_class001.mrc")
    # Single precision sums and transforms there; an independent implementation reached 3e-7.
    assert np.linalg.norm(volume - wanted) < 1e-6 * np.linalg.norm(wanted)
    ft = [np.fft.rfftn(v.astype(float)) for v in (volume, wanted)]
    fsc = shell_correlation(*ft, shells_3d(BOX), SIZE // 2 + 1)
    np.testing.assert_allclose(fsc, 1.0, atol=1e-5)


def test_the_noise_of_the_map_is_relions(found: Spectra, tables: dict) -> None:
    wanted = tables["model_class_1"]["rlnReferenceSigma2"].to_numpy()

    np.testing.assert_allclose(found.map_variance[: N_FULL + 1], wanted[: N_FULL + 1], rtol=1e-5)
    assert np.all(found.map_variance[N_FULL + 1 :] == 0)


def test_data_versus_prior_is_relions(found: Spectra, tables: dict) -> None:
    wanted = tables["model_class_1"]["rlnSsnrMap"].to_numpy()

    # The largest ratios, at shells 0 to 2, were summed in single precision.
    np.testing.assert_allclose(found.data_vs_prior, wanted, rtol=3e-4, atol=1e-6)
    np.testing.assert_allclose(found.data_vs_prior[3:], wanted[3:], rtol=1e-4, atol=1e-6)


def test_the_coverage_is_relions(found: Spectra, tables: dict) -> None:
    wanted = tables["model_class_1"]["rlnFourierCompleteness"].to_numpy()

    np.testing.assert_allclose(found.fourier_coverage, wanted, atol=1e-6)


def test_resolution_and_completeness_are_relions(found: Spectra, tables: dict) -> None:
    row = tables["model_classes"].iloc[0]

    resolution_A = estimated_resolution_A(found.data_vs_prior, BOX, 5.0)
    completeness = overall_completeness(found.data_vs_prior, found.fourier_coverage)

    assert resolution_A == pytest.approx(row["rlnEstimatedResolution"])
    assert completeness == pytest.approx(row["rlnOverallFourierCompleteness"], abs=1e-4)
