"""The structure of a STAR file, checked line by line before it is read.

`starfile` fills short rows with NaN, cuts a row at a ``#``, turns apostrophes into quotes
and keeps the last of two blocks of one name, all without a word. RELION stops reading a
table at a blank line. What one of them would misread is refused here, with its line.
"""

import re
from dataclasses import dataclass, field

# starfile replaces ' by ", so that neither may stand inside a value.
_VALUE = re.compile(r"""\s*(?:"[^"']*"|'[^"']*'|[^\s"']+)(?=\s|$)""")


@dataclass(slots=True)
class BlockShape:
    """One ``data_`` block: its labels, and the number of its rows if it is a table."""

    name: str
    line: int
    labels: list[str] = field(default_factory=list)
    values: list[str] = field(default_factory=list)
    """Of the labels, where the block is a list: text without quotes."""
    is_table: bool = False
    n_rows: int = 0
    header_closed: bool = False
    """A blank line followed the labels of the table."""
    ended_at: int = 0
    """Line of the blank line that ended the table; 0 while it is open."""


def star_structure(text: str) -> tuple[list[BlockShape], list[str]]:
    """Find the blocks of a STAR file and everything that is wrong with their form.

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
        self.blocks: list[BlockShape] = []
        self.problems: list[str] = []

    def take(self, number: int, line: str) -> None:
        """Read one line."""
        if line.startswith("data_"):
            self.blocks.append(BlockShape(name=line[5:], line=number))
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

    def _gap(self, number: int, line: str, block: BlockShape) -> None:
        if not block.is_table:
            return
        if block.n_rows:
            block.ended_at = block.ended_at or (0 if line else number)
        elif line or not block.labels:
            self.say(number, "a comment or blank line among the labels of a table; remove it.")
        else:
            block.header_closed = True

    def _loop(self, number: int, block: BlockShape) -> None:
        if block.is_table or block.labels:
            self.say(number, f"a second table in data_{block.name}; give it its own data_ line.")
            block = BlockShape(name=f"{block.name} (continued)", line=number)
            self.blocks.append(block)
        block.is_table = True

    def _label(self, number: int, line: str, block: BlockShape) -> None:
        if not line.startswith("_"):
            self.say(number, f"expected a label (beginning with '_') but found {line[:40]!r}.")
            return
        if block.header_closed:
            self.say(number, "a label after a blank line; remove the blank line.")
        label, *rest = line.split(maxsplit=1)
        block.labels.append(label[1:])
        if block.is_table:
            return
        block.values.append("".join(rest).strip("\"'"))
        if _n_values(line) != 2 or "\\" in line:
            self.say(number, f"expected one label and one value but found {line[:60]!r}.")

    def _row(self, number: int, line: str, block: BlockShape) -> None:
        block.n_rows += 1
        if block.ended_at:
            self.say(number, f"a row after the blank line {block.ended_at}, which ends a table.")
            block.ended_at = 0
        found = _n_values(line)
        if found is None or "#" in line:
            self.say(number, "a quote or '#' inside a value; rename the file or group.")
        elif found != len(block.labels):
            self.say(
                number,
                f"row {block.n_rows} of data_{block.name} has {found} values; "
                f"the table has {len(block.labels)} columns.",
            )


def _n_values(line: str) -> int | None:
    """Count the values of a line; None if its quotes do not make sense."""
    if '"' not in line and "'" not in line:
        return len(line.split())
    values = _VALUE.findall(line)
    return len(values) if sum(map(len, values)) == len(line) else None


def _repetitions(blocks: list[BlockShape]) -> list[str]:
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
