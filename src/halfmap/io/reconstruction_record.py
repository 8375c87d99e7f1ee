"""``<map>_reconstruction.h5``: what a page about a direct reconstruction is made of.

An HDF5 file with a seal (`halfmap.io.sealed`): plain arrays and JSON, nothing that runs.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray as Array

from halfmap.errors import DataError
from halfmap.io import sealed
from halfmap.io.atomic import replacing

SUFFIX = "_reconstruction.h5"
KIND = "halfmap reconstruction 1"
USED, BAD_QUALITY, NO_WEIGHT, UNLISTED = range(4)
"""What became of an image; unlisted: it has no transform, or is not of what was asked for."""
REASONS = ("used", "quality", "zero weight", "no transform, or not of those asked for")

_AXES = {
    "row": 1,
    "fate": 1,
    "half": 1,
    "angles_deg": 2,
    "quality": 1,
    "weight": 1,
    "operators": 3,
    "shell_per_A": 1,
    "shell_weight": 1,
    "shell_filled": 1,
    "section_xy": 2,
    "section_xz": 2,
    "section_yz": 2,
    "fsc": 1,
}
"""Number of axes of each array."""
_TOGETHER = (
    ("row", "fate", "half", "angles_deg", "quality", "weight"),
    ("shell_per_A", "shell_weight", "shell_filled"),
)
"""Arrays of one length."""


@dataclass(frozen=True, slots=True)
class ReconstructionRecord:
    """What was asked for, what became of each image, and how well Fourier space is covered."""

    row: Int[Array, " image"]
    """Of the input, from zero."""
    fate: Int[Array, " image"]
    """Index of `REASONS`."""
    half: Int[Array, " image"]
    """0 or 1; all 0 without halves."""
    angles_deg: Float[Array, "image 2"]
    """rot and tilt of the view; NaN of images that are not listed, as are the next two."""
    quality: Float[Array, " image"]
    weight: Float[Array, " image"]
    operators: Float[Array, "operator 3 3"]
    """Of the symmetry, identity first: orientations ``A`` and ``A R`` show the same."""
    shell_per_A: Float[Array, " shell"]
    shell_weight: Float[Array, " shell"]
    """Mean of the weights that the map was divided by."""
    shell_filled: Float[Array, " shell"]
    """Share of the frequencies that have a weight."""
    section_xy: Float[Array, "y x"]
    """Weights at z = 0, from x = 0 to Nyquist."""
    section_xz: Float[Array, "z x"]
    section_yz: Float[Array, "z y"]
    fsc: Float[Array, " shell"]
    """Between the halves, of shells from 0; empty without them."""
    notes: Mapping[str, Any]
    """``map``: name; ``facts``, ``options`` and ``changed`` (options that are not the default),
    ``seconds`` (by phase): names and values; ``largest_quality`` that is kept, or None;
    ``peak_bytes`` of the rank that needed most; ``fsc_box_A``: edge of the maps of the FSC."""


def record_file(map_file: Path) -> Path:
    """Return the name of the record of a map.

    >>> record_file(Path("job/map.mrc")).as_posix()
    'job/map_reconstruction.h5'
    """
    return map_file.with_name(f"{map_file.stem}{SUFFIX}")


def write_record(path: Path, record: ReconstructionRecord) -> None:
    """Write a record, whole or not at all.

    Raises
    ------
    DataError
        If the file cannot be written.
    """
    arrays = {name: getattr(record, name) for name in _AXES}
    with replacing(path) as beside:
        sealed.write(beside, arrays, {**record.notes, "kind": KIND})


def read_record(path: Path) -> ReconstructionRecord:
    """Read a record.

    Raises
    ------
    DataError
        If there is none, or it is damaged or of another kind.
    """
    try:
        arrays, notes, _ = sealed.read(path)
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror or error}). {_REMEDY}") from error
    except DataError as error:
        raise DataError(f"{error}. {_REMEDY}") from error
    wrong = next(_wrong(arrays, notes), None)
    if wrong is not None:
        raise DataError(f"{path}: {wrong}. {_REMEDY}")
    return ReconstructionRecord(**{name: arrays[name] for name in _AXES}, notes=notes)


_REMEDY = "Expected what halfmap reconstruct leaves beside its map; make the map again."


def _wrong(arrays: Mapping[str, Array], notes: Mapping[str, Any]) -> Iterator[str]:
    """Yield what cannot be so in a record."""
    if notes.get("kind") != KIND:
        yield f"found {notes.get('kind')!r} as its kind, expected {KIND!r}"
    for name, n_axes in _AXES.items():
        found = arrays.get(name)
        if found is None or found.dtype.kind not in "iuf" or found.ndim != n_axes:
            yield f"the array {name} is absent or no array of numbers with {n_axes} axes"
            return
    for names in _TOGETHER:
        if len({len(arrays[name]) for name in names}) > 1:
            yield f"{', '.join(names)} differ in length"
            return
    yield from _wrong_values(arrays)
    yield from _wrong_notes(notes)


def _wrong_values(arrays: Mapping[str, Array]) -> Iterator[str]:
    """Yield what values cannot be, or would stop a figure."""
    if arrays["angles_deg"].shape[1] != 2 or arrays["operators"].shape[1:] != (3, 3):
        yield "angles or operators have the wrong shape"
    fate = arrays["fate"]
    if fate.dtype.kind == "f" or np.any((fate < 0) | (fate >= len(REASONS))):
        yield "an image has a fate that does not exist"
    elif not np.isfinite(arrays["angles_deg"][fate == USED]).all():
        yield "an image that was used has no view"
    shells = np.stack([arrays[name] for name in _TOGETHER[1]])
    if not np.isfinite(shells).all() or np.any(np.diff(arrays["shell_per_A"]) <= 0.0):
        yield "its shells are no numbers, or out of order"


def _wrong_notes(notes: Mapping[str, Any]) -> Iterator[str]:
    for name in ("facts", "options", "changed", "seconds"):
        kind = (int, float) if name == "seconds" else str
        block = notes.get(name)
        if not isinstance(block, dict) or not all(isinstance(v, kind) for v in block.values()):
            yield f"its notes have no table {name}"
    for name in ("peak_bytes", "fsc_box_A"):
        number = notes.get(name)
        if not isinstance(number, int | float) or not 0.0 < number < np.inf:
            yield f"its notes have no number {name}"
    if not isinstance(notes.get("map"), str):
        yield "its notes name no map"
    if not isinstance(notes.get("largest_quality"), int | float | None):
        yield "its notes have no largest quality"
