"""Columns whose effect this version does not compute, refused unless they have none."""

import numpy as np
from numpy import ndarray as Array

from halfmap.io.star_columns import ColumnReader

_LATER = "this version does not use it. Remove the column to go on without"
_NO_SUBTOMOGRAMS = "subtomogram averaging is not in this version"
_SMALLEST = 1e-6
"""RELION writes six digits after the point."""


def note_unsupported_optics(optics: ColumnReader) -> None:
    """Note optics columns that would change the image formation in a way we lack."""
    flat = optics.integers("rlnImageDimensionality", 2) != 2
    optics.note("rlnImageDimensionality", flat, f"expected 2, images: {_NO_SUBTOMOGRAMS}")


def note_unsupported_particles(particles: ColumnReader) -> None:
    """Note particle columns that ask for something we lack."""
    if "rlnTomoVisibleFrames" in particles:
        particles.problems.append(
            f"{particles.name}: rlnTomoVisibleFrames is present: each row is a tilt series, "
            f"expected one image a row: {_NO_SUBTOMOGRAMS}."
        )
        return
    for label in ("rlnCtfImage",):
        if label in particles:
            particles.problems.append(f"{particles.name}: {label} is present; {_LATER}.")
    for label in ("rlnOriginZAngst",):
        _note(particles, label, np.abs(particles.floats(label, 0.0)) > _SMALLEST)


def _note(columns: ColumnReader, label: str, wrong: Array) -> None:
    columns.note(label, wrong, _LATER)
