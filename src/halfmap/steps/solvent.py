"""Setting the solvent around the particle to zero, and regions of it to less than that."""

import numpy as np
from jaxtyping import Float, Float32
from numpy import ndarray as Array

from halfmap.model.fourier import low_pass
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


def flatten_but_low_pass(
    volume: Float32[Array, "z y x"],
    mask: Float[Array, "z y x"],
    region: Float[Array, "z y x"],
    pixel_size_A: float,
    resolution_A: float,
) -> Float32[Array, "z y x"]:
    """Flatten a map, but add what a region holds, at low resolution.

    Parameters
    ----------
    mask
        Of the solvent: 1 where the map stays as it is.
    region
        1 where a low-pass filtered copy of the map is added, 0 to 1.
    pixel_size_A, resolution_A
        Of the map, and of the copy.
    """
    kept = low_pass(volume * region, pixel_size_A, resolution_A)
    return np.asarray(flatten(volume, mask) + kept)


def level(
    volume: Float32[Array, "z y x"], region: Float[Array, "z y x"]
) -> Float32[Array, "z y x"]:
    """Replace a region of a map, weighted 0 to 1, by its own weighted mean."""
    mean = float(np.sum(region * volume, dtype=np.float64) / np.sum(region, dtype=np.float64))
    return np.asarray(volume + region * (mean - volume), dtype=np.float32)
