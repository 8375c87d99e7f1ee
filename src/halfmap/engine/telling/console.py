"""What rank 0 says while a run goes on: the plan, progress, one line an iteration, the end.

On a terminal a step shows a bar with the time left; in a log it shows a plain line now and
then. Every other rank makes a console of verbosity 0, which says nothing. All text is made
by the pure functions of `halfmap.engine.telling.console_text`.
"""

import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import TextIO

from halfmap.engine.telling.console_text import (
    COLUMNS_EVERY,
    Ending,
    IterationLine,
    column_heads,
    ending_text,
    header_text,
    iteration_text,
    paragraph,
    progress_text,
)
from halfmap.engine.telling.pace import Pace

Advance = Callable[[int], None]
"""Call with the number of items just done."""

LOG_SHARE = 0.1
"""In a log, a step is mentioned again after this share of it ..."""
LOG_PAUSE_S = 10.0
"""... but not sooner than this ..."""
LOG_SILENCE_S = 60.0
"""... and, however slow it is, after this."""


class Console:
    """The one voice of a run.

    Parameters
    ----------
    verbosity
        0 says nothing at all (``--verb 0``, and every rank but the first).
    stream
        Where to write; standard output unless given.
    clock
        Seconds from anywhere; replaced in tests.
    may_draw
        Whether a bar may be drawn on a terminal. Under a launcher it may not: what ranks write
        to looks like a terminal even when it ends up in a file.
    """

    def __init__(
        self,
        verbosity: int = 1,
        stream: TextIO | None = None,
        clock: Callable[[], float] = time.monotonic,
        may_draw: bool = True,
    ) -> None:
        self._silent = verbosity <= 0
        self._stream = sys.stdout if stream is None else stream
        self._clock = clock
        self._may_draw = may_draw
        self._lines_below_heads = COLUMNS_EVERY
        self._n_warnings = 0
        self._above_bar: Callable[[str], None] | None = None

    @property
    def n_warnings(self) -> int:
        """How often `warning` was called."""
        return self._n_warnings

    def header(self, plan: Mapping[str, object]) -> None:
        """Say what is about to happen: names and values, in the order given; None is left out."""
        self._write(header_text(plan))

    def notice(self, message: str) -> None:
        """Say something worth knowing that asks for nothing."""
        self._write(paragraph(message))

    def warning(self, message: str) -> None:
        """Say something that the user should look at; `finish` recalls how many there were."""
        self._n_warnings += 1
        self._write(paragraph(f"warning: {message}"))

    def iteration(self, line: IterationLine) -> None:
        """Say what one iteration gave; the column heads come back now and then."""
        if self._lines_below_heads >= COLUMNS_EVERY:
            self._write("\n" + column_heads())
            self._lines_below_heads = 0
        self._lines_below_heads += 1
        self._write(iteration_text(line))

    def finish(self, ending: Ending) -> None:
        """Say how the run ended and where its files are."""
        self._write("\n" + ending_text(ending, self._n_warnings))

    @contextmanager
    def progress(self, total: int, label: str) -> Iterator[Advance]:
        """Show how far a step has come.

        Parameters
        ----------
        total
            Number of items (particles) of the step.
        label
            Its name, such as ``"iteration 3, expectation"``.

        Yields
        ------
        advance
            ``advance(n)`` after every ``n`` items.
        """
        if self._silent or total <= 0:
            yield _nobody_looks
        elif self._may_draw and self._stream.isatty():
            with self._bar(total, label) as advance:
                yield advance
        else:
            yield self._log_lines(total, label)

    @contextmanager
    def _bar(self, total: int, label: str) -> Iterator[Advance]:
        # Loaded here: a log, and every rank but the first, never needs it.
        from rich.console import Console as Terminal
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            Progress,
            TextColumn,
            TimeElapsedColumn,
            TimeRemainingColumn,
        )

        terminal = Terminal(file=self._stream, markup=False, highlight=False)
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
        )
        with Progress(
            *columns,
            console=terminal,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        ) as bar:
            task = bar.add_task(label, total=total)
            self._above_bar = partial(terminal.print, soft_wrap=True)
            try:
                yield lambda n: bar.advance(task, n)
            finally:
                self._above_bar = None

    def _log_lines(self, total: int, label: str) -> Advance:
        pace = Pace(total)
        started = said_at = self._clock()
        said = 0

        def advance(n: int) -> None:
            nonlocal said, said_at
            now = self._clock()
            left_s = pace.advance(n, now - started)
            pause = now - said_at
            due = (pace.done - said >= LOG_SHARE * total and pause >= LOG_PAUSE_S) or (
                pause >= LOG_SILENCE_S
            )
            if due and pace.done < total:
                count = (pace.done, total)
                self._write(progress_text(label, count, now - started, left_s))
                said, said_at = pace.done, now

        return advance

    def _write(self, text: str) -> None:
        if self._silent:
            return
        # A terminal of another encoding than UTF-8 gets "?" for "Å", not a traceback.
        encoding = self._stream.encoding or "utf-8"
        text = text.encode(encoding, errors="replace").decode(encoding)
        if self._above_bar is not None:
            self._above_bar(text)
            return
        print(text, file=self._stream, flush=True)


def _nobody_looks(n: int) -> None:
    """Take the place of a progress display."""
    del n
