"""Curves of text: a spatial frequency in 1/Å and an intensity on each line."""

from pathlib import Path

import numpy as np

from halfmap.errors import DataError
from halfmap.model.structure_factor import StructureFactor

LARGEST = 1e30


def read_structure_factor(path: Path) -> StructureFactor:
    """Read a structure factor; lines that begin with # are skipped.

    Reading stops at the first line that is not two numbers.

    Raises
    ------
    DataError
        If there are fewer than two lines of numbers, or frequencies do not increase.
    """
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").split("\n")
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", error)
        raise DataError(
            f"{path} cannot be read: {reason}. Expected a structure factor: check the name, or "
            "leave --setsf out."
        ) from error
    points = []
    for line in lines:
        if line.startswith("#"):
            continue
        point = _point(line)
        if point is None:
            break
        points.append(point)
    if len(points) < 2:
        raise DataError(
            f"{path} has {len(points)} points, expected a frequency in 1/Å and an intensity on "
            "each of at least two lines. Take a file that EMAN2 made with e2proc1d or e2ctf."
        )
    frequency, intensity = np.array(points).T
    if (np.diff(frequency) <= 0.0).any() or frequency[0] < 0.0:
        row = int(np.argmax(np.diff(frequency) <= 0.0)) + 1
        raise DataError(
            f"{path}: point {row + 1} is at {frequency[row]:g} 1/Å after {frequency[row - 1]:g}; "
            "expected increasing frequencies. Sort the lines."
        )
    return StructureFactor(frequency, intensity)


def _point(line: str) -> tuple[float, float] | None:
    fields = line.replace(",", " ").split()
    try:
        frequency, intensity = float(fields[0]), float(fields[1])
    except (ValueError, IndexError):
        return None
    usual = abs(frequency) <= LARGEST and abs(intensity) <= LARGEST
    return (frequency, intensity) if usual else None
