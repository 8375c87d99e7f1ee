"""What follows from the FSC that RELION measured between its halves."""

from pathlib import Path

import numpy as np
import pytest
import starfile

from halfmap.model.padded_sphere import PaddedSphere
from halfmap.model.sums import FourierSums
from halfmap.steps.maximisation import spectra

BOX = 64


@pytest.fixture(params=[(1, 42), (2, 40), (3, 38)], ids=lambda p: f"iteration {p[0]}")
def iteration(request: pytest.FixtureRequest) -> tuple[int, int]:
    """Number and window of an iteration."""
    return request.param


@pytest.mark.parametrize("half", [1, 2])
def test_signal_and_ratio_follow_from_the_fsc_and_the_noise(
    iteration: tuple[int, int], half: int, shared: Path
) -> None:
    number, size = iteration
    name = f"golden/relion/halves/run_it{number:03d}_half{half}_model.star"
    table = starfile.read(shared / name, always_dict=True)["model_class_1"]
    fsc, variance, tau2, ratio = (
        table[f"rln{column}"].to_numpy()
        for column in ("GoldStandardFsc", "ReferenceSigma2", "ReferenceTau2", "SsnrMap")
    )

    found = spectra(sums_with(variance, size), BOX, None, 1.0, fsc)

    # FSC and ratio are printed with six digits; at an FSC of 1 the clipped ratio is 999.01 there.
    np.testing.assert_allclose(found.data_vs_prior, ratio, rtol=1e-3)
    np.testing.assert_allclose(found.map_variance, variance, rtol=1e-6)
    np.testing.assert_allclose(found.signal_variance, tau2, rtol=1e-3)


def sums_with(variance: np.ndarray, size: int) -> FourierSums:
    """Return sums whose mean weight in each shell is that of a given noise of the map."""
    sphere = PaddedSphere(size // 2, 2.0)
    shell = np.minimum(sphere.shell_of_square()[sphere.squared_radius()], size // 2)
    weight = 1.0 / (8.0 * variance[shell])
    return FourierSums.of(np.zeros(sphere.shape, complex), weight, size // 2, 2.0)
