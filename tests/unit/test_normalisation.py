import numpy as np
import pytest

from halfmap.steps.normalisation import background, normalised

RADIUS_PX = 10.0


@pytest.fixture
def images(rng: np.random.Generator) -> np.ndarray:
    noise = rng.normal(size=(4, 32, 32))
    noise[:, 12:20, 12:20] += 50.0  # a particle, inside the circle
    return noise.astype(np.float32)


def test_the_particle_itself_does_not_count(images: np.ndarray) -> None:
    measured = background(images, RADIUS_PX)

    # 700 background pixels: mean and std are known to 1/sqrt(700) = 0.04; four of them.
    np.testing.assert_allclose(measured.mean, 0.0, atol=0.16)
    np.testing.assert_allclose(measured.std, 1.0, atol=0.16)
    assert measured.is_normalised.all()


@pytest.mark.parametrize(("scale", "shift"), [(1.0, 0.8), (2.5, 0.0), (0.3, 0.0)])
def test_images_off_scale_are_noticed_and_repaired(
    images: np.ndarray, scale: float, shift: float
) -> None:
    off = scale * images + shift * scale

    assert not background(off, RADIUS_PX).is_normalised.any()

    repaired = background(normalised(off, RADIUS_PX), RADIUS_PX)
    np.testing.assert_allclose(repaired.mean, 0.0, atol=1e-6)
    np.testing.assert_allclose(repaired.std, 1.0, rtol=1e-6)


def test_a_constant_image_stays_constant() -> None:
    flat = np.full((1, 32, 32), 3.0, np.float32)

    assert np.ptp(normalised(flat, RADIUS_PX)) == 0.0
