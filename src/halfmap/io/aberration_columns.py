"""Beam tilt and Zernike coefficients of an optics table, and the MTF files that it names."""

from pathlib import Path

import numpy as np

from halfmap.errors import DataError
from halfmap.io.image_names import find_beside
from halfmap.io.problems import refuse
from halfmap.io.star import read_star
from halfmap.io.star_columns import ColumnReader
from halfmap.model.aberrations import Aberrations
from halfmap.model.detector import Detector

NO_FILE = ("", "None")
_ORIGINAL_PIXEL = "rlnMicrographOriginalPixelSize"


def read_aberrations(columns: ColumnReader) -> list[Aberrations]:
    """Read the aberrations of each optics group; none where the table has none."""
    tilt = [columns.floats(f"rlnBeamTilt{axis}", 0.0).tolist() for axis in "XY"]
    odd, even = (_vectors(columns, f"rln{parity}Zernike") for parity in ("Odd", "Even"))
    return [Aberrations((x, y), o, e) for x, y, o, e in zip(*tilt, odd, even, strict=True)]


def _vectors(columns: ColumnReader, label: str) -> list[tuple[float, ...]]:
    texts = columns.text(label, "[]")
    found = [_vector(text) for text in texts]
    wrong = np.array([vector is None for vector in found])
    columns.note(label, wrong, "expected numbers in brackets, such as [0.1,-2,0]")
    return [vector or () for vector in found]


def _vector(text: str) -> tuple[float, ...] | None:
    """Return the numbers of ``[a,b,c]``, None if it holds anything else.

    >>> _vector("[0.5,-2e-3]"), _vector("[]"), _vector("[1,x]"), _vector("3")
    ((0.5, -0.002), (), None, None)
    """
    text = text.strip()
    if not (text.startswith("[") and text.endswith("]")):
        return None
    try:
        numbers = tuple(float(part) for part in text[1:-1].split(",") if part.strip())
    except ValueError:
        return None
    return numbers if np.all(np.isfinite(numbers)) else None


def read_detectors(columns: ColumnReader, folder: Path) -> list[Detector | None]:
    """Read the detector of each optics group; None for all if there are not two different ones.

    Parameters
    ----------
    folder
        Of the STAR file: where its MTF files may lie, if not in the working directory.
    """
    names = columns.text("rlnMtfFileName", "None")
    given = [name for name in names if name not in NO_FILE]
    if len(set(given)) < 2:
        return [None] * columns.n
    unnamed = np.array([name in NO_FILE for name in names])
    columns.note("rlnMtfFileName", unnamed, "other groups name an MTF; expected one for all")
    if _ORIGINAL_PIXEL not in columns:
        columns.problems.append(
            f"{columns.name}: the MTFs of several detectors (rlnMtfFileName) are given by detector "
            f"pixel; expected the size of those, Å, in {_ORIGINAL_PIXEL}. Add the column, or "
            "remove rlnMtfFileName."
        )
        return [None] * columns.n
    pixel_A = columns.floats(_ORIGINAL_PIXEL)
    columns.note(_ORIGINAL_PIXEL, pixel_A <= 0.0, "expected Å above 0")
    found: list[Detector | None] = []
    for name, size_A in zip(names, pixel_A, strict=True):
        try:
            found.append(read_detector(find_beside(name, folder), max(float(size_A), 1e-3)))
        except DataError as error:
            columns.problems.append(f"{columns.name}: rlnMtfFileName: {error}")
            found.append(None)
    return found


def read_detector(path: Path, pixel_size_A: float) -> Detector:
    """Read an MTF file: frequency in 1/px and response.

    Parameters
    ----------
    pixel_size_A
        Of the detector, on the specimen.

    Raises
    ------
    DataError
        Absent, or not a falling curve of numbers above 0.
    """
    table = next(iter(read_star(path).tables.values()), {})
    problems: list[str] = []
    columns = ColumnReader(table, "the MTF", problems)
    frequency = columns.floats("rlnResolutionInversePixel")
    response = columns.floats("rlnMtfValue")
    if not problems:
        columns.note("rlnMtfValue", response <= 0.0, "expected numbers above 0")
        falls = np.concatenate([[False], np.diff(frequency) <= 0.0])
        columns.note("rlnResolutionInversePixel", falls, "expected rising frequencies")
    refuse(path, problems)
    return Detector(tuple((frequency / pixel_size_A).tolist()), tuple(response.tolist()))
