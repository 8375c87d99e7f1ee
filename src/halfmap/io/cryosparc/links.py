"""What cryoSPARC and RELION both have a column for, and how one becomes the other.

Conventions (docs/check.md has the table; ``tests/unit/cryosparc`` pins them):

* ``pose`` is the rotation vector v of the map; the matrix A of `halfmap.model.rotations` is the
  transpose of the rotation by |v| about v;
* ``shift`` is the shift that centres the image, in pixels of ``psize_A``: RELION's sign;
* ``blob/sign`` -1 says that particles are dark. In a STAR file that is a CTF of the other sign,
  ``rlnCtfScalefactor`` -1;
* ``ctf/anisomag`` is the magnification matrix, which acts on frequencies, less the identity;
* ``ctf/tilt_A`` is the spherical aberration times the tilt of the beam.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from functools import partial
from hashlib import blake2b

import numpy as np
from jaxtyping import Float
from numpy import ndarray as Array

from halfmap.io.cryosparc.files import Fields
from halfmap.io.image_names import split_image_name
from halfmap.model.rotations import euler_angles, euler_matrices

Columns = dict[str, Array]
"""Columns of a STAR file by label, of the optics table too, one row a particle."""

_DEGREES = 180.0 / np.pi
_MM_TO_A = 1e7
_MAGNIFICATION = ("rlnMagMat00", "rlnMagMat01", "rlnMagMat10", "rlnMagMat11")
_ANGLES = ("rlnAngleRot", "rlnAngleTilt", "rlnAnglePsi")
_OFFSETS = ("rlnOriginXAngst", "rlnOriginYAngst")


@dataclass(frozen=True, slots=True)
class Link:
    """Fields and labels that say the same."""

    fields: tuple[str, ...]
    labels: tuple[str, ...]
    to_columns: Callable[[Fields], Sequence[Array]]
    """Values of ``labels``."""
    to_fields: Callable[[Columns], Sequence[Array]] | None
    """Values of ``fields``; None if labels do not determine them."""
    uses: tuple[str, ...] = ()
    """Fields and labels that are needed besides; labels begin with rln."""
    optics: bool = False
    """Belongs to the optics table."""

    def columns(self, fields: Fields) -> Columns:
        """Return the labels that follow from the fields; nothing if some are absent."""
        needed = (*self.fields, *(u for u in self.uses if not u.startswith("rln")))
        if not self.labels or not fields.keys() >= set(needed):
            return {}
        return dict(zip(self.labels, self.to_columns(fields), strict=True))

    def made(self, columns: Columns) -> Fields:
        """Return the fields that follow from the labels; nothing if some are absent."""
        needed = (*self.labels, *(u for u in self.uses if u.startswith("rln")))
        if self.to_fields is None or not columns.keys() >= set(needed):
            return {}
        return dict(zip(self.fields, self.to_fields(columns), strict=True))


def links(names: Collection[str]) -> tuple[Link, ...]:
    """Return the links of a file that has these fields.

    Poses are those of the 3D alignment; without one, those of the 2D alignment.
    """
    in_plane = "alignments3D/pose" not in names and "alignments2D/pose" in names
    alignment = "alignments2D" if in_plane else "alignments3D"
    return (*_image_links(), *_ctf_links(), *_pose_links(alignment), *_location_links())


def _image_links() -> tuple[Link, ...]:
    return (
        Link(("blob/path", "blob/idx"), ("rlnImageName",), _image_names, _blobs),
        Link(("uid",), (), lambda _: (), _uids, uses=("rlnImageName",)),
        _scaled("blob/psize_A", "rlnImagePixelSize", optics=True),
        Link(("blob/shape",), ("rlnImageSize",), _boxes, _shapes, optics=True),
        Link(
            ("blob/sign", "ctf/scale"),
            ("rlnCtfScalefactor",),
            lambda f: (_doubles(f["blob/sign"]) * _doubles(f["ctf/scale"]),),
            _sign_and_scale,
        ),
        Link(
            ("ctf/exp_group_id",),
            ("rlnOpticsGroupName",),
            lambda f: (np.char.add("opticsGroup", f["ctf/exp_group_id"].astype(str)),),
            _group_numbers,
            uses=("rlnOpticsGroup",),
            optics=True,
        ),
    )


def _ctf_links() -> tuple[Link, ...]:
    return (
        _scaled("ctf/accel_kv", "rlnVoltage", optics=True),
        _scaled("ctf/cs_mm", "rlnSphericalAberration", optics=True),
        _scaled("ctf/amp_contrast", "rlnAmplitudeContrast", optics=True),
        _scaled("ctf/df1_A", "rlnDefocusU"),
        _scaled("ctf/df2_A", "rlnDefocusV"),
        _scaled("ctf/df_angle_rad", "rlnDefocusAngle", _DEGREES),
        _scaled("ctf/phase_shift_rad", "rlnPhaseShift", _DEGREES),
        _scaled("ctf/bfactor", "rlnCtfBfactor"),
        Link(
            ("ctf/tilt_A",),
            ("rlnBeamTiltX", "rlnBeamTiltY"),
            _beam_tilts,
            _tilts_A,
            uses=("ctf/cs_mm", "rlnSphericalAberration"),
            optics=True,
        ),
        Link(("ctf/anisomag",), _MAGNIFICATION, _magnifications, _anisomag, optics=True),
    )


def _pose_links(alignment: str) -> tuple[Link, ...]:
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
            lambda f: tuple((_doubles(f[shift]) * _doubles(f[pixel])[:, None]).T),
            _shifts,
            uses=("rlnImagePixelSize",),
        ),
        _scaled(f"{alignment}/split", "rlnRandomSubset", offset=1, dtype=np.uint32),
        _scaled(f"{alignment}/class", "rlnClassNumber", offset=1, dtype=np.uint32),
    )


def _location_links() -> tuple[Link, ...]:
    return (
        Link(
            ("location/micrograph_path",),
            ("rlnMicrographName",),
            lambda f: (decoded(f["location/micrograph_path"]),),
            lambda c: (np.array([encoded(name) for name in c["rlnMicrographName"]]),),
        ),
        Link(
            ("location/center_x_frac", "location/center_y_frac"),
            ("rlnCoordinateX", "rlnCoordinateY"),
            _coordinates,
            None,  # the micrographs' sizes are not in the table
            uses=("location/micrograph_shape",),
        ),
    )


def numbers(column: Array) -> Float[Array, " particle"]:
    """Return a column of a STAR file in doubles."""
    return np.asarray(column.astype(np.float64))


def decoded(names: Array) -> Array:
    """Return the paths of a field as text; ``>`` marks those that count from the project."""
    return np.array([bytes(n).decode("utf-8", "replace").removeprefix(">") for n in names], object)


def encoded(name: object) -> bytes:
    """Return a text as cryoSPARC stores it."""
    return str(name).encode("utf-8")


def _doubles(values: Array) -> Array:
    return values.astype(np.float64)


def _single(values: Array) -> Array:
    return np.asarray(values, dtype="<f4")


def _scaled(
    field: str,
    label: str,
    factor: float = 1.0,
    *,
    offset: int = 0,
    dtype: type = np.float32,
    optics: bool = False,
) -> Link:
    """Link two columns of numbers: label = factor * field + offset."""

    def to_columns(fields: Fields) -> Sequence[Array]:
        if offset:
            return (fields[field].astype(np.int64) + offset,)
        return (_doubles(fields[field]) * factor,)

    def to_fields(columns: Columns) -> Sequence[Array]:
        values = (numbers(columns[label]) - offset) / factor
        return (_counts(values) if offset else values.astype(dtype),)

    return Link((field,), (label,), to_columns, to_fields, optics=optics)


def _image_names(fields: Fields) -> Sequence[Array]:
    paths, slices = decoded(fields["blob/path"]), fields["blob/idx"].tolist()
    return (
        np.array(
            [f"{k + 1:06d}@{p}{_mark(p)}" for p, k in zip(paths, slices, strict=True)], object
        ),
    )


def _mark(path: str) -> str:
    """Return what tells RELION that a file is a stack, whatever it is called."""
    return "" if path.endswith(".mrcs") else ":mrcs"


def _blobs(columns: Columns) -> Sequence[Array]:
    parts = [split_image_name(str(name)) for name in columns["rlnImageName"]]
    slices = _counts(np.array([number - 1.0 for number, _ in parts]))
    return np.array([encoded(path) for _, path in parts]), slices


def _uids(columns: Columns) -> Sequence[Array]:
    """Make a number of each image name; of the second image of one name another one."""
    seen: dict[str, int] = {}
    uids = []
    for name in map(str, columns["rlnImageName"]):
        seen[name] = seen.get(name, 0) + 1
        digest = blake2b(f"{seen[name]} {name}".encode(), digest_size=8).digest()
        uids.append(int.from_bytes(digest, "little"))
    return (np.array(uids, np.uint64),)


def _boxes(fields: Fields) -> Sequence[Array]:
    return (fields["blob/shape"][:, 0].astype(np.int64),)


def _shapes(columns: Columns) -> Sequence[Array]:
    box = numbers(columns["rlnImageSize"]).astype(np.uint32)
    return (np.stack([box, box], axis=1),)


def _sign_and_scale(columns: Columns) -> Sequence[Array]:
    factor = numbers(columns["rlnCtfScalefactor"])
    return _single(np.where(factor < 0, -1.0, 1.0)), _single(np.abs(factor))


def _group_numbers(columns: Columns) -> Sequence[Array]:
    """Read the number that a name ends with, or take that of the group."""
    found = []
    for name, number in zip(columns["rlnOpticsGroupName"], columns["rlnOpticsGroup"], strict=True):
        text = str(name).removeprefix("opticsGroup").partition("_")[0]
        found.append(float(text) if text.isdecimal() else float(number))
    return (_counts(np.array(found)),)


def _counts(values: Array) -> Array:
    """Return numbers as cryoSPARC counts; what it cannot count becomes 0."""
    possible = (values >= 0) & (values < 2**32)
    return np.where(possible, values, 0).astype(np.uint32)


def _beam_tilts(fields: Fields) -> Sequence[Array]:
    aberration_A = _MM_TO_A * _doubles(fields["ctf/cs_mm"])[:, None]
    sine = np.divide(
        _doubles(fields["ctf/tilt_A"]),
        aberration_A,
        out=np.zeros((len(aberration_A), 2)),
        where=aberration_A > 0,
    )
    return tuple((1e3 * np.arcsin(np.clip(sine, -1.0, 1.0))).T)


def _tilts_A(columns: Columns) -> Sequence[Array]:
    tilt_mrad = np.stack([numbers(columns[f"rlnBeamTilt{axis}"]) for axis in "XY"], axis=1)
    aberration_A = _MM_TO_A * numbers(columns["rlnSphericalAberration"])
    return (_single(np.sin(1e-3 * tilt_mrad) * aberration_A[:, None]),)


def _magnifications(fields: Fields) -> Sequence[Array]:
    return tuple((_doubles(fields["ctf/anisomag"]) + np.eye(2).ravel()).T)


def _anisomag(columns: Columns) -> Sequence[Array]:
    matrix = np.stack([numbers(columns[label]) for label in _MAGNIFICATION], axis=1)
    return (_single(matrix - np.eye(2).ravel()),)


def _angles(fields: Fields, name: str) -> Sequence[Array]:
    from scipy.spatial.transform import Rotation  # a tenth of a second, for .cs files only

    rotations = Rotation.from_rotvec(_doubles(fields[name])).as_matrix()
    return tuple(euler_angles(rotations.transpose(0, 2, 1)).T)


def _poses(columns: Columns) -> Sequence[Array]:
    from scipy.spatial.transform import Rotation

    angles = np.stack([numbers(columns[label]) for label in _ANGLES], axis=1)
    matrices = euler_matrices(angles).transpose(0, 2, 1)
    return (_single(Rotation.from_matrix(matrices).as_rotvec()),)


def _in_plane_angles(fields: Fields, name: str) -> Sequence[Array]:
    psi = _DEGREES * _doubles(fields[name])
    return np.zeros(len(psi)), np.zeros(len(psi)), psi


def _in_plane_poses(columns: Columns) -> Sequence[Array]:
    return (_single(numbers(columns["rlnAnglePsi"]) / _DEGREES),)


def _shifts(columns: Columns) -> Sequence[Array]:
    pixel_A = numbers(columns["rlnImagePixelSize"])
    offset_A = np.stack([numbers(columns[label]) for label in _OFFSETS], axis=1)
    return _single(offset_A / pixel_A[:, None]), _single(pixel_A)


def _coordinates(fields: Fields) -> Sequence[Array]:
    height, width = _doubles(fields["location/micrograph_shape"]).T
    return (
        width * _doubles(fields["location/center_x_frac"]),
        height * _doubles(fields["location/center_y_frac"]),
    )
