"""How RELION writes numbers and tables as text, to the character.

A number is a double in 12 characters, six digits after the point (five if negative),
in scientific notation below 0.001 and above 100 000. One deviation: an exponent of three
digits takes the place of a digit of the mantissa, where RELION cuts the exponent off.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy import ndarray as Array

VERSION_LINE = "# version 50001"
_WIDTH = 12
_ROWS_AT_ONCE = 50_000
_PATTERNS = np.array(["%12.6f", "%12.5f", "%12.6e", "%12.5e", "%12.4e"], dtype=object)


def format_values(values: Array | Sequence[Any]) -> list[str]:
    """Write the values of a column.

    Floating-point numbers, integers and booleans take 12 characters; anything else is
    text, in double quotes if it is empty, has a blank or begins with a quote.

    >>> format_values(np.array([0.0, -1.0, 0.0005, 100000.5]))
    ['    0.000000', '    -1.00000', '5.000000e-04', '1.000005e+05']
    >>> format_values(["a b", ""])
    ['"a b"', '""']
    """
    column = np.asarray(values)
    if column.dtype.kind == "f":
        return _format_doubles(column.astype(np.float64))
    if column.dtype.kind in "iub":
        return [f"{int(value):12d}" for value in column.tolist()]
    return [_quoted(str(value)) for value in column.tolist()]


def list_block_text(name: str, values: Mapping[str, Any]) -> str:
    """Write a block of ``label value`` lines."""
    width = 1 + max(len(label) for label in values) + _WIDTH
    lines = (
        f"_{label}".ljust(width) + format_values([value])[0] for label, value in values.items()
    )
    return "\n".join([*_head(name), *lines, " \n"])


def table_text(name: str, columns: Mapping[str, Array | Sequence[Any]]) -> Iterator[str]:
    """Write a table, some ten thousand rows at a time.

    Raises
    ------
    ValueError
        If the columns differ in length.
    """
    lengths = {len(column) for column in columns.values()}
    if len(lengths) != 1:
        raise ValueError(f"the columns of table {name} have lengths {sorted(lengths)}")
    labels = (f"_{label} #{n} " for n, label in enumerate(columns, start=1))
    yield "\n".join([*_head(name), "loop_ ", *labels, ""])
    for start in range(0, lengths.pop(), _ROWS_AT_ONCE):
        part = [column[start : start + _ROWS_AT_ONCE] for column in columns.values()]
        yield _rows_text(part)
    yield " \n"


def _rows_text(columns: Sequence[Array | Sequence[Any]]) -> str:
    texts = ([value.rjust(10) for value in format_values(column)] for column in columns)
    return "".join(f"{row} \n" for row in map(" ".join, zip(*texts, strict=True)))


def _head(name: str) -> tuple[str, ...]:
    return ("", VERSION_LINE, "", f"data_{name}", "")


def _format_doubles(values: Float[Array, " row"]) -> list[str]:
    size = np.abs(values)
    small, large = (size > 0) & (size < 1e-3), size > 1e5
    three_digits = ((size > 0) & (size < 1e-99)) | ((size >= 9e99) & np.isfinite(size))
    pattern = 2 * (small | large) + (values < 0) + three_digits
    # One call with one long pattern is faster than a call a value.
    text = "\n".join(_PATTERNS[pattern]) % tuple(values.tolist())
    return [value[:_WIDTH] for value in text.split("\n")] if len(values) else []


def _quoted(text: str) -> str:
    if text.split() != [text] or text[0] in "\"'":
        return f'"{text}"'
    return text
