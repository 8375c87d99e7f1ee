"""The columns of a table as numbers, with every value that is not one noted."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray as Array

from halfmap.io.labels import LABELS
from halfmap.io.problems import rows_text
from halfmap.io.star import TEXT, Table

_NO_CTF = "Estimate the CTF first, or leave out --ctf."
_REMEDIES = {"rlnDefocusU": _NO_CTF, "rlnAmplitudeContrast": _NO_CTF}
"""What to do when a column is missing, where something better can be said."""
_LARGEST = 2.0**53
"""Doubles beyond this do not hold every whole number."""


class ColumnReader:
    """Reads columns and collects what is wrong, so that one message can list it all.

    Parameters
    ----------
    table
        Columns by label, as text or numbers.
    name
        What messages call the table.
    problems
        Where problems are added.
    rows
        Number in the file of each row, from zero, if the table has been sorted.
    """

    def __init__(
        self, table: Table, name: str, problems: list[str], rows: Sequence[int] | None = None
    ) -> None:
        self.table = table
        self.name = name
        self.problems = problems
        self.n = len(next(iter(table.values()), ()))
        self._rows = range(self.n) if rows is None else rows
        self._refused: set[str] = set()
        self.remedy = "Take the table from the job that made the particles."
        """What to do when a column is missing."""

    def __contains__(self, label: str) -> bool:
        return label in self.table

    def text(self, label: str, default: str | None = None) -> list[str]:
        """Return a column as text; without a default it must be there."""
        if label in self.table:
            return [str(value) for value in self.table[label].tolist()]
        self._missing(label, default)
        return [default or ""] * self.n

    def floats(
        self, label: str, default: float | Float[Array, " row"] | None = None
    ) -> Float[Array, " row"]:
        """Return a column of finite numbers; without a default it must be there.

        In place of what is not a number stands one that is, so that no other problem follows.
        """
        if label not in self.table:
            self._missing(label, default)
            filled = np.empty(self.n)
            filled[...] = 0.0 if default is None else default
            return filled
        column = self.table[label]
        try:
            values = column.astype(np.float64)
        except ValueError:
            values = np.array([_number(text) for text in column.tolist()])
        finite = np.isfinite(values)
        self.note(label, ~finite, "expected a number")
        return np.where(finite, values, values[np.argmax(finite)] if finite.any() else 0.0)

    def integers(self, label: str, default: int | None = None) -> Int[Array, " row"]:
        """Return a column of whole numbers; without a default it must be there."""
        values = self.floats(label, default)
        whole = np.round(values)
        wrong = (np.abs(values - whole) > 1e-6) | (np.abs(whole) > _LARGEST)
        self.note(label, wrong, "expected a whole number")
        return np.where(wrong, 0.0, whole).astype(np.int64)

    def note(self, label: str, wrong: Array, expected: str) -> None:
        """Add one problem if any row of a column that exists is wrong, with the first value.

        A column of which a problem is known gets no second one: that may follow from the first.
        """
        rows = np.flatnonzero(wrong)
        if label in self.table and label not in self._refused and len(rows):
            self._refused.add(label)
            found = f"{label} is {self.table[label][rows[0]]} in {self.where(rows)}"
            self.problems.append(f"{self.name}: {found}; {expected}.")

    def where(self, rows: Int[Array, " wrong"]) -> str:
        """Name rows as the file counts them."""
        return rows_text(sorted(int(self._rows[row]) for row in rows))

    def _missing(self, label: str, default: object) -> None:
        if default is None:
            remedy = _REMEDIES.get(label, self.remedy)
            known = f" ({LABELS[label]})" if label in LABELS else ""
            self.problems.append(f"{self.name}: the column {label} is missing{known}. {remedy}")


def one_row(values: dict[str, str]) -> Table:
    """Return a list block as a table of one row."""
    return {label: np.array([value], dtype=TEXT) for label, value in values.items()}


def _number(text: object) -> float:
    try:
        return float(str(text))
    except ValueError:
        return np.nan
