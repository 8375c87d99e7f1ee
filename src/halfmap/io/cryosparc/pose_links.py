"""How particles lie: angles, offsets, half-set, class."""

from collections.abc import Sequence
from functools import partial

import numpy as np
from numpy import ndarray as Array

from halfmap.io.cryosparc.files import Fields
from halfmap.io.cryosparc.link import DEGREES, Columns, Link, doubles, numbers, scaled, single
from halfmap.model.rotations import euler_angles, euler_matrices

_ANGLES = ("rlnAngleRot", "rlnAngleTilt", "rlnAnglePsi")
_OFFSETS = ("rlnOriginXAngst", "rlnOriginYAngst")


def pose_links(alignment: str) -> tuple[Link, ...]:
    """Return the links of an alignment: its fields begin with its name."""
    pose, shift, pixel = (f"{alignment}/{name}" for name in ("pose", "shift", "psize_A"))
    in_plane = alignment == "alignments2D"
    return (
        Link(
            (pose,),
            _ANGLES,
            partial(_in_plane_angles if in_plane else _angles, name=pose),
            _in_plane_poses if in_plane else _poses,
        ),
        Link(
            (shift, pixel),
            _OFFSETS,
            lambda f: tuple((doubles(f[shift]) * doubles(f[pixel])[:, None]).T),
            _shifts,
            uses=("rlnImagePixelSize",),
        ),
        scaled(f"{alignment}/split", "rlnRandomSubset", offset=1, dtype=np.uint32),
        scaled(f"{alignment}/class", "rlnClassNumber", offset=1, dtype=np.uint32),
    )


def _angles(fields: Fields, name: str) -> Sequence[Array]:
    from scipy.spatial.transform import Rotation  # a tenth of a second, for .cs files only

    rotations = Rotation.from_rotvec(doubles(fields[name])).as_matrix()
    return tuple(euler_angles(rotations.transpose(0, 2, 1)).T)


def _poses(columns: Columns) -> Sequence[Array]:
    from scipy.spatial.transform import Rotation

    angles = np.stack([numbers(columns[label]) for label in _ANGLES], axis=1)
    matrices = euler_matrices(angles).transpose(0, 2, 1)
    return (single(Rotation.from_matrix(matrices).as_rotvec()),)


def _in_plane_angles(fields: Fields, name: str) -> Sequence[Array]:
    psi = DEGREES * doubles(fields[name])
    return np.zeros(len(psi)), np.zeros(len(psi)), psi


def _in_plane_poses(columns: Columns) -> Sequence[Array]:
    return (single(numbers(columns["rlnAnglePsi"]) / DEGREES),)


def _shifts(columns: Columns) -> Sequence[Array]:
    pixel_A = numbers(columns["rlnImagePixelSize"])
    offset_A = np.stack([numbers(columns[label]) for label in _OFFSETS], axis=1)
    return single(offset_A / pixel_A[:, None]), single(pixel_A)
