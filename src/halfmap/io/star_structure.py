"""The blocks of a STAR file, read and checked line by line.

Other programs cut a row at a ``#``, fill short rows, turn apostrophes into quotes or keep the
last of two blocks of one name, all without a word. RELION stops reading a table at a blank
line. What one of them would misread is refused here, with its line.
"""

import re
from dataclasses import dataclass, field

import numpy as np
from numpy import ndarray as Array

TEXT = np.dtypes.StringDType()
"""Type of the columns of a table that has been read."""

# Some readers take ' for ", so that neither may stand inside a value.
_VALUE = re.compile(r"""\s*(?:"[^"']*"|'[^"']*'|[^\s"']+)(?=\s|$)""")
_ROWS_AT_ONCE = 8192


@dataclass(slots=True)
class Block:
    """One ``data_`` block: its labels and values, every value as text."""

    name: str
    line: int
    labels: list[str] = field(default_factory=list)
    values: list[str] = field(default_factory=list)
    """Beside the labels, if it is no table."""
    is_table: bool = False
    n_rows: int = 0
    header_closed: bool = False
    """A blank line followed the labels of the table."""
    ended_at: int = 0
    """Line of the blank line that ended the table; 0 while it is open."""
    _rows: list[list[str]] = field(default_factory=list)
    """The last ones; those before them are in columns, which take less memory."""
    _parts: list[list[Array]] = field(default_factory=list)

    def add_row(self, values: list[str]) -> None:
        """Add a row with a value for each label."""
        self._rows.append(values)
        if len(self._rows) == _ROWS_AT_ONCE:
            self._pack()

    def columns(self) -> dict[str, Array]:
        """Return the columns of a table by label."""
        self._pack()
        columns = zip(*self._parts, strict=True)
        return {n: np.concatenate(parts) for n, parts in zip(self.labels, columns, strict=True)}

    def _pack(self) -> None:
        columns = zip(*self._rows, strict=True) if self._rows else [()] * len(self.labels)
        self._parts.append([np.array(column, TEXT) for column in columns])
        self._rows = []


def star_structure(text: str) -> tuple[list[Block], list[str]]:
    """Read the blocks of a STAR file and find everything that is wrong with their form.

    Returns
    -------
    blocks
        In the order of the file.
    problems
        One sentence each, with the number of the line; empty for a good file.
    """
    scanner = _Scanner()
    for number, line in enumerate(text.split("\n"), start=1):
        scanner.take(number, line.strip())
    if not scanner.blocks:
        scanner.problems.append("no line begins with 'data_': this is not a STAR file.")
    return scanner.blocks, scanner.problems + _repetitions(scanner.blocks)


class _Scanner:
    """Reads a file line by line; knows the block it is in."""

    def __init__(self) -> None:
        self.blocks: list[Block] = []
        self.problems: list[str] = []

    def take(self, number: int, line: str) -> None:
        """Read one line."""
        if line.startswith("data_"):
            self.blocks.append(Block(name=line[5:], line=number))
            if len(line.split()) != 1:
                self.say(number, f"the name of block {line[:40]!r} has a blank in it.")
            return
        if not self.blocks:
            if line and not line.startswith("#"):
                self.say(number, f"{line[:40]!r} stands before the first 'data_' line.")
            return
        block = self.blocks[-1]
        if not line or line.startswith("#"):
            self._gap(number, line, block)
        elif line == "loop_":
            self._loop(number, block)
        elif block.is_table and not (line.startswith("_") and not block.n_rows):
            self._row(number, line, block)
        else:
            self._label(number, line, block)

    def say(self, number: int, problem: str) -> None:
        self.problems.append(f"line {number}: {problem}")

    def _gap(self, number: int, line: str, block: Block) -> None:
        if not block.is_table:
            return
        if block.n_rows:
            block.ended_at = block.ended_at or (0 if line else number)
        elif line or not block.labels:
            self.say(number, "a comment or blank line among the labels of a table; remove it.")
        else:
            block.header_closed = True

    def _loop(self, number: int, block: Block) -> None:
        if block.is_table or block.labels:
            self.say(number, f"a second table in data_{block.name}; give it its own data_ line.")
            block = Block(name=f"{block.name} (continued)", line=number)
            self.blocks.append(block)
        block.is_table = True

    def _label(self, number: int, line: str, block: Block) -> None:
        if not line.startswith("_"):
            self.say(number, f"expected a label (beginning with '_') but found {line[:40]!r}.")
            return
        if block.header_closed:
            self.say(number, "a label after a blank line; remove the blank line.")
        block.labels.append(line.split()[0][1:])
        if block.is_table:
            return
        found = _values(line)
        if found is None or len(found) != 2 or "\\" in line:
            self.say(number, f"expected one label and one value but found {line[:60]!r}.")
        else:
            block.values.append(found[1])

    def _row(self, number: int, line: str, block: Block) -> None:
        block.n_rows += 1
        if block.ended_at:
            self.say(number, f"a row after the blank line {block.ended_at}, which ends a table.")
            block.ended_at = 0
        found = _values(line)
        if found is None or "#" in line:
            self.say(number, "a quote or '#' inside a value; rename the file or group.")
        elif len(found) != len(block.labels):
            self.say(
                number,
                f"row {block.n_rows} of data_{block.name} has {len(found)} values; "
                f"the table has {len(block.labels)} columns.",
            )
        else:
            block.add_row(found)


def _values(line: str) -> list[str] | None:
    """Return the values of a line without their quotes; None if these do not make sense."""
    if '"' not in line and "'" not in line:
        return line.split()
    found = _VALUE.findall(line)
    if sum(map(len, found)) != len(line):
        return None
    values = (value.strip() for value in found)
    return [value[1:-1] if value[0] in "\"'" else value for value in values]


def _repetitions(blocks: list[Block]) -> list[str]:
    problems = []
    names = [block.name for block in blocks]
    for block in blocks:
        if names.index(block.name) != blocks.index(block):
            problems.append(f"line {block.line}: a second block called data_{block.name}.")
        twice = sorted({label for label in block.labels if block.labels.count(label) > 1})
        problems += [f"data_{block.name} has the column {label} twice." for label in twice]
        if block.is_table and not block.labels:
            problems.append(f"line {block.line}: the table data_{block.name} has no columns.")
    return problems
