"""``_prior.star``: what became of each map that a plug-in for the prior was given."""

import re
from collections.abc import Sequence
from pathlib import Path

from halfmap.errors import DataError
from halfmap.io.star import read_star, write_star

Row = tuple[int, int, int, str]
"""Iteration, half (0: not split), class, outcome."""
USED = "used"
"""The outcome of a map that went on as the plug-in returned it."""
LABELS = ("hlfIteration", "hlfHalf", "hlfClass", "hlfOutcome")


def write_verdicts(path: Path, rows: Sequence[Row]) -> None:
    """Write the table; no rows leave no file."""
    if not rows:
        path.unlink(missing_ok=True)
        return
    columns = zip(*((*row[:3], _plain(row[3])) for row in rows), strict=True)
    write_star(path, {"prior": {label: list(c) for label, c in zip(LABELS, columns, strict=True)}})


def read_verdicts(path: Path) -> list[Row]:
    """Read the table; without a file, or one of another kind, there are no rows."""
    try:
        table = read_star(path).table("prior")
        columns = [table[label].tolist() for label in LABELS]
    except (DataError, KeyError):
        return []
    return [(int(i), int(h), int(k), str(text)) for i, h, k, text in zip(*columns, strict=True)]


def _plain(text: str) -> str:
    """Return text that a STAR file can hold in one field: one line, no quotes.

    >>> _plain('not a number:  "x"')
    'not a number: x'
    """
    return " ".join(re.sub("[\"']", "", text).split())
