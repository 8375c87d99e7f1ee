"""Soft circular and spherical masks with the mean of the outside as the fill.

A mask is held as the weight of the *background*: 0 within the radius, 1 beyond radius + edge, a
raised cosine between. Radii are counted from the pixel n // 2.
"""

import numpy as np
from jaxtyping import Float
from numpy import ndarray as Array


def soft_circle(box: int, radius_px: float, edge_px: float) -> Float[Array, "box box"]:
    """Return the weight of the background outside a soft circle."""
    return _background_weight(box, radius_px, edge_px, 2)


def soft_sphere(
    box: int, radius_px: float, edge_px: float, *, flat: bool = False
) -> Float[Array, "z y x"]:
    """Return the weight of the background outside a soft sphere; ``flat``: its central plane."""
    if flat:
        return soft_circle(box, radius_px, edge_px)[None]
    return _background_weight(box, radius_px, edge_px, 3)


def _background_weight(box: int, radius_px: float, edge_px: float, dimensions: int) -> Array:
    axes = np.ogrid[(slice(-(box // 2), box - box // 2),) * dimensions]
    radius = np.sqrt(sum(axis.astype(np.float64) ** 2 for axis in axes))
    if edge_px <= 0.0:
        return np.asarray((radius > radius_px).astype(np.float64))
    inward = np.clip((radius_px + edge_px - radius) / edge_px, 0.0, 1.0)
    return np.asarray(0.5 + 0.5 * np.cos(np.pi * inward))


def fill_outside_mean(
    images: Float[Array, "*image y x"], background: Float[Array, "y x"]
) -> Float[Array, "*image y x"]:
    """Replace the outside of each image by its own mean there, softly.

    ``(1 - c) X + c m`` with ``m`` the mean of ``X`` weighted by ``c``. Where the mask
    has no outside, the image stays.

    Parameters
    ----------
    images
        One image or several.
    background
        ``c`` of `soft_circle`.
    """
    return _fill(np.asarray(images, dtype=np.float64), background)


def mask_volume_mean_fill(
    volume: Float[Array, "z y x"], radius_px: float, edge_px: float
) -> Float[Array, "z y x"]:
    """Replace the outside of a sphere in a map, cubic or flat, by the mean there, softly."""
    background = soft_sphere(volume.shape[-1], radius_px, edge_px, flat=len(volume) == 1)
    return _fill(np.asarray(volume, dtype=np.float64), background)


def _fill(x: Array, background: Array) -> Array:
    axes = tuple(range(-background.ndim, 0))
    outside = np.sum(background * x, axis=axes, keepdims=True)
    mean = outside / max(float(background.sum()), np.finfo(np.float64).tiny)
    return np.asarray(x + background * (mean - x))
