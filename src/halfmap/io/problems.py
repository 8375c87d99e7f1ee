"""All that is wrong with a file, or with several, said in one message."""

from collections.abc import Callable, Sequence
from typing import ParamSpec, TypeVar

from halfmap.errors import DataError

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")

SHOWN = 20
"""Problems listed one by one; the rest is counted."""


class ListedError(DataError):
    """Several problems of one subject."""

    def __init__(self, text: str, problems: Sequence[str]) -> None:
        super().__init__(text)
        self.problems = tuple(problems)
        """All of them, also those that the text only counts."""


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
    ListedError
        If there is a problem.
    """
    if not problems:
        return
    different = list(dict.fromkeys(problems))
    lines = [f"  {problem}" for problem in different[:SHOWN]]
    if len(different) > SHOWN:
        lines.append(f"  and {len(different) - SHOWN:,} more of this kind.")
    raise ListedError("\n".join([f"{subject} cannot be used:", *lines]), different)


class Problems:
    """The errors of checks that do not depend on each other, to be raised as one."""

    def __init__(self) -> None:
        self._texts: list[str] = []

    def attempt(
        self, check: Callable[Arguments, Result], *args: Arguments.args, **named: Arguments.kwargs
    ) -> Result | None:
        """Return the result of a check, or keep its `DataError` for later and return None."""
        try:
            return check(*args, **named)
        except DataError as error:
            self._texts.append(str(error))
            return None

    def refuse(self) -> None:
        """Raise what was kept; return if nothing was.

        Raises
        ------
        DataError
            If there is a problem.
        """
        if len(self._texts) == 1:
            raise DataError(self._texts[0])
        if self._texts:
            listed = "\n".join(self._texts).replace("\n", "\n  ")
            raise DataError(f"found {len(self._texts)} problems:\n  {listed}")


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
