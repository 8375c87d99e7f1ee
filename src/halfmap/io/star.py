"""STAR files: read through `starfile`, written as RELION writes them.

Everything is read as text, so that a column nobody interprets is written back as it was.
Only the leader reads STAR files: `starfile`, and with it pandas, is imported on first use.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy import ndarray as Array

from halfmap.errors import DataError
from halfmap.io.atomic import replacing
from halfmap.io.problems import refuse
from halfmap.io.star_structure import BlockShape, star_structure
from halfmap.io.star_text import format_values, list_block_text, table_text

Table = dict[str, Array]
"""Columns by label (without the leading underscore), all of one length."""

TEXT = np.dtypes.StringDType()
"""Type of the columns that `read_star` returns."""


@dataclass(frozen=True, slots=True)
class StarFile:
    """What a STAR file says, as text."""

    path: Path
    tables: dict[str, Table]
    """Blocks with a ``loop_``."""
    lists: dict[str, dict[str, str]]
    """Blocks of ``label value`` lines."""

    def table(self, name: str) -> Table:
        """Return a table, or explain what the file has instead."""
        if name not in self.tables:
            raise DataError(f"{self.path} has no table data_{name}; it has {self._names()}.")
        return self.tables[name]

    def values(self, name: str) -> dict[str, str]:
        """Return a list block, or explain what the file has instead.

        A table of one row says the same and is taken too.
        """
        table = self.tables.get(name, {})
        if table and all(len(column) == 1 for column in table.values()):
            return {label: str(column[0]) for label, column in table.items()}
        if name not in self.lists:
            raise DataError(f"{self.path} has no block data_{name}; it has {self._names()}.")
        return self.lists[name]

    def _names(self) -> str:
        return ", ".join(f"data_{name}" for name in (*self.lists, *self.tables)) or "none"


def read_star(path: Path) -> StarFile:
    """Read a STAR file; every value stays text, NaN in any spelling becomes ``nan``.

    Raises
    ------
    DataError
        If the file is absent, not text or malformed; lists every bad line.
    """
    text = _text(path)
    shapes, problems = star_structure(text)
    refuse(path, problems)
    lists = {s.name: dict(zip(s.labels, s.values, strict=True)) for s in shapes if not s.is_table}
    return StarFile(path, _tables(path, [shape for shape in shapes if shape.is_table]), lists)


def _tables(path: Path, shapes: list[BlockShape]) -> dict[str, Table]:
    if not shapes:
        return {}
    import starfile  # with pandas: a quarter of a second that only the leader pays

    labels = sorted({label for shape in shapes for label in shape.labels})
    try:
        blocks = starfile.read(path, always_dict=True, parse_as_string=labels)
    except Exception as error:  # whatever its parser stumbles over
        raise DataError(f"{path} cannot be read: {error}. Please report this file.") from error
    return {shape.name: _text_columns(path, blocks.get(shape.name), shape) for shape in shapes}


def write_star(
    path: Path, blocks: Mapping[str, Mapping[str, Any]], comments: Sequence[str] = ()
) -> None:
    """Write a STAR file in one go: the old file or the new one, never a part.

    Parameters
    ----------
    path
        File to be made or replaced.
    blocks
        By name, without ``data_``. A block whose values are arrays or lists is a table,
        one of single values a list block. An empty block or table is left out, as RELION does.
    comments
        Lines at the top of the file, without the ``#``.

    Raises
    ------
    DataError
        If the file cannot be written.
    """
    with replacing(path) as beside, beside.open("w", encoding="utf-8") as file:
        file.writelines(f"# {comment}\n" for comment in comments)
        for name, block in blocks.items():
            columns = [value for value in block.values() if isinstance(value, list | np.ndarray)]
            if columns and len(columns[0]):
                file.writelines(table_text(name, block))
            elif block and not columns:
                file.write(list_block_text(name, block))


def as_numbers(column: Array) -> Array:
    """Return text as numbers if they are written as the same text again, else as it is.

    Integers become int64, and what RELION's format reproduces float64.

    >>> as_numbers(np.array(["1", "-20"], TEXT)).dtype.name
    'int64'
    >>> as_numbers(np.array(["1.500000", "2.0"], TEXT)).dtype == TEXT
    True
    """
    if column.dtype.kind in "fiub":
        return column
    text = column.tolist()
    for convert in (int, float):
        for part in (text[:100], text):  # most columns show in the first rows what they are
            try:
                values = np.array([convert(value) for value in part])
            except (ValueError, OverflowError):
                break
            same = values.dtype.kind in "if" and _stripped(values) == part
            if not same:
                break
        else:
            return values
    return column


def _stripped(values: Array) -> list[str]:
    return [text.strip() for text in format_values(values)]


def _text(path: Path) -> str:
    """Return the content of a file, refusing what no STAR reader could read."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}. Check the name.") from error
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise DataError(
            f"{path} is not a text file (byte {error.start} is not UTF-8); expected a STAR file. "
            "A file of cryoSPARC must be called .cs."
        ) from error
    if "\0" in text:
        raise DataError(
            f"{path} is not a text file (byte {content.index(0)} is 0); expected a STAR file. "
            "Copy it again."
        )
    if "\r" in text:
        raise DataError(
            f"{path} has Windows line ends (CR-LF), which RELION refuses too. "
            f"Convert it with: sed -i 's/\\r$//' {path}"
        )
    return text


def _text_columns(path: Path, frame: Any, shape: BlockShape) -> Table:
    """Return the columns of a pandas table as text; what pandas took for missing was 'nan'."""
    labels = [] if frame is None else [str(label) for label in frame.columns]
    n_rows = 0 if frame is None else len(frame)
    if labels != shape.labels or n_rows != shape.n_rows:
        raise DataError(
            f"{path}: data_{shape.name} was read as {n_rows} rows of {labels}, but the file "
            f"has {shape.n_rows} rows of {shape.labels}. Please report this file."
        )
    filled = frame.astype(object).where(frame.notna(), "nan")
    return {label: np.array(filled[label].tolist(), dtype=TEXT) for label in labels}
