"""One thing that cryoSPARC and RELION both have columns for, and columns as numbers and text."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy import ndarray as Array

from halfmap.io.cryosparc.files import Fields

Columns = dict[str, Array]
"""Columns of a STAR file by label, of the optics table too, one row a particle."""
DEGREES = 180.0 / np.pi


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


def scaled(
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
        return (doubles(fields[field]) * factor,)

    def to_fields(columns: Columns) -> Sequence[Array]:
        values = (numbers(columns[label]) - offset) / factor
        return (counts(values) if offset else values.astype(dtype),)

    return Link((field,), (label,), to_columns, to_fields, optics=optics)


def numbers(column: Array) -> Float[Array, " particle"]:
    """Return a column of a STAR file in doubles."""
    return np.asarray(column.astype(np.float64))


def decoded(names: Array) -> Array:
    """Return the paths of a field as text; ``>`` marks those that count from the project."""
    return np.array([bytes(n).decode("utf-8", "replace").removeprefix(">") for n in names], object)


def encoded(name: object) -> bytes:
    """Return a text as cryoSPARC stores it."""
    return str(name).encode("utf-8")


def doubles(values: Array) -> Array:
    """Return the values of a field in double precision."""
    return values.astype(np.float64)


def single(values: Array) -> Array:
    """Return values in single precision, in which cryoSPARC stores them."""
    return np.asarray(values, dtype="<f4")


def counts(values: Array) -> Array:
    """Return numbers as cryoSPARC counts; what it cannot count becomes 0."""
    possible = (values >= 0) & (values < 2**32)
    return np.where(possible, values, 0).astype(np.uint32)
