"""Blobs in place of a first reference: structure without features, different for each class."""

import numpy as np
from jaxtyping import Float, Float32, Int
from numpy import ndarray as Array

from halfmap.model.fourier import low_pass
from halfmap.model.mask import mask_volume_mean_fill

N_BLOBS = 40
"""Of each sign."""
SHARPNESS = 10.0
"""A blob is exp(-(this r / diameter)²)."""
SPREAD = {False: 6.0, True: 7.0}
"""Their centres scatter with this fraction of the diameter; flat or not."""
NEGATIVE_SHARE = 0.5
EDGE_PX = 5.0


def blobs_like(
    volume: Float32[Array, "z y x"],
    diameter_px: float,
    resolution_px: float,
    rng: np.random.Generator,
) -> Float32[Array, "z y x"]:
    """Return random blobs with the grey scale of a map, cubic or flat.

    Parameters
    ----------
    volume
        Its absolute values at their centres are the heights of the blobs, and its standard
        deviation becomes that of the result.
    diameter_px
        Of the particle: the blobs lie inside, softly masked.
    resolution_px
        The result is low-pass filtered to this; not if 0 or less.
    rng
        Places the blobs.
    """
    made = _blobs(volume, diameter_px, rng) - NEGATIVE_SHARE * _blobs(volume, diameter_px, rng)
    spread = float(made.std())
    made *= float(volume.std()) / spread if spread > 0.0 else 0.0
    filtered = low_pass(made, 1.0, resolution_px)
    return mask_volume_mean_fill(filtered, diameter_px / 2.0, EDGE_PX).astype(np.float32)


def _blobs(
    volume: Float32[Array, "z y x"], diameter_px: float, rng: np.random.Generator
) -> Float[Array, "z y x"]:
    shape = np.array(volume.shape)
    scatter = diameter_px / SPREAD[len(volume) == 1] * (shape > 1)
    made = np.zeros(volume.shape)
    axes = [np.arange(n, dtype=np.float64) for n in volume.shape]
    for _ in range(N_BLOBS):
        centre = shape // 2 + scatter * rng.standard_normal(3)
        nearest: Int[Array, " 3"] = np.clip(np.rint(centre).astype(np.int64), 0, shape - 1)
        z, y, x = (
            np.exp(-((SHARPNESS * (axis - c) / diameter_px) ** 2))
            for axis, c in zip(axes, centre, strict=True)
        )
        made += abs(float(volume[tuple(nearest)])) * z[:, None, None] * y[:, None] * x
    return made
