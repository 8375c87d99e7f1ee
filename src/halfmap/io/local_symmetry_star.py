"""The STAR file of ``--local_symmetry``: a row for each copy of each masked part of the map."""

from pathlib import Path

import numpy as np
from jaxtyping import Float
from numpy import ndarray as Array

from halfmap.errors import DataError
from halfmap.io.image_names import find_beside
from halfmap.io.mrc import read_map
from halfmap.io.problems import refuse, rows_text
from halfmap.io.star import read_star
from halfmap.io.star_columns import ColumnReader
from halfmap.model.local_symmetry import AlikeRegion, Operator
from halfmap.model.rotations import euler_matrices

_ANGLES = ("rlnAngleRot", "rlnAngleTilt", "rlnAnglePsi")
_SHIFTS = ("rlnOriginXAngst", "rlnOriginYAngst", "rlnOriginZAngst")
_MASK = "rlnMaskName"
VALUE_TOLERANCE = 1e-6
"""Of masks, beyond 0 and 1."""
SAME = 1e-5
"""Operators whose matrices (and shifts, Å) differ by less are the same."""


def read_local_symmetry(path: Path) -> tuple[AlikeRegion, ...]:
    """Read masks' names and operators; rows of one mask belong together, identities are skipped.

    Masks are looked for from the working directory, then beside the file; they are not read.

    Raises
    ------
    DataError
        If a column is missing, an operator stands twice, or a mask has no copy.
    """
    tables = read_star(path).tables
    table = next((table for table in tables.values() if _MASK in table), None)
    if table is None:
        raise DataError(
            f"{path}: found no table with {_MASK}, expected one with {_MASK}, "
            f"{', '.join(_ANGLES + _SHIFTS)}. Make the table with relion_localsym"
        )
    problems: list[str] = []
    columns = ColumnReader(table, str(path), problems)
    columns.remedy = "Add it: each row is an operator."
    names = columns.text(_MASK)
    angles = np.stack([columns.floats(label) for label in _ANGLES], axis=1)
    shifts = np.stack([columns.floats(label) for label in _SHIFTS], axis=1)
    operators = np.concatenate([euler_matrices(angles), shifts[:, :, None]], axis=2)
    rows_of: dict[str, list[int]] = {}
    for row, name in enumerate(names):
        rows_of.setdefault(name, []).append(row)
    regions = []
    places = [find_beside(name, path.parent).resolve() for name in rows_of]
    if len(set(places)) < len(places):
        problems.append(
            f"{path}: found one mask under several names, expected one name for all its rows. "
            "Write it in the same way in each"
        )
    for name, rows in rows_of.items():
        problems += _problems_of_region(path, name, operators, rows)
        own = tuple(_operator(operators[row]) for row in rows if not _is_identity(operators[row]))
        regions.append(AlikeRegion(find_beside(name, path.parent), own))
    refuse(path, problems)
    return tuple(regions)


def read_region_mask(path: Path, box: int) -> Float[Array, "z y x"]:
    """Read the mask of a region, which must be on the grid of the map.

    Raises
    ------
    DataError
        If it is not, or has values outside 0 to 1.
    """
    mask, _ = read_map(path)
    if len(mask) != box:
        raise DataError(
            f"{path}: found a box of {len(mask)} px, expected that of the map, {box} px: masks of "
            "--local_symmetry are not resampled. Make the mask again"
        )
    low, high = float(mask.min()), float(mask.max())
    if low < -VALUE_TOLERANCE or high > 1.0 + VALUE_TOLERANCE or high <= 0.0:
        raise DataError(
            f"{path}: found values from {low:g} to {high:g}, expected a mask with values from 0 "
            "to 1. Make the mask again"
        )
    return np.asarray(np.clip(mask, 0.0, 1.0), np.float64)


def _problems_of_region(
    path: Path, name: str, operators: Float[Array, "row 3 4"], rows: list[int]
) -> list[str]:
    """Say what is wrong with the rows of one mask."""
    copies = [row for row in rows if not _is_identity(operators[row])]
    if not copies:
        return [
            f"{path}: found only the identity for {name} in {rows_text(rows)}, expected the "
            "operator to a copy as well. Add it, or leave the mask out"
        ]
    return [
        f"{path}: found the same operator for {name} twice, in {rows_text([first, second])}; "
        "expected each copy once. Remove one"
        for at, first in enumerate(rows)
        for second in rows[at + 1 :]
        if np.abs(operators[first] - operators[second]).max() < SAME
    ]


def _is_identity(operator: Float[Array, "3 4"]) -> bool:
    return bool(np.abs(operator - np.eye(3, 4)).max() < SAME)


def _operator(matrix: Float[Array, "3 4"]) -> Operator:
    return Operator(matrix[:, :3], matrix[:, 3])
