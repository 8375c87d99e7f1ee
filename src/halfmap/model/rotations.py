"""Euler angles, rotation matrices and directions.

Conventions, fixed here and pinned by ``tests/unit/test_rotations.py``:

* rot, tilt, psi in degrees, ZYZ: ``A = Rz(psi) Ry(tilt) Rz(rot)`` with the passive matrices
  ``Rz(a) = [cos a, sin a, 0; -sin a, cos a, 0; 0, 0, 1]`` and
  ``Ry(b) = [cos b, 0, -sin b; 0, 1, 0; sin b, 0, cos b]``;
* the third row of ``A`` is the projection direction in the frame of the map;
* the projection is the map rotated actively by ``A`` and summed along z; its transform at ``k``
  is the map's at ``Aᵀ (kx, ky, 0)``.
"""

import numpy as np
from jaxtyping import Float
from numpy import ndarray as Array

POLE = 16.0 * float(np.finfo(np.float32).eps)
"""Below this sine of the tilt, rot and psi cannot be told apart (RELION's bound)."""
POLE_DEG = 0.001
"""A direction this close to ±z gets rot 0."""


def euler_matrices(angles_deg: Float[Array, "*pose 3"]) -> Float[Array, "*pose 3 3"]:
    """Return the rotation matrix of each (rot, tilt, psi)."""
    angles = np.radians(np.asarray(angles_deg, dtype=np.float64))
    ca, cb, cg = np.moveaxis(np.cos(angles), -1, 0)
    sa, sb, sg = np.moveaxis(np.sin(angles), -1, 0)
    matrices = np.empty((*angles.shape, 3))
    matrices[..., 0, 0] = cg * cb * ca - sg * sa
    matrices[..., 0, 1] = cg * cb * sa + sg * ca
    matrices[..., 0, 2] = -cg * sb
    matrices[..., 1, 0] = -sg * cb * ca - cg * sa
    matrices[..., 1, 1] = -sg * cb * sa + cg * ca
    matrices[..., 1, 2] = sg * sb
    matrices[..., 2, 0] = sb * ca
    matrices[..., 2, 1] = sb * sa
    matrices[..., 2, 2] = cb
    return matrices


def euler_angles(matrices: Float[Array, "*pose 3 3"]) -> Float[Array, "*pose 3"]:
    """Return (rot, tilt, psi) in degrees of each matrix; tilt in [0, 180], rot 0 at the poles."""
    a = np.asarray(matrices, dtype=np.float64)
    sine = np.hypot(a[..., 0, 2], a[..., 1, 2])
    tilted = sine > POLE
    up = a[..., 2, 2] > 0.0
    rot = np.where(tilted, np.arctan2(a[..., 2, 1], a[..., 2, 0]), 0.0)
    tilt = np.where(tilted, np.arctan2(sine, a[..., 2, 2]), np.where(up, 0.0, np.pi))
    at_pole = np.arctan2(
        np.where(up, -a[..., 1, 0], a[..., 1, 0]), np.where(up, a[..., 0, 0], -a[..., 0, 0])
    )
    psi = np.where(tilted, np.arctan2(a[..., 1, 2], -a[..., 0, 2]), at_pole)
    return np.asarray(np.degrees(np.stack([rot, tilt, psi], axis=-1)))


def direction_vectors(angles_deg: Float[Array, "*pose angle"]) -> Float[Array, "*pose 3"]:
    """Return the projection direction of each (rot, tilt) or (rot, tilt, psi): a unit vector."""
    rot, tilt = np.radians(angles_deg[..., 0]), np.radians(angles_deg[..., 1])
    sine = np.sin(tilt)
    return np.stack([sine * np.cos(rot), sine * np.sin(rot), np.cos(tilt)], axis=-1)


def direction_angles(vectors: Float[Array, "*pose 3"]) -> Float[Array, "*pose 2"]:
    """Return (rot, tilt) in degrees of unit vectors; rot is 0 at the poles."""
    v = np.asarray(vectors, dtype=np.float64)
    tilt = np.degrees(np.arccos(np.clip(v[..., 2], -1.0, 1.0)))
    rot = np.degrees(np.arctan2(v[..., 1], v[..., 0]))
    at_pole = (tilt < POLE_DEG) | (tilt > 180.0 - POLE_DEG)
    return np.stack([np.where(at_pole, 0.0, rot), tilt], axis=-1)


def angular_distance_deg(
    a: Float[Array, "pose 3 3"],
    b: Float[Array, "pose 3 3"],
    symmetry_matrices: Float[Array, "operator 3 3"],
) -> Float[Array, " pose"]:
    """Return how far two orientations are apart, up to symmetry.

    The mean over the three image axes of the angle between the axis in ``a`` and in ``b``
    (not the angle of the relative rotation), at the operator that makes it smallest.

    Parameters
    ----------
    a, b
        Rotation matrices, row by row.
    symmetry_matrices
        The operators ``R`` of a point group, without the identity; ``A`` and ``A R`` show the same
        image. An improper one (determinant -1) also turns the projection axis round, which no
        projection can see and which makes the matrix a rotation again.
    """
    smallest = _mean_axis_angle(a, b)
    for operator in symmetry_matrices:
        mate = b @ operator
        mate[:, 2] *= np.linalg.det(operator)
        np.minimum(smallest, _mean_axis_angle(a, mate), out=smallest)
    return np.asarray(np.degrees(smallest))


def _mean_axis_angle(a: Array, b: Array) -> Float[Array, " pose"]:
    cosines = np.einsum("pij,pij->pi", a, b)
    return np.asarray(np.arccos(np.clip(cosines, -1.0, 1.0)).mean(axis=-1))
