"""Orientations beside that of a slice, to fill what lies between the directions of a search."""

import numpy as np
from jaxtyping import Float
from numpy import ndarray as Array

from halfmap.model.compat import Compat
from halfmap.model.eman_orientations import eman_angles, eman_matrices

MOST_STEPS = 9
_ROUNDING_DEG = 1e-5


def fill_offsets_deg(fill_deg: float, padded: int) -> Float[Array, "copy 2"]:
    """Return the (az, alt) offsets of the copies of a slice, in degrees; (0, 0) alone if none.

    Steps are those of a voxel at Nyquist, at most nine in the range.
    """
    voxel_deg = np.degrees(np.arctan2(1.0, padded / 2.0))
    n_steps = min(int(fill_deg / voxel_deg), MOST_STEPS)
    if n_steps <= 1:
        return np.zeros((1, 2))
    step = fill_deg / (n_steps - 1) - _ROUNDING_DEG
    along = -0.5 * fill_deg + step * np.arange(n_steps + 1)
    along = along[along < 0.5 * fill_deg]
    az, alt = np.meshgrid(along, along, indexing="ij")
    return np.stack([az.ravel(), alt.ravel()], axis=-1)


def filled(
    rotation: Float[Array, "slice 3 3"], offsets_deg: Float[Array, "copy 2"], compat: Compat
) -> Float[Array, "slice copy 3 3"]:
    """Return the orientations of all copies of slices."""
    if len(offsets_deg) == 1:
        return rotation[:, None]
    angles = np.repeat(eman_angles(rotation)[:, None], len(offsets_deg), axis=1)
    angles[..., :2] += offsets_deg
    if compat.fill_drops_phi:
        angles[..., 2] = 0.0
    return eman_matrices(angles)


def fill_weights(offsets_deg: Float[Array, "copy 2"], fill_deg: float) -> Float[Array, " copy"]:
    """Return the weight of each copy: a Gaussian of a quarter of the range."""
    if len(offsets_deg) == 1:
        return np.ones(1)
    return np.asarray(np.exp(-np.sum(offsets_deg**2, axis=1) / (0.25 * fill_deg) ** 2))
