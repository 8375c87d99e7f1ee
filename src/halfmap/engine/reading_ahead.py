"""Images of the units that a worker holds, read before their turn comes.

A worker is given one unit more than it has threads. The images of the one that waits are read
by a thread of its own while the others are computed. What is read, and what goes wrong with it, is
the unit's: both are handed over where the unit is computed.
"""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager

from jaxtyping import Float32, Int
from numpy import ndarray as Array

from halfmap.parallel.units import Unit

Images = Float32[Array, "particle ..."]
Read = Callable[[int, Int[Array, " particle"]], Images]
"""From a half and rows of the particle table."""


class ReadingAhead:
    """Reads units in the order in which they are announced; one at a time.

    Attributes
    ----------
    seconds
        Processor time that reading has taken.
    """

    def __init__(self, read: Read) -> None:
        self.seconds = 0.0
        self._read = read
        self._begun: dict[int, Future[Images]] = {}
        self._pool: ThreadPoolExecutor | None = None

    @contextmanager
    def running(self) -> Iterator[None]:
        """Have the thread that reads; in the end nothing that was read is kept."""
        self._pool = pool = ThreadPoolExecutor(1, thread_name_prefix="reading")
        try:
            yield
        finally:
            self._pool = None
            pool.shutdown(cancel_futures=True)
            self._begun.clear()

    def announce(self, unit: Unit) -> None:
        """Say that a unit will be computed here."""
        if self._pool is not None:
            self._begun[unit.number] = self._pool.submit(self._timed, unit)

    def take(self, unit: Unit) -> Images | None:
        """Return the images of a unit, once; None if nobody has begun to read them.

        Raises
        ------
        Exception
            What reading them has raised.
        """
        begun = self._begun.pop(unit.number, None)
        if begun is None or begun.cancel():
            return None
        return begun.result()

    def _timed(self, unit: Unit) -> Images:
        start = time.thread_time()
        try:
            return self._read(unit.half, unit.rows)
        finally:
            self.seconds += time.thread_time() - start
