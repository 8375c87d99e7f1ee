import numpy as np
import pytest
from numpy import ndarray as Array

from halfmap.model.blobs import blobs_like
from halfmap.model.fourier import radial_mean, shells_3d, transform_3d

BOX, DIAMETER_PX = 64, 40.0


def cloud(depth: int) -> Array:
    """A Gaussian, as an average of random orientations is."""
    axes = np.ogrid[tuple(slice(-(n // 2), n - n // 2) for n in (depth, BOX, BOX))]
    return np.exp(-sum(axis**2 for axis in axes) / 200.0).astype(np.float32)


@pytest.mark.parametrize("depth", [1, BOX])
def test_blobs_have_the_grey_scale_of_the_map_and_stay_inside_the_particle(depth: int) -> None:
    volume = cloud(depth)

    made = blobs_like(volume, DIAMETER_PX, 0.0, np.random.default_rng(1))

    axes = np.ogrid[tuple(slice(-(n // 2), n - n // 2) for n in volume.shape)]
    radius = np.sqrt(sum(axis**2 for axis in axes))
    assert made.shape == volume.shape
    # the mask takes away what lies beyond the particle: a little of the spread
    assert made.std() == pytest.approx(volume.std(), rel=0.15)
    assert np.ptp(made[radius > DIAMETER_PX / 2 + 5]) < 1e-6
    assert made.max() > 3.0 * np.abs(made.min()) > 0.0


def test_classes_get_different_blobs_and_runs_of_one_seed_the_same() -> None:
    rng = np.random.default_rng(7)
    first, second = (blobs_like(cloud(1), DIAMETER_PX, 0.0, rng) for _ in range(2))

    again = blobs_like(cloud(1), DIAMETER_PX, 0.0, np.random.default_rng(7))

    np.testing.assert_array_equal(again, first)
    assert (first - second).std() > 0.3 * first.std()


def test_blobs_are_as_smooth_as_the_resolution_asks() -> None:
    rng = np.random.default_rng(3)

    made = blobs_like(cloud(1), DIAMETER_PX, BOX / 4.0, rng)

    shells = shells_3d(BOX, flat=True)
    power = radial_mean(np.abs(transform_3d(made)) ** 2, shells, BOX // 2)
    # the mask, a product, lets a little through
    assert power[7:].sum() < 1e-2 * power[1:4].sum()
