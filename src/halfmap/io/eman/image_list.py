"""Lists of images (LST and LSX): one line for each, with its number, its file and what is new.

Names of files are relative to the folder where the program runs, or else to that of the list. The
length of lines, fixed in LSX, does not matter here.
"""

import ast
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from halfmap.errors import DataError
from halfmap.io.eman.hdf_attributes import Transform, Value
from halfmap.io.eman.headers import TRANSFORM_KEY
from halfmap.io.problems import refuse
from halfmap.model.eman_orientations import eman_matrices

LONGEST_FIELD = 100_000
"""Letters; what is longer is no line of a list."""
_ANGLES = {"eman": ("az", "alt", "phi"), "spider": ("phi", "theta", "psi")}
"""What angles are called in old lists, by their convention."""
_SPIDER_TO_EMAN = (90.0, 0.0, -90.0)


@dataclass(frozen=True, slots=True)
class Entry:
    """One line."""

    number: int
    """Of the image in its file, from zero."""
    file: Path
    attributes: dict[str, Value | ValueError]
    """In place of those of the file."""


def read_image_list(path: Path) -> list[Entry]:
    """Read a list.

    Raises
    ------
    DataError
        If it cannot be read, or has lines that are not entries: all of them are named.
    """
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").split("\n")
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", error)
        raise DataError(f"{path} cannot be read: {reason}. Check the name.") from error
    if not lines[0].startswith(("#LST", "#LSX")):
        raise DataError(f"{path} begins with {lines[0][:40]!r}, expected #LSX. Check the name.")
    entries, problems = [], []
    for number, line in enumerate(lines, 1):
        if line.strip() and not line.startswith("#"):
            try:
                entries.append(_entry(line, path.parent))
            except ValueError as error:
                problems.append(f"line {number}: {error}")
    if not entries and not problems:
        problems.append("it lists no images; expected at least one")
    refuse(path, problems)
    return entries


def _entry(line: str, folder: Path) -> Entry:
    fields = [field.strip() for field in line.split("\t", 2)]
    if len(fields) < 2:
        fields = line.split(None, 2)
    if len(fields) < 2 or not fields[0].isascii() or not fields[0].isdigit():
        raise ValueError(f"found {line.strip()[:60]!r}, expected a number, a file, and attributes")
    if len(fields[0]) > 9 or len(line) > LONGEST_FIELD:
        raise ValueError("the line is too long to be an entry")
    said = _attributes(fields[2]) if len(fields) > 2 and fields[2] else {}
    return Entry(int(fields[0]), _found(fields[1], folder), said)


def _found(name: str, folder: Path) -> Path:
    if "\0" in name:
        raise ValueError(f"{name!r} is no name of a file")
    here, beside = Path(name), folder / name
    try:
        return beside if not here.exists() and beside.exists() else here
    except OSError as error:
        raise ValueError(f"{name[:60]!r} is no name of a file ({error.strerror})") from error


def _attributes(text: str) -> dict[str, Value | ValueError]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        try:  # old lists hold Python's own notation; only literals are read
            found = ast.literal_eval(text)
        except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
            found = None
    if not isinstance(found, dict):
        raise ValueError(f"found {text[:60]!r} after the file, expected attributes as JSON")
    if "type" in found and TRANSFORM_KEY not in found:
        found = {**found, TRANSFORM_KEY: _of_angles(found)}
    return {str(key): _value(value) for key, value in found.items()}


def _value(held: Any) -> Value | ValueError:
    if isinstance(held, dict) and held.get("__class__") == "Transform":
        return _transform(held.get("matrix"))
    if isinstance(held, bool | int | float | str | list | Transform):
        return held
    return ValueError(f"{held!r:.60}")


def _transform(matrix: Any) -> Transform | ValueError:
    try:
        elements = json.loads(matrix) if isinstance(matrix, str) else matrix
        transform = Transform(tuple(float(element) for element in elements))
    except (ValueError, TypeError, OverflowError, RecursionError):
        return ValueError(f"{matrix!r:.60}")
    return transform if len(transform.elements) == 12 else ValueError(f"{matrix!r:.60}")


def _of_angles(found: dict[Any, Any]) -> Transform | ValueError:
    names = _ANGLES.get(str(found["type"]))
    if names is None:
        return ValueError(f"angles of type {found['type']!r:.20}, read are {', '.join(_ANGLES)}")
    try:
        angles = np.array([float(found[name]) for name in names])
        shift = [float(found.get(name, 0.0)) for name in ("tx", "ty")]
    except (KeyError, ValueError, TypeError, OverflowError):
        return ValueError(f"angles {found!r:.60}")
    if names == _ANGLES["spider"]:
        angles = angles + _SPIDER_TO_EMAN
    matrix = np.column_stack([eman_matrices(angles), [*shift, 0.0]])
    return Transform(tuple(matrix.ravel().tolist()))
