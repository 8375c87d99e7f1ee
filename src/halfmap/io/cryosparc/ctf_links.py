"""The microscope: defocus, aberrations, magnification."""

from collections.abc import Sequence

import numpy as np
from numpy import ndarray as Array

from halfmap.io.cryosparc.files import Fields
from halfmap.io.cryosparc.link import DEGREES, Columns, Link, doubles, numbers, scaled, single

_MM_TO_A = 1e7
_MAGNIFICATION = ("rlnMagMat00", "rlnMagMat01", "rlnMagMat10", "rlnMagMat11")


def ctf_links() -> tuple[Link, ...]:
    """Return the links of the microscope."""
    return (
        scaled("ctf/accel_kv", "rlnVoltage", optics=True),
        scaled("ctf/cs_mm", "rlnSphericalAberration", optics=True),
        scaled("ctf/amp_contrast", "rlnAmplitudeContrast", optics=True),
        scaled("ctf/df1_A", "rlnDefocusU"),
        scaled("ctf/df2_A", "rlnDefocusV"),
        scaled("ctf/df_angle_rad", "rlnDefocusAngle", DEGREES),
        scaled("ctf/phase_shift_rad", "rlnPhaseShift", DEGREES),
        scaled("ctf/bfactor", "rlnCtfBfactor"),
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


def _beam_tilts(fields: Fields) -> Sequence[Array]:
    aberration_A = _MM_TO_A * doubles(fields["ctf/cs_mm"])[:, None]
    sine = np.divide(
        doubles(fields["ctf/tilt_A"]),
        aberration_A,
        out=np.zeros((len(aberration_A), 2)),
        where=aberration_A > 0,
    )
    return tuple((1e3 * np.arcsin(np.clip(sine, -1.0, 1.0))).T)


def _tilts_A(columns: Columns) -> Sequence[Array]:
    tilt_mrad = np.stack([numbers(columns[f"rlnBeamTilt{axis}"]) for axis in "XY"], axis=1)
    aberration_A = _MM_TO_A * numbers(columns["rlnSphericalAberration"])
    return (single(np.sin(1e-3 * tilt_mrad) * aberration_A[:, None]),)


def _magnifications(fields: Fields) -> Sequence[Array]:
    return tuple((doubles(fields["ctf/anisomag"]) + np.eye(2).ravel()).T)


def _anisomag(columns: Columns) -> Sequence[Array]:
    matrix = np.stack([numbers(columns[label]) for label in _MAGNIFICATION], axis=1)
    return (single(matrix - np.eye(2).ravel()),)
