"""Soft circular and spherical masks with the mean of the outside as the fill.

A mask is held as the weight of the *background*: 0 within the radius, 1 beyond radius + edge, a
raised cosine between. Radii are counted from the pixel n // 2.
"""

import numpy as np
from jaxtyping import Float, Float64
from numpy import ndarray as Array


def soft_circle(box: int, radius_px: float, edge_px: float) -> Float[Array, "box box"]:
    """Return the weight of the background outside a soft circle."""
    return _plane_of_sphere(box, radius_px, edge_px, 0)


def soft_sphere(
    box: int, radius_px: float, edge_px: float, *, flat: bool = False
) -> Float[Array, "z y x"]:
    """Return the weight of the background outside a soft sphere; ``flat``: its central plane."""
    heights = [0] if flat else range(-(box // 2), box - box // 2)
    background = np.empty((len(heights), box, box))
    for plane, z in zip(background, heights, strict=True):
        plane[:] = _plane_of_sphere(box, radius_px, edge_px, z)
    return background


def _plane_of_sphere(box: int, radius_px: float, edge_px: float, z: int) -> Float[Array, "box box"]:
    y, x = np.ogrid[(slice(-(box // 2), box - box // 2),) * 2]
    radius = np.sqrt((float(z) ** 2 + y.astype(np.float64) ** 2) + x.astype(np.float64) ** 2)
    return _background(radius, radius_px, edge_px)


def _background(
    radius: Float[Array, "..."], radius_px: float, edge_px: float
) -> Float[Array, "..."]:
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
    x = np.asarray(images, dtype=np.float64)
    outside = np.tensordot(x, background, axes=2)[..., None, None]
    filled = outside / max(float(background.sum()), np.finfo(np.float64).tiny) - x
    filled *= background
    filled += x
    return np.asarray(filled)


def outside_of_square(box: int, radius_px: float, edge_px: float) -> Float64[Array, " square"]:
    """Return the weight of the background outside a soft sphere by squared radius, px²."""
    square = np.arange(3 * (box - box // 2) ** 2 + 1)
    return _background(np.sqrt(square.astype(np.float64)), radius_px, edge_px)


def mask_volume_mean_fill(
    volume: Float[Array, "z y x"], radius_px: float, edge_px: float
) -> Float[Array, "z y x"]:
    """Replace the outside of a sphere in a map, cubic or flat, by the mean there, softly."""
    background = soft_sphere(volume.shape[-1], radius_px, edge_px, flat=len(volume) == 1)
    return fill_outside_mean(volume.reshape(1, -1), background.reshape(1, -1)).reshape(volume.shape)
