"""What a rank has summed, brought to the disc while it goes on, or before it has to end."""

import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
from numpy import ndarray as Array

from halfmap.engine.keeping.stored_parts import StoredPart
from halfmap.engine.summing import HalfSums
from halfmap.io.part_folder import PartFiles, part_files
from halfmap.io.parts import PartKey, write_part, write_results
from halfmap.parallel.node_sums import SpoiltError
from halfmap.steps.expectation import UnitResult

LARGEST_SHARE = 20.0
"""A flush is followed by so many times its own duration without one, whatever was asked for."""
WORTH = 0.1
"""Of the interval: less work than that is not flushed at the end of an expectation."""
KEPT = 2
"""Generations: should the last be damaged, there is the one before."""

_seconds_per_byte = [0.0]
"""Of the last flush of this process; the sums of the next may be larger."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a rank writes its parts."""

    folder: Path
    writer: str
    """In the names of its files; nobody else's, and no earlier run's."""
    interval_s: float
    """Between flushes; 0 is never."""


class Flushing:
    """Writes the sums of this rank to parts. Sends no messages, and never raises.

    A part holds all that the rank has summed since the expectation began, and takes the place of
    the part before the last one. The sums are not copied: while they are written, a thread that
    has finished a unit waits to add it.
    """

    def __init__(
        self, place: Place | None, halves: Mapping[int, HalfSums], keys: Mapping[int, PartKey]
    ) -> None:
        self.place, self.halves, self.keys = place, halves, keys
        self.seconds = 0.0
        """Spent writing."""
        self._lock = threading.Lock()
        self._written: dict[int, list[tuple[PartFiles, tuple[int, ...]]]] = {}
        self._since = time.monotonic()
        self._generation = 0
        self._complained = False

    def flush(self) -> None:
        """Write what is not written yet. From any thread; also when other ranks are lost."""
        if self.place is None:
            return
        start, before = time.monotonic(), self._generation
        with self._lock:
            for half in self.halves:
                self._try_half(self.place, half)
        self._since = time.monotonic()
        self.seconds += self._since - start
        if self._generation > before:
            _seconds_per_byte[0] = (self._since - start) / self._n_bytes()

    def flush_at_end(self) -> None:
        """Write the rest when an expectation is over, if that is worth more than it costs.

        A rank that is lost while maps are made then costs no expectation.
        """
        if self.place is None or self.place.interval_s <= 0.0:
            return
        cost_s = _seconds_per_byte[0] * self._n_bytes()
        enough_s = max(WORTH * self.place.interval_s, LARGEST_SHARE * cost_s)
        if time.monotonic() - self._since > enough_s:
            self.flush()

    @contextmanager
    def at_intervals(self) -> Iterator[None]:
        """Flush now and then during a block, in a thread of its own."""
        if self.place is None or self.place.interval_s <= 0.0:
            yield
            return
        over = threading.Event()
        thread = threading.Thread(target=self._repeat, args=(over,), name="flush", daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()

    def complete(self, half: int) -> StoredPart | None:
        """Return the part that holds all that was summed of a half, None if there is none."""
        written = self._written.get(half)
        if not written or len(written[-1][1]) != len(_units(self.halves[half])):
            return None
        files, units = written[-1]
        return StoredPart(files.sums, self.keys[half], units)

    def _n_bytes(self) -> int:
        return sum(a.nbytes for held in self.halves.values() for a in held.sums.arrays())

    def _repeat(self, over: threading.Event) -> None:
        assert self.place is not None
        pause = self.place.interval_s
        while not over.wait(pause):
            before = self.seconds
            self.flush()
            pause = max(self.place.interval_s, LARGEST_SHARE * (self.seconds - before))

    def _try_half(self, place: Place, half: int) -> None:
        held, written = self.halves[half], self._written.setdefault(half, [])
        if len(_units(held)) == (len(written[-1][1]) if written else 0):
            return
        self._generation += 1
        files = part_files(place.folder, half, place.writer, self._generation)
        try:
            written.append((files, _write(files, self.keys[half], held)))
            while len(written) > KEPT:
                for file in written.pop(0)[0]:
                    file.unlink(missing_ok=True)
        except SpoiltError:
            _discard(files)
        except Exception as error:  # whatever it is, the run is worth more
            self._complain(place, held, error)
            _discard(files)

    def _complain(self, place: Place, held: HalfSums, error: Exception) -> None:
        """Say once that there will be no checkpoint: a run does not end for want of one."""
        if self._complained:
            return
        self._complained = True
        needed = sum(array.nbytes for array in held.sums.arrays()) * KEPT
        sys.stderr.write(
            f"halfmap: warning: the run goes on without a checkpoint: {error} Each rank needs "
            f"about {needed / 2**20:,.0f} MiB in {place.folder}. Free some, or name a folder that "
            "all nodes see with --checkpoint_dir\n"
        )


def _discard(files: PartFiles) -> None:
    """Free what an unfinished part takes, if it can be done."""
    for file in files:
        with suppress(OSError):
            file.unlink(missing_ok=True)


def _units(held: HalfSums) -> list[int]:
    """Return the units of which this rank has something to write.

    Of a copy that ranks share one writes the sums, and each the results of its own units.
    """
    if held.shared.is_keeper:
        return held.shared.units
    return [unit.number for unit, _ in held.computed]


def _write(files: PartFiles, key: PartKey, held: HalfSums) -> tuple[int, ...]:
    """Write a part, or the results alone, and return the units."""
    units: list[int] = []

    def numbers() -> Sequence[int]:
        units.extend(_units(held))
        return units

    if held.shared.is_keeper:
        write_part(files.sums, key, held.sums, numbers, held.whole())
    else:
        numbers()
    computed = list(held.computed)  # all that are in the sums, perhaps more by now
    if computed:
        own = [unit.number for unit, _ in computed]
        write_results(files.results, key, own, stacked([result for _, result in computed]))
    return tuple(units)


def stacked(results: Sequence[UnitResult]) -> dict[str, Array]:
    """Return the rows of all particles of some units, by the name of the field."""
    return {
        field.name: np.concatenate([getattr(result, field.name) for result in results])
        for field in fields(UnitResult)
    }
