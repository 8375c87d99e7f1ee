"""Which projection directions to keep when others are their symmetry mates."""

import re

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray as Array
from scipy.spatial import cKDTree

from halfmap.model.rotations import euler_matrices
from halfmap.model.symmetry import PointGroup

MAX_DIRECTIONS_FOR_SEAMS = 4000
"""From this number on, double directions on the seams are tolerated (RELION does so too)."""
_TILT_BETWEEN_I2_AND_I3_DEG = 31.7174745559
_I2_NORMALS = ((0.0, 1.0, 0.0), (-0.5, -0.809017, 0.309017), (0.5, -0.809017, 0.309017))
_I4_NORMALS = (
    (0.0, 0.0, 1.0),
    (0.187592467856686, -0.303530987314591, -0.491123477863004),
    (0.187592467856686, 0.303530987314591, -0.491123477863004),
)
_T_NORMALS = ((-1.0, 0.0, 0.0), (0.471405, 0.272165, 0.7698), (0.471404, 0.816497, 0.0))
_O_NORMALS = ((0.0, -1.0, 1.0), (1.0, 1.0, 0.0), (-1.0, 1.0, 0.0))
_SOMEWHERE = np.array([0.3190, 0.2143, 0.9232])
"""A direction on no symmetry element; the asymmetric unit of a group is what lies nearest to it."""


def inside_asymmetric_unit(
    group: PointGroup, angles_deg: Float[Array, "direction 2"], vectors: Float[Array, "direction 3"]
) -> Bool[Array, " direction"]:
    """Tell which directions lie in the asymmetric unit of a group, its border included.

    The regions of the rotation groups are RELION's. For groups with an inversion or a mirror
    they are not: RELION keeps one hemisphere, but the mirrored direction shows the mirrored image,
    which no rotation turns into the first. There we keep what is nearer to one arbitrary
    direction than any of its true mates (docs/conventions.md).
    """
    rot, tilt = angles_deg.T
    if n_fold := re.fullmatch(r"([CD])(\d+)", group.name):
        return _inside_cyclic_or_dihedral(n_fold.group(1), int(n_fold.group(2)), rot, tilt)
    if group.name == "T":
        region = ((rot >= 90.0) & (rot <= 150.0)) | (rot == 0.0)
        return np.asarray(region & _beyond_planes(vectors, np.array(_T_NORMALS)))
    if group.name == "O":
        region = ((rot >= 45.0) & (rot <= 135.0) & (tilt <= 90.0)) | (rot == 0.0)
        return np.asarray(region & _beyond_planes(vectors, np.array(_O_NORMALS)))
    if group.name in {"I1", "I2", "I3", "I4"}:
        return _beyond_planes(vectors, _icosahedral_normals(group.name))
    closeness = vectors @ (group.direction_operators @ _SOMEWHERE).T
    return np.asarray(closeness[:, 0] >= closeness.max(axis=1) - 1e-9)


def _inside_cyclic_or_dihedral(
    family: str, n: int, rot: Float[Array, " d"], tilt: Float[Array, " d"]
) -> Bool[Array, " d"]:
    if family == "C":
        return np.asarray(np.abs(rot) <= 180.0 / n)
    if n == 1:
        return np.asarray(tilt <= 90.0)
    sector = (rot >= 90.0 - 180.0 / n) & (rot <= 90.0 + 180.0 / n)
    return np.asarray(sector & (tilt <= 90.0))


def _icosahedral_normals(name: str) -> Float[Array, "3 3"]:
    """Return the inward normals of the three planes that bound the asymmetric unit."""
    if name == "I4":
        turned = euler_matrices(np.array([0.0, -_TILT_BETWEEN_I2_AND_I3_DEG, 0.0]))
        return np.asarray(-np.array(_I4_NORMALS) @ turned.T)
    tilt = {"I1": 90.0, "I2": 0.0, "I3": _TILT_BETWEEN_I2_AND_I3_DEG}[name]
    return np.asarray(np.array(_I2_NORMALS) @ euler_matrices(np.array([0.0, tilt, 0.0])).T)


def _beyond_planes(
    vectors: Float[Array, "direction 3"], normals: Float[Array, "plane 3"]
) -> Bool[Array, " direction"]:
    unit = normals / np.linalg.norm(normals, axis=1, keepdims=True)
    return np.asarray((vectors @ unit.T >= 0.0).all(axis=1))


def without_seam_mates(
    group: PointGroup, vectors: Float[Array, "direction 3"], radius_rad: float
) -> Bool[Array, " direction"]:
    """Tell which directions are no mate of an earlier one that is kept.

    Parameters
    ----------
    radius_rad
        Mates closer than this are the same direction.
    """
    keep = np.ones(len(vectors), dtype=bool)
    mates = np.einsum("oij,dj->doi", group.direction_operators, vectors).reshape(-1, 3)
    chord = 2.0 * np.sin(0.5 * radius_rad)
    near = cKDTree(mates).query_ball_point(vectors, chord)
    n_operators = group.n_operators
    for later, hits in enumerate(near):
        earlier = {hit // n_operators for hit in hits}
        keep[later] = not any(keep[e] for e in earlier if e < later)
    return keep
