"""The pulse of a rank: a thread that shows the sentinel of the node that this rank lives and works.

A rank lives while the thread beats: it does not when the process was stopped. It works while its
main thread comes back to waiting for others, and its units come to an end, in times like those seen
before. Waiting is what `halfmap.parallel` does: who waits is never the one who is stuck.
"""

import faulthandler
import mmap
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from types import FrameType

import numpy as np
from mpi4py import MPI
from numpy import ndarray as Array

import halfmap.engine.surviving.sentinel as sentinel
from halfmap.engine.surviving.sentinel import DUMP_SIGNAL, PARTS_OF_LIMIT, Row
from halfmap.parallel.faults import node_of
from halfmap.parallel.node_memory import open_on_node

SEEN_BEFORE = 10.0
"""Work may take so many times the longest of its kind."""
FIRST_OF_ITS_KIND = 6.0
"""Work that has no precedent may take so many times the limit: it compiles, or the box is large."""
WAITING = ("halfmap.parallel.", "halfmap.engine.helping.")
"""Modules where a rank waits for others, or for a program that has a time limit of its own."""

_efforts: dict[int, float] = {}
"""When each thread of this process began the unit that it computes."""
_longest_effort = [0.0]


@contextmanager
def effort() -> Iterator[None]:
    """Compute a unit: something that must end in a time like those before."""
    thread, start = threading.get_ident(), time.monotonic()
    _efforts[thread] = start
    try:
        yield
    finally:
        del _efforts[thread]
        _longest_effort[0] = max(_longest_effort[0], time.monotonic() - start)


class Pulse:
    """Shows that this rank lives and works, from its making until it is stopped.

    Its making is collective. The first rank of each node starts the sentinel.

    Parameters
    ----------
    world
        The ranks.
    number
        Of this rank, as the launcher counts.
    limit_s
        Silence after which a rank is ended.
        0 watches nobody.
    words
        Root of the names of the run's files; what becomes of the run when a rank is ended.
    """

    def __init__(
        self, world: MPI.Intracomm, number: int, limit_s: float, words: tuple[str, str]
    ) -> None:
        self._limit_s = limit_s
        self._main = threading.main_thread().ident
        self._working_since = time.monotonic()
        self._longest_work = 0.0
        self._over = threading.Event()
        self._thread: threading.Thread | None = None
        if limit_s <= 0.0:
            return
        node = node_of(world)
        table = open_on_node(node, 8 * node.size * len(Row))
        if table is None:  # nobody can be watched from outside
            return
        memory = mmap.mmap(table, 0)
        rows = np.ndarray((node.size, len(Row)), np.float64, memory)
        self._row: Array = rows[node.rank]
        self._row[:] = [os.getpid(), time.monotonic(), 0, 0, _stacks_file(), number, 0]
        node.Barrier()  # every row is filled when the sentinel looks
        if node.rank == 0:
            orders = (table, node.size, limit_s, socket.gethostname(), *words)
            command = [sys.executable, "-I", "-S", sentinel.__file__, *map(str, orders)]
            subprocess.Popen(command, stdin=subprocess.DEVNULL, pass_fds=(table,))
        os.close(table)
        self._thread = threading.Thread(target=self._beat, name="pulse", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Be watched no more."""
        if self._thread is None:
            return
        self._row[Row.LEFT] = 1.0
        self._over.set()
        self._thread.join()
        self._thread = None

    def _beat(self) -> None:
        pause = min(1.0, self._limit_s / PARTS_OF_LIMIT / 2.0)
        while not self._over.wait(pause):
            now = time.monotonic()
            self._row[Row.STUCK] = max(self._stuck_in_unit(now), self._stuck_between(now))
            self._row[Row.SEEN] = now
            if self._row[Row.ASKED] == 1.0:
                faulthandler.dump_traceback(_stacks_file(), all_threads=True)
                self._row[Row.ASKED] = 2.0

    def _stuck_in_unit(self, now: float) -> float:
        longest = max((now - start for start in list(_efforts.values())), default=0.0)
        return longest if longest > allowed_s(_longest_effort[0], self._limit_s) else 0.0

    def _stuck_between(self, now: float) -> float:
        """Return for how long the main thread has been at its own work, if that is too long."""
        frame = sys._current_frames().get(self._main or 0)
        if frame is None or waits(frame):
            self._longest_work = max(self._longest_work, now - self._working_since)
            self._working_since = now
            return 0.0
        since = now - self._working_since
        # What a rank works at between two waits is of many kinds: any may be the first of its own.
        allowed = max(FIRST_OF_ITS_KIND * self._limit_s, SEEN_BEFORE * self._longest_work)
        return since if since > allowed else 0.0


def allowed_s(longest_s: float, limit_s: float) -> float:
    """Return how long a unit may take, when the longest so far took ``longest_s``; 0 if none did.

    >>> allowed_s(0.0, 600.0), allowed_s(2.0, 600.0), allowed_s(90.0, 600.0)
    (3600.0, 600.0, 900.0)
    """
    if longest_s == 0.0:
        return FIRST_OF_ITS_KIND * limit_s
    return max(limit_s, SEEN_BEFORE * longest_s)


@cache
def _stacks_file() -> int:
    """Have the Python stacks of this process written when it is asked for them; say where."""
    file = os.memfd_create("halfmap-stacks")
    faulthandler.register(DUMP_SIGNAL, file, all_threads=True)
    return file


def waits(frame: FrameType) -> bool:
    """Whether the innermost function of ours waits for others."""
    at: FrameType | None = frame
    while at is not None:
        module = str(at.f_globals.get("__name__", ""))
        if module.startswith("halfmap."):
            return module.startswith(WAITING)
        at = at.f_back
    return True  # nothing of ours runs: the program begins or ends
