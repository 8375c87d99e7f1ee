from pathlib import Path
from typing import Any

import mrcfile
import numpy as np
import pytest
import starfile
from jaxtyping import Float
from numpy import ndarray as Array

from halfmap.model.fourier import low_pass
from halfmap.model.mask import fill_outside_mean, soft_circle
from halfmap.model.noise import image_spectrum, initial_noise_variance, initial_signal_to_noise

BOX, PIXEL_A, DIAMETER_A, INI_HIGH_A, MASK_EDGE_PX = 64, 5.0, 290.0, 30.0, 5.0


@pytest.fixture(scope="module")
def golden_noise(shared: Path) -> Float[Array, "optics shell"]:
    folder = shared / "golden" / "relion"
    particles = starfile.read(folder / "p240.star")["particles"]
    images = mrcfile.read(folder / "p240.mrcs").astype(np.float64)
    masked = fill_outside_mean(images, soft_circle(BOX, DIAMETER_A / (2.0 * PIXEL_A), MASK_EDGE_PX))
    spectra = image_spectrum(masked)
    group = particles["rlnOpticsGroup"].to_numpy() - 1
    sums = np.stack([spectra[group == g].sum(axis=0) for g in (0, 1)])
    return initial_noise_variance(sums, np.bincount(group), masked.mean(axis=0))


@pytest.mark.parametrize("model", ["em/run_it000_model", "halves/run_it000_half1_model"])
def test_initial_noise_is_that_of_relion(
    shared: Path, golden_noise: Float[Array, "optics shell"], model: str
) -> None:
    tables = read_model(shared, model)
    for group, ours in enumerate(golden_noise, start=1):
        theirs = tables[f"model_optics_group_{group}"]["rlnSigma2Noise"].to_numpy()
        # Both halves hold the spectrum of all particles. RELION writes seven digits of floats.
        np.testing.assert_allclose(ours, theirs, rtol=1e-5)


@pytest.mark.parametrize(
    ("model", "subset"),
    [
        ("em/run_it000_model", (1, 2)),
        ("halves/run_it000_half1_model", (1,)),
        ("halves/run_it000_half2_model", (2,)),
    ],
)
def test_initial_signal_counts_the_particles_of_the_own_half(
    shared: Path,
    golden_noise: Float[Array, "optics shell"],
    model: str,
    subset: tuple[int, ...],
) -> None:
    folder = shared / "golden" / "relion"
    particles = starfile.read(folder / "p240.star")["particles"]
    n = int(particles["rlnRandomSubset"].isin(subset).sum())
    reference = low_pass(mrcfile.read(folder / "ref.mrc"), PIXEL_A, INI_HIGH_A)

    tau2, data_vs_prior = initial_signal_to_noise(reference, golden_noise, n)

    theirs = read_model(shared, model)["model_class_1"]
    for ours, column in ((tau2, "rlnReferenceTau2"), (data_vs_prior, "rlnSsnrMap")):
        expected = theirs[column].to_numpy()
        # Numbers from 0.001 on are written with six decimals. Beyond the low-pass the map holds
        # float32 rounding only: there the floor is 1e-9 of the peak.
        written = np.where(expected >= 1e-3, 5e-7, 1e-9 * expected.max())
        assert (np.abs(ours - expected) <= 1e-4 * expected + written).all(), column


def test_a_negative_noise_variance_takes_the_value_before_it_or_else_the_next_positive() -> None:
    spectra = 2.0 * np.array([[-1.0, -2.0, 3.0, 4.0, -5.0, -6.0, 7.0, -1.0, 1.0]])
    silent = np.zeros((16, 16))

    variance = initial_noise_variance(spectra, np.array([1]), silent)

    np.testing.assert_array_equal(variance[0], [3, 3, 3, 4, 4, 4, 7, 7, 1])


def test_an_optics_group_without_particles_has_no_noise_and_does_not_count(
    rng: np.random.Generator,
) -> None:
    images = rng.normal(size=(5, 16, 16))
    spectra = image_spectrum(images).sum(axis=0)

    noise = initial_noise_variance(
        np.stack([spectra, 0.0 * spectra]), np.array([5, 0]), images.mean(axis=0)
    )

    assert not noise[1].any()
    volume = rng.normal(size=(16, 16, 16))
    np.testing.assert_array_equal(
        initial_signal_to_noise(volume, noise, 5.0)[1],
        initial_signal_to_noise(volume, noise[:1], 5.0)[1],
    )


def test_white_noise_of_variance_one_has_half_of_one_over_the_pixels_per_component(
    rng: np.random.Generator,
) -> None:
    n, box = 400, 16
    images = rng.normal(size=(n, box, box))

    noise = initial_noise_variance(
        image_spectrum(images).sum(axis=0)[None], np.array([n]), images.mean(axis=0)
    )

    # Four standard errors: shells hold at least 4 of n·pixels independent powers.
    expected = 0.5 / box**2 * (1.0 - 1.0 / n)
    np.testing.assert_allclose(noise[0, 1:], expected, rtol=4.0 / np.sqrt(4 * n))


def read_model(shared: Path, model: str) -> dict[str, Any]:
    tables: dict[str, Any] = starfile.read(shared / "golden" / "relion" / f"{model}.star")
    return tables
