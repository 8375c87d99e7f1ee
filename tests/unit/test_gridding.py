import numpy as np
import pytest

from halfmap.model.padded_sphere import PaddedSphere
from halfmap.steps.gridding import (
    BLOB_ALPHA,
    BLOB_RADIUS,
    GRIDDING_ITERATIONS,
    _Smoothing,
    blob_transform,
    gridding_weights,
)

SPHERES = [PaddedSphere(8, 2.0), PaddedSphere(8, 2.0, flat=True), PaddedSphere(6, 3.0)]


@pytest.mark.parametrize("radius", [1.9, 3.8, 5.7])
def test_the_window_is_the_transform_of_the_blob(radius: float) -> None:
    """Integrated numerically: the radial transform of a Kaiser-Bessel function of order 0."""
    r = (np.arange(20_000) + 0.5) / 20_000 * radius
    blob = np.i0(BLOB_ALPHA * np.sqrt(1.0 - (r / radius) ** 2)) * r**2
    frequency = np.linspace(0.0, 0.5, 26)
    integrals = np.array([np.sum(blob * np.sinc(2.0 * r * f)) for f in frequency])

    # the midpoint rule with 20,000 points is good to 1e-8 here
    np.testing.assert_allclose(
        blob_transform(frequency, radius), integrals / integrals[0], atol=1e-7
    )


@pytest.mark.parametrize("sphere", SPHERES, ids=["sphere", "plane", "padded three times"])
def test_weights_even_out_any_density_inside_the_sphere(sphere: PaddedSphere) -> None:
    radius = np.sqrt(sphere.squared_radius())
    _, y, x = np.indices(sphere.shape)
    waves = np.cos(0.3 * (y - sphere.half)) * np.cos(0.2 * x)
    density = (1.0 + 0.5 * waves) / (1.0 + (radius / 10.0) ** 2)

    weights = gridding_weights(density, sphere, sphere.shape[1], GRIDDING_ITERATIONS)

    smoothed = brute_force_smoothing(weights * density, sphere)
    inside = radius < sphere.padding * sphere.r_max - BLOB_RADIUS * sphere.padding - 1.0
    # each iteration shrinks what is left of a slow variation; 10 leave a few per cent
    np.testing.assert_allclose(smoothed[inside], 1.0, atol=0.05)
    assert np.ptp(density[inside]) > 0.5 * density[inside].max()


def brute_force_smoothing(values: np.ndarray, sphere: PaddedSphere) -> np.ndarray:
    """Convolve with the blob, of sum 1, voxel by voxel in the whole space."""
    radius = BLOB_RADIUS * sphere.padding
    half = int(radius)
    whole = np.concatenate([values[::-1, ::-1, :0:-1], values], axis=2)
    reach = [0 if n == 1 else half for n in values.shape]
    axes = np.ogrid[tuple(slice(-r, r + 1) for r in reach)]
    square = sum(a**2 for a in axes) / radius**2
    blob = np.where(square < 1.0, np.i0(BLOB_ALPHA * np.sqrt(np.maximum(1.0 - square, 0.0))), 0.0)
    blob /= blob.sum()
    padded = np.pad(whole, [(r, r) for r in reach])
    out = np.zeros_like(whole)
    for index in np.ndindex(blob.shape):
        where = tuple(slice(i, i + n) for i, n in zip(index, whole.shape, strict=True))
        out += blob[index] * padded[where]
    return out[:, :, values.shape[2] - 1 :]


def test_without_data_there_are_no_weights() -> None:
    sphere = SPHERES[0]

    assert not gridding_weights(np.zeros(sphere.shape), sphere, 32, GRIDDING_ITERATIONS).any()


@pytest.mark.parametrize("sphere", SPHERES, ids=["sphere", "plane", "padded three times"])
def test_the_blob_is_even_so_that_smoothed_weights_are_real(sphere: PaddedSphere) -> None:
    window = _Smoothing(sphere, sphere.shape[1]).window

    blob = np.fft.fftn(window)
    assert np.abs(blob.imag).max() < 1e-12 * blob.real.max()
