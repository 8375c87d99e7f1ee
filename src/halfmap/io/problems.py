"""All that is wrong with a file, said in one message."""

from collections.abc import Sequence

from halfmap.errors import DataError

SHOWN = 20
"""Problems listed one by one; the rest is counted."""


def refuse(subject: object, problems: Sequence[str]) -> None:
    """Raise one error that lists every problem; return if there is none.

    Parameters
    ----------
    subject
        What cannot be used: a file, a table.
    problems
        One sentence each: what was found, what was expected, what to do.

    Raises
    ------
    DataError
        If there is a problem.
    """
    if not problems:
        return
    different = list(dict.fromkeys(problems))
    lines = [f"  {problem}" for problem in different[:SHOWN]]
    if len(different) > SHOWN:
        lines.append(f"  and {len(different) - SHOWN:,} more of this kind.")
    raise DataError("\n".join([f"{subject} cannot be used:", *lines]))


def rows_text(rows: Sequence[int], shown: int = 5) -> str:
    """Name some rows, counted from one.

    >>> rows_text([0, 4])
    'rows 1, 5'
    >>> rows_text([2])
    'row 3'
    >>> rows_text(range(100), shown=2)
    '100 rows (1, 2, ...)'
    """
    numbers = ", ".join(str(row + 1) for row in rows[:shown])
    if len(rows) > shown:
        return f"{len(rows):,} rows ({numbers}, ...)"
    return f"{'row' if len(rows) == 1 else 'rows'} {numbers}"
