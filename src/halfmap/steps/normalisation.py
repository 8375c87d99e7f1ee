"""Are the particles normalised, and if not, make them so.

Particles are expected with background mean 0 and standard deviation 1 outside the particle
circle (docs/conventions.md); everything that follows, from noise spectra to the grey scale of
the map, leans on it.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Float32
from numpy import ndarray as Array

MAX_MEAN_OVER_STD = 0.5
STD_RANGE = (0.5, 2.0)
"""Limits beyond which RELION warns, too."""


@dataclass(frozen=True, slots=True)
class Background:
    """Statistics of the pixels outside the particle circle, one row an image."""

    mean: Float[Array, " image"]
    std: Float[Array, " image"]

    @property
    def is_normalised(self) -> Bool[Array, " image"]:
        """Whether mean and standard deviation are near 0 and 1."""
        low, high = STD_RANGE
        in_range = (self.std >= low) & (self.std <= high)
        return np.asarray(in_range & (np.abs(self.mean) <= MAX_MEAN_OVER_STD * self.std))

    @property
    def distance(self) -> Float[Array, " image"]:
        """How far an image is from normalised, to find the worst; 0 for mean 0 and deviation 1."""
        std = np.maximum(self.std, np.finfo(np.float64).tiny)
        return np.asarray(np.abs(np.log(std)) + np.log1p(np.abs(self.mean) / std))


def background(images: Float32[Array, "image y x"], radius_px: float) -> Background:
    """Measure the images outside a circle around pixel box // 2; NaN where one is not finite."""
    box = images.shape[-1]
    y, x = np.indices((box, box)) - box // 2
    outside = np.flatnonzero(x**2 + y**2 > radius_px**2)
    pixels = images.reshape(len(images), -1).take(outside, axis=1).astype(np.float64)
    with np.errstate(invalid="ignore"):  # infinite pixels: the image will be found bad
        mean = pixels.mean(axis=1)
        pixels -= mean[:, None]
        variance = np.einsum("ij,ij->i", pixels, pixels) / len(outside)
    return Background(mean=mean, std=np.sqrt(variance))


def normalised(
    images: Float32[Array, "image y x"], radius_px: float
) -> Float32[Array, "image y x"]:
    """Return the images with background mean 0 and standard deviation 1.

    An image with a constant background is returned as it is: it will be found constant, or
    not, where bad images are sought.
    """
    measured = background(images, radius_px)
    std = np.where(measured.std > 0, measured.std, 1.0)[:, None, None]
    with np.errstate(invalid="ignore", over="ignore"):
        return np.asarray((images - measured.mean[:, None, None]) / std, dtype=np.float32)
