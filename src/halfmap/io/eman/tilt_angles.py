"""Tilt files of IMOD: one angle in degrees on each line."""

from pathlib import Path

import numpy as np
from jaxtyping import Float
from numpy import ndarray as Array

from halfmap.errors import DataError
from halfmap.io.problems import refuse

LARGEST_DEG = 360.0


def read_tilt_angles(path: Path) -> Float[Array, " image"]:
    """Read the angle of each image, in degrees.

    Raises
    ------
    DataError
        If the file cannot be read or a line is not an angle: all such lines are named.
    """
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", error)
        raise DataError(f"{path} cannot be read: {reason}. Check the name.") from error
    lines = text.rstrip().split("\n")
    problems, angles = [], []
    for number, line in enumerate(lines, 1):
        try:
            angle = float(line)
        except ValueError:
            angle = np.nan
        if not abs(angle) <= LARGEST_DEG:
            problems.append(f"line {number}: found {line.strip()[:40]!r}, expected an angle")
        angles.append(angle)
    refuse(path, problems)
    return np.array(angles)


def check_number_of_angles(path: Path, n_angles: int, source: Path, n_images: int) -> None:
    """Refuse a tilt file of another length than the stack.

    Raises
    ------
    DataError
        If it has not one line for each image.
    """
    if n_angles != n_images:
        raise DataError(
            f"{path} has {n_angles} angles and {source} has {n_images} images; expected one line "
            "for each image. Take the tilt file that belongs to this stack."
        )
