"""Columns whose effect this version does not compute, refused unless they have none.

Values that change nothing (no beam tilt, one detector for all) pass.
"""

import numpy as np
from numpy import ndarray as Array

from halfmap.io.star_columns import ColumnReader

_LATER = "this version does not use it. Remove the column to go on without"
_ZERO = ("rlnBeamTiltX", "rlnBeamTiltY")
_ZERO_VECTORS = ("rlnOddZernike", "rlnEvenZernike")
_SMALLEST = 1e-6
"""RELION writes six digits after the point."""


def note_unsupported_optics(optics: ColumnReader, *, ctf: bool) -> None:
    """Note optics columns that would change the image formation in a way we lack."""
    for label in _ZERO:
        _note(optics, label, np.abs(optics.floats(label, 0.0)) > _SMALLEST)
    for label in _ZERO_VECTORS:
        _note(optics, label, np.array([_is_non_zero(text) for text in optics.text(label, "[]")]))
    detectors = optics.text("rlnMtfFileName", "None")
    _note(optics, "rlnMtfFileName", np.array([name != detectors[0] for name in detectors]))
    flat = optics.integers("rlnImageDimensionality", 2) != 2
    optics.note("rlnImageDimensionality", flat, "expected 2, images; volumes come later")
    if ctf:
        corrected = optics.integers("rlnCtfDataAreCtfCorrected", 0) != 0
        optics.note("rlnCtfDataAreCtfCorrected", corrected, "leave out --ctf for corrected images")


def note_unsupported_particles(particles: ColumnReader) -> None:
    """Note particle columns that ask for something we lack."""
    for label in ("rlnCtfImage", "rlnReconstructImageName"):
        if label in particles:
            particles.problems.append(f"{particles.name}: {label} is present; {_LATER}.")
    for label in ("rlnOriginXPriorAngst", "rlnOriginYPriorAngst", "rlnOriginZAngst"):
        _note(particles, label, np.abs(particles.floats(label, 0.0)) > _SMALLEST)


def _note(columns: ColumnReader, label: str, wrong: Array) -> None:
    columns.note(label, wrong, _LATER)


def _is_non_zero(vector: str) -> bool:
    """Tell whether ``[a,b,c]`` has a number other than zero; text counts as one.

    >>> _is_non_zero("[0,0.0]"), _is_non_zero("[]"), _is_non_zero("[0,1.5]")
    (False, False, True)
    """
    parts = [part for part in vector.strip("[]").split(",") if part.strip()]
    try:
        return any(abs(float(part)) > 0 for part in parts)
    except ValueError:
        return True
