"""The process that watches the ranks of a node: who gives no sign of life is ended.

It is none of the ranks, so that it works where a rank is the only one of its node, and whatever
that rank does: stopped by a signal, waiting for a disc that does not answer, caught in a loop. It
needs nothing but the standard library, and is gone when the ranks are.

Each rank has a row of numbers in memory that it shares with this process (`Row`).
"""

import mmap
import os
import re
import signal
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path

DUMP_SIGNAL = signal.SIGUSR2
"""A rank whose pulse does not answer answers this: it may crash, but is about to be killed."""
SECONDS_TO_ANSWER = 4.0
PARTS_OF_LIMIT = 10.0
"""Rows are looked at so many times within the limit, and at least each second."""


class Row(IntEnum):
    """What the numbers of a rank are."""

    PROCESS = 0
    SEEN = 1
    """When its pulse last beat, in seconds of the machine's clock."""
    LEFT = 2
    """Not 0 when the rank is to be watched no more."""
    STUCK = 3
    """Seconds for which it has been at one piece of work, if that is too long; else 0."""
    STACKS = 4
    """Number of the file, in its process, that takes its stacks."""
    NUMBER = 5
    """Of the rank, as the launcher counts."""
    ASKED = 6
    """Not 0 when the pulse is to write the stacks: it can do so without harm."""


@dataclass(frozen=True, slots=True)
class Orders:
    """What to do; as the command line of this process has it."""

    table: int
    """Number of the open file with the rows."""
    n_ranks: int
    limit_s: float
    host: str
    root: str
    """Of the names of a run's files."""
    then: str
    """What becomes of the run, for the message."""


Rows = list["memoryview[float]"]


def watch(rows: Rows, orders: Orders) -> None:
    """Look at the ranks until all of them have left or ended."""
    interval = min(1.0, orders.limit_s / PARTS_OF_LIMIT)
    missed, last = 0.0, time.monotonic()
    while True:
        time.sleep(interval)
        now = time.monotonic()
        missed += max(0.0, now - last - 2.0 * interval)  # all were stopped, this process too
        last = now
        alive = [row for row in rows if not row[Row.LEFT] and runs(int(row[Row.PROCESS]))]
        if not alive:
            return
        for row in alive:
            silent = now - row[Row.SEEN] - missed
            if row[Row.STUCK]:
                _end(row, f"has been at one piece of work for {row[Row.STUCK]:.0f} s", orders)
            elif silent > orders.limit_s:
                _end(row, f"has given no sign of life for {silent:.0f} s", orders)
        if missed and all(row[Row.SEEN] > now - interval for row in alive):
            missed = 0.0


def runs(process: int) -> bool:
    """Whether a process is there and has not ended."""
    return _state(process) not in ("", "Z", "X")


def _state(process: int) -> str:
    """Return the letter of a process's state, as `ps` shows it; nothing if there is none."""
    try:
        text = Path(f"/proc/{process}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    return text.rpartition(")")[2].split()[0]


def _end(row: "memoryview[float]", why: str, orders: Orders) -> None:
    """Ask a rank for its stacks, keep them, say so, and kill it."""
    process, number = int(row[Row.PROCESS]), int(row[Row.NUMBER])
    state = _state(process)
    stacks = _stacks(row)
    kept = Path(f"{orders.root}_stall_rank{number}.txt")
    head = f"rank {number} on {orders.host}, process {process}, state {state}: {why}\n\n"
    try:
        kept.write_text(head + stacks, encoding="utf-8")
        where = f"its Python stack is in {kept}"
    except OSError:
        where = f"its Python stack:\n{stacks}"
    doing = f" (in {place})" if (place := innermost(stacks)) else ""
    sys.stderr.write(
        f"halfmap: rank {number} on {orders.host} {why}{doing} and is ended: {orders.then}; "
        f"{where}\n"
    )
    sys.stderr.flush()
    with suppress(ProcessLookupError):
        os.kill(process, signal.SIGKILL)


def _stacks(row: "memoryview[float]") -> str:
    """Have a rank write its Python stacks, also if it was stopped, and return them."""
    process = int(row[Row.PROCESS])
    path = Path(f"/proc/{process}/fd/{int(row[Row.STACKS])}")
    row[Row.ASKED] = 1.0
    try:
        os.kill(process, signal.SIGCONT)
        said = _written(path)
        if not said:  # its pulse does not beat: something keeps Python's lock
            os.kill(process, DUMP_SIGNAL)
            said = _written(path)
    except OSError:
        return "none: the process is gone\n"
    return said or "none: the process does not answer, the system waits for something\n"


def _written(path: Path) -> str:
    """Return what is written to a file, when no more comes; nothing if there is no answer."""
    said, give_up = "", time.monotonic() + SECONDS_TO_ANSWER
    while time.monotonic() < give_up:
        time.sleep(SECONDS_TO_ANSWER / 40.0)
        before, said = said, path.read_text(encoding="utf-8", errors="replace")
        if said and said == before:
            break
    return said


def innermost(stacks: str) -> str:
    """Return where in halfmap a rank is, told by its stacks; nothing if they do not say.

    The main thread, the last that is listed, counts unless it waits for units, then the first
    thread that computes one, unless it waits for its images, or that reads them.
    """
    *threads, main = re.split(r"(?=^(?:Current thread|Thread) )", stacks, flags=re.MULTILINE)
    first = [_LINE.search(text) for text in (main, *threads) if text is main or COMPUTING in text]
    found = [line for line in first if line is not None]
    working = [line for line in found if not _WAITING.match(line[1])]
    line = next(iter(working or found), None)
    return f"{line[3]}, {line[1]} line {line[2]}" if line is not None else ""


_LINE = re.compile(r'File ".*/(halfmap/\w+/\S+?)", line (\d+) in (\S+)')
_WAITING = re.compile(r"halfmap/(parallel/|engine/reading_ahead\.py)")
COMPUTING = "halfmap/engine/summing.py"


def main(words: list[str]) -> None:
    """Watch what the command line says."""
    table, n_ranks, limit_s, host, root, then = words
    orders = Orders(int(table), int(n_ranks), float(limit_s), host, root, then)
    memory = mmap.mmap(orders.table, 8 * orders.n_ranks * len(Row))
    numbers = memoryview(memory).cast("d")
    watch([numbers[i : i + len(Row)] for i in range(0, len(numbers), len(Row))], orders)


if __name__ == "__main__":
    main(sys.argv[1:])
