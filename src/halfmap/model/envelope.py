"""The Gaussian decay with resolution that B factors describe."""

import numpy as np
from jaxtyping import Float, Float32
from numpy import ndarray as Array

from halfmap.model.fourier import frequencies_3d, inverse_3d, radii, transform_3d


def damped(
    volume: Float[Array, "z y x"], pixel_size_A: float, b_factor_A2: float
) -> Float32[Array, "z y x"]:
    """Return a map times ``exp(-B s^2 / 4)`` in Fourier space; negative B sharpens."""
    box = volume.shape[-1]
    frequency_per_A = radii(frequencies_3d(box)) / (box * pixel_size_A)
    envelope = np.exp(-b_factor_A2 * frequency_per_A**2 / 4.0)
    return inverse_3d(transform_3d(volume) * envelope, box).astype(np.float32)
