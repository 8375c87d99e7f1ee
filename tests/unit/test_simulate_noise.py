import numpy as np
import pytest
from numpy import ndarray as Array

from halfmap.model.fourier import radial_mean, shells_2d, transform_2d
from halfmap.model.image_noise import WHITE, NoiseColour, draw_noise, noise_amplitude

BOX, PIXEL_A = 64, 3.0
COLOURED = NoiseColour(rise=2.0, knee_A=60.0)


def seeds(n: int) -> list[np.random.SeedSequence]:
    return [np.random.SeedSequence((7, i)) for i in range(n)]


def spectrum(images: Array) -> Array:
    power = (np.abs(transform_2d(images)) ** 2).mean(axis=0) * BOX**2
    return radial_mean(power, shells_2d(BOX), BOX // 2 + 1)


@pytest.mark.parametrize("colour", [WHITE, COLOURED])
def test_a_pixel_has_unit_variance_whatever_the_colour(colour: NoiseColour) -> None:
    images = draw_noise(noise_amplitude(colour, BOX, PIXEL_A), seeds(100))

    # 400,000 pixels, of which the low frequencies are a few: 0.5 % is three sigma.
    assert images.var() == pytest.approx(1.0, abs=5e-3)


def test_white_noise_has_the_same_power_in_every_shell() -> None:
    found = spectrum(draw_noise(noise_amplitude(WHITE, BOX, PIXEL_A), seeds(100)))

    # Shell 2 has 12 pixels an image: 1,200 exponential deviates, 3 % each sigma.
    np.testing.assert_allclose(found[2:], 1.0, atol=0.12)


def test_coloured_noise_has_half_of_the_rise_at_the_knee_and_none_far_out() -> None:
    found = spectrum(draw_noise(noise_amplitude(COLOURED, BOX, PIXEL_A), seeds(400)))

    resolution_A = BOX * PIXEL_A / np.arange(1, BOX // 2 + 1)
    expected = 1.0 + 2.0 / (1.0 + (60.0 / resolution_A) ** 2)
    flat = found[1:][resolution_A < 8.0].mean() / expected[resolution_A < 8.0].mean()
    np.testing.assert_allclose(found[2:] / flat, expected[1:], rtol=0.08)


def test_an_image_depends_on_its_own_seed_only() -> None:
    amplitude = noise_amplitude(COLOURED, BOX, PIXEL_A)

    together, alone = draw_noise(amplitude, seeds(3)), draw_noise(amplitude, seeds(3)[2:])

    np.testing.assert_array_equal(together[2], alone[0])
    assert not np.allclose(together[0], together[1])
