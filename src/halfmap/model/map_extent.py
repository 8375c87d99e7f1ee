"""How large the particle in a map is."""

import numpy as np
from jaxtyping import Float
from numpy import ndarray as Array

from halfmap.model.fourier import low_pass

SMOOTHING_A = 20.0
SMOOTHING_PX = 4.0
LEVEL = 0.1
"""Of the highest density of the smoothed map; what lies above belongs to the particle."""


def map_extent_A(volume: Float[Array, "z y x"], pixel_size_A: float) -> float:
    """Return the diameter of the sphere around the centre that holds the particle.

    The map is smoothed to 20 A (or 4 px, if that is more); everything above a tenth of its highest
    density belongs to the particle. At most the box, at least two pixels.
    """
    box = volume.shape[0]
    smooth = low_pass(volume, pixel_size_A, max(SMOOTHING_A, SMOOTHING_PX * pixel_size_A))
    z, y, x = np.ogrid[(slice(-(box // 2), box - box // 2),) * 3]
    radius = np.sqrt(x**2 + y**2 + z**2)
    inside = radius < box // 2
    particle = inside & (smooth > LEVEL * smooth[inside].max())
    return float(2.0 * pixel_size_A * max(1.0, radius[particle].max(initial=0.0)))
