"""Setting the solvent around the particle to zero."""

import numpy as np
from jaxtyping import Float, Float32
from numpy import ndarray as Array

from halfmap.model.mask import soft_sphere


def solvent_mask(
    box: int, pixel_size_A: float, diameter_A: float, edge_px: float, *, flat: bool = False
) -> Float[Array, "z y x"]:
    """Return a soft sphere: 1 within the particle diameter, 0 beyond its edge; flat: a disc."""
    radius_px = diameter_A / (2.0 * pixel_size_A)
    return np.asarray(1.0 - soft_sphere(box, radius_px, edge_px, flat=flat))


def flatten(
    volume: Float32[Array, "z y x"], mask: Float[Array, "z y x"]
) -> Float32[Array, "z y x"]:
    """Multiply a map by a mask: the outside becomes 0, not the mean."""
    return np.asarray(volume * mask, dtype=np.float32)
