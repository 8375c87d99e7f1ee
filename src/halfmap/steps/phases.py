"""Work in phases of independent pieces, so that any thread or rank may do any of them.

What is made in phases is a generator of them: it yields what is to be done now, goes on when all
pieces are done, and returns what was made. Who runs it may be one thread (`alone`) or all ranks of
a node (`halfmap.engine.crew`), where every rank runs the same generator and does some of the
pieces. Pieces are cut by the data alone, and what they add up is added in their order: the same
bits, whoever did what.
"""

from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy import ndarray as Array
from numpy.typing import DTypeLike

T = TypeVar("T")
Empty = Callable[[tuple[int, ...], DTypeLike], Array]
"""Makes an array that all who do pieces see, not initialised."""
own_memory: Empty = np.empty
"""Of who works alone."""
Run = Callable[[Callable[[int], object], Iterable[int]], None]
"""Does some pieces."""


@dataclass(frozen=True, slots=True)
class Phase:
    """Pieces that do not depend on each other."""

    n_pieces: int
    work: Callable[[int], object]
    """Does the piece of a number."""


Phases = Generator[Phase, None, T]


@contextmanager
def threads(n: int) -> Iterator[Run]:
    """Yield what does pieces with some threads; with one it is the caller's."""
    if n == 1:
        yield lambda work, pieces: _exhaust(map(work, pieces))
        return
    with ThreadPoolExecutor(n) as pool:
        yield lambda work, pieces: _exhaust(pool.map(work, pieces))


def alone(phases: Phases[T], n_threads: int = 1) -> T:
    """Do all phases here, and return what was made."""
    with threads(n_threads) as run:
        while True:
            try:
                phase = next(phases)
            except StopIteration as end:
                made: T = end.value
                return made
            run(phase.work, range(phase.n_pieces))


def _exhaust(results: Iterable[object]) -> None:
    for _ in results:
        pass
