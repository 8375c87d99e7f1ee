"""Noise of simulated images: white, or stronger at low resolution as in real micrographs."""

from dataclasses import dataclass

import numpy as np
import scipy.fft
from jaxtyping import Float
from numpy import ndarray as Array


@dataclass(frozen=True, slots=True)
class NoiseColour:
    """Shape of the power spectrum: ``1 + rise / (1 + (knee / d)^2)`` at resolution d.

    Counting noise is flat. Ice, carbon and everything else that is out of place adds power at low
    resolution, falling off as 1/f^2 beyond the knee.
    """

    rise: float
    """Power added at zero frequency, relative to the flat part; 0 is white."""
    knee_A: float
    """Resolution at which half of the rise is left."""


WHITE = NoiseColour(rise=0.0, knee_A=1.0)


def noise_amplitude(colour: NoiseColour, box: int, pixel_size_A: float) -> Float[Array, "ky kx"]:
    """Return the filter (box, box // 2 + 1) that gives white noise this colour.

    The variance of a pixel stays what it was.
    """
    ky, kx = np.fft.fftfreq(box)[:, None], np.fft.rfftfreq(box)
    inverse_d = np.hypot(ky, kx) / pixel_size_A
    power = 1.0 + colour.rise / (1.0 + (inverse_d * colour.knee_A) ** 2)
    # Columns 1 .. box/2 - 1 stand for their mirror images too.
    copies = np.full(box // 2 + 1, 2.0)
    copies[[0, -1]] = 1.0
    return np.asarray(np.sqrt(power / ((power * copies).sum() / box**2)))


def draw_noise(
    amplitude: Float[Array, "ky kx"], seeds: list[np.random.SeedSequence]
) -> Float[Array, "image y x"]:
    """Return one noise image of unit variance per seed.

    An image depends on its own seed only, so that it is the same in any batch.
    """
    box = amplitude.shape[0]
    white = np.stack([np.random.default_rng(seed).standard_normal((box, box)) for seed in seeds])
    return np.asarray(scipy.fft.irfft2(scipy.fft.rfft2(white) * amplitude, s=(box, box)))
