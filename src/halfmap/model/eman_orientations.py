"""Orientations as EMAN2 writes them, and what they are here.

Angles (az, alt, phi) in degrees are rot = az - 90, tilt = alt, psi = phi + 90 of
`halfmap.model.rotations`: the matrices are the same. A stored 3 x 4 matrix holds the rotation times
the scale, and the translation in its last column; if the image is mirrored in x, its first row has
the other sign, the translation included. The image is scaled, then moved, then mirrored.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray as Array

from halfmap.model.rotations import euler_angles, euler_matrices

_TO_EULER = np.array([-90.0, 0.0, 90.0])
_POLE = 1e-7
"""Sine of alt below which az and phi cannot be told apart."""


@dataclass(frozen=True, slots=True)
class Placements:
    """How projections lie: stored matrices taken apart."""

    rotation: Float[Array, "slice 3 3"]
    translation_px: Float[Array, "slice 2"]
    """(x, y) of the move that comes before the mirror."""
    mirror: Bool[Array, " slice"]
    scale: Float[Array, " slice"]


def eman_matrices(angles_deg: Float[Array, "*pose 3"]) -> Float[Array, "*pose 3 3"]:
    """Return the rotation matrix of each (az, alt, phi)."""
    return euler_matrices(np.asarray(angles_deg, np.float64) + _TO_EULER)


def eman_angles(matrices: Float[Array, "*pose 3 3"]) -> Float[Array, "*pose 3"]:
    """Return (az, alt, phi) in degrees of each matrix; alt in [0, 180], az 0 at the poles."""
    a = np.asarray(matrices, np.float64)
    angles = np.asarray(euler_angles(a) - _TO_EULER)
    at_pole = np.hypot(a[..., 0, 2], a[..., 1, 2]) < _POLE
    up = np.where(a[..., 2, 2] > 0.0, 1.0, -1.0)
    turn = np.degrees(np.arctan2(up * a[..., 0, 1], a[..., 0, 0]))
    angles[..., 0] = np.where(at_pole, 0.0, angles[..., 0] % 360.0)
    angles[..., 2] = np.where(at_pole, turn % 360.0, angles[..., 2] % 360.0)
    return angles


def tilt_matrices(tilt_deg: Float[Array, " slice"]) -> Float[Array, "slice 3 3"]:
    """Return the rotations of a tilt series about the vertical axis (y) of the images.

    A point (x, y, z) is seen at x cos θ - z sin θ.
    """
    zero = np.zeros_like(tilt_deg)
    return euler_matrices(np.stack([zero, tilt_deg, zero], axis=-1))


def take_apart(stored: Float[Array, "slice 3 4"]) -> Placements:
    """Take stored matrices apart."""
    matrices = np.array(stored, np.float64)
    determinant = np.linalg.det(matrices[:, :, :3])
    mirror = determinant < 0.0
    matrices[mirror, 0] *= -1.0
    scale = np.cbrt(np.abs(determinant))
    turn = matrices[:, :, :3] / scale[:, None, None]
    return Placements(turn, matrices[:, :2, 3], mirror, scale)


def centring_shifts(placements: Placements, projection_convention: bool) -> Float[Array, "slice 2"]:
    """Return the (x, y) by which to move each image before it is mirrored, if it is.

    Parameters
    ----------
    placements
        Of the images.
    projection_convention
        Whether a translation says where the content of the image has gone, and not where it
        has to go. The whole transform of the plane is then undone: mirrored, moved back. That is
        moved by the mirrored distance, then mirrored.
    """
    if not projection_convention:
        return placements.translation_px.copy()
    back = -placements.translation_px
    back[placements.mirror, 0] *= -1.0
    return back
