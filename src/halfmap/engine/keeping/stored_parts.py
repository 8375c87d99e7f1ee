"""Which parts of an earlier run can be used: looked at by the leader, verified by all ranks."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TypeVar

import numpy as np
from mpi4py import MPI
from numpy import ndarray as Array

from halfmap.errors import DataError
from halfmap.io.part_folder import results_files, sums_files
from halfmap.io.parts import Part, PartKey, read_part, read_results
from halfmap.io.sealed import DamagedError
from halfmap.parallel.collectives import share
from halfmap.parallel.halves import LEADER
from halfmap.parallel.units import Unit
from halfmap.steps.expectation import UnitResult

T = TypeVar("T")
Shapes = tuple[tuple[int, ...], ...]
"""Of the arrays of `ExpectationSums`."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a part must be to be used; of each half."""

    keys: dict[int, PartKey]
    shapes: dict[int, Shapes]
    units: tuple[Unit, ...]
    n_classes: int


@dataclass(frozen=True, slots=True)
class StoredPart:
    """A part that was found good."""

    path: Path
    key: PartKey
    units: tuple[int, ...]

    def open(self) -> Part:
        """Read it again, to be added.

        Raises
        ------
        DataError
            If it is no longer what it was.
        """
        try:
            part = read_part(self.path)
        except OSError as error:
            raise DamagedError(f"{self.path} can no longer be read: {error.strerror}") from error
        if (part.key, part.units) != (self.key, self.units):
            raise DamagedError(f"{self.path} is no longer the file that it was")
        return part


@dataclass
class Stored:
    """What an earlier run left of this iteration."""

    parts: tuple[StoredPart, ...] = ()
    """No unit is in two of them."""
    results: dict[int, UnitResult] = field(default_factory=dict)
    """Of their units, by number; on the leader."""
    remarks: list[str] = field(default_factory=list)
    """What is to be said of files that cannot be used; on the leader."""

    @property
    def units(self) -> set[int]:
        """Numbers of the units that need not be computed."""
        return {number for part in self.parts for number in part.units}


def find_stored(folder: Path, wanted: Wanted, world: MPI.Intracomm) -> Stored:
    """Return the parts of a folder that can be used. Collective.

    Each is read as a whole: by one rank, so that all ranks read. Of one that is damaged nothing
    is used; where there is an earlier one of the same rank, that is.
    """
    stored, candidates = Stored(), list[StoredPart]()
    if world.rank == LEADER:
        known = _results(folder, wanted, stored.remarks)
        candidates = _candidates(folder, wanted, known, stored.remarks)
    else:
        known = {}
    bad: dict[Path, str] = {}
    good: set[Path] = set()
    while True:
        usable = [part for part in candidates if part.path not in bad]
        chosen: tuple[StoredPart, ...] = share(disjoint(usable), world, LEADER)
        unread = [part for part in chosen if part.path not in good]
        if not unread:
            break
        bad |= _verified(unread, world)
        good |= {part.path for part in unread} - bad.keys()
    stored.parts = chosen
    stored.remarks += [f"{text}: its units are computed again" for text in bad.values()]
    if world.rank == LEADER:
        stored.results = {number: known[number] for number in stored.units}
    return stored


def disjoint(parts: Iterable[StoredPart]) -> tuple[StoredPart, ...]:
    """Choose parts of which no two have a unit in common: those with most units first."""
    chosen: list[StoredPart] = []
    taken: set[int] = set()
    for part in sorted(parts, key=lambda part: (-len(part.units), part.path.name)):
        if taken.isdisjoint(part.units):
            chosen.append(part)
            taken.update(part.units)
    return tuple(chosen)


def _verified(parts: Sequence[StoredPart], world: MPI.Intracomm) -> dict[Path, str]:
    """Read parts, each by one of the ranks; return what is wrong with which. Collective."""
    mine = {}
    for part in parts[world.rank :: world.size]:
        problem = _problem_of(part)
        if problem:
            mine[part.path] = problem
    return {path: text for found in world.allgather(mine) for path, text in found.items()}


def _problem_of(part: StoredPart) -> str:
    try:
        part.open().check()
    except DataError as error:
        return str(error)
    except OSError as error:
        return f"{part.path} cannot be read ({error.strerror or error})"
    return ""


def _candidates(
    folder: Path, wanted: Wanted, known: Mapping[int, UnitResult], remarks: list[str]
) -> list[StoredPart]:
    """Return the parts of this state of the run all of whose results are known."""
    halves = {unit.number: unit.half for unit in wanted.units}
    found: list[StoredPart] = []
    foreign: list[Path] = []
    for path in sums_files(folder):
        part = _attempt(read_part, path, remarks)
        if part is None:
            continue
        fits = part.key == wanted.keys.get(part.key.half)
        fits = fits and _shapes_of(part) == wanted.shapes[part.key.half]
        fits = fits and all(halves.get(number) == part.key.half for number in part.units)
        if not fits:
            foreign.append(path)
        elif len(set(part.units)) == len(part.units) and known.keys() >= set(part.units):
            found.append(StoredPart(path, part.key, part.units))
    if foreign:
        more = f" and {len(foreign) - 1} more" if len(foreign) > 1 else ""
        remarks.append(
            f"{foreign[0]}{more}: found sums of another state of the run, or of another version, "
            "which are not used"
        )
    return found


def _shapes_of(part: Part) -> Shapes:
    return part.shape, part.noise.shape, part.directions.shape


def _results(folder: Path, wanted: Wanted, remarks: list[str]) -> dict[int, UnitResult]:
    """Return all results of this state of the run, by unit."""
    rows_of = {unit.number: len(unit.rows) for unit in wanted.units}
    known: dict[int, UnitResult] = {}
    for path in results_files(folder):
        found = _attempt(read_results, path, remarks)
        if found is None or found[0] != wanted.keys.get(found[0].half):
            continue
        counts = [rows_of.get(number, -1) for number in found[1]]
        rows = unstacked(found[2], counts, wanted.n_classes)
        if rows is None:
            remarks.append(f"{path} does not hold the results of its units: it is not used")
        else:
            known.update(zip(found[1], rows, strict=True))
    return known


def unstacked(
    rows: Mapping[str, Array], counts: Sequence[int], n_classes: int
) -> list[UnitResult] | None:
    """Cut rows of particles into units; None if they are not rows of such results."""
    if min(counts, default=0) < 0:
        return None
    like = UnitResult.empty(sum(counts), n_classes)
    for one in fields(UnitResult):
        expected, found = getattr(like, one.name), rows.get(one.name)
        if found is None or (found.shape, found.dtype) != (expected.shape, expected.dtype):
            return None
    cuts = np.cumsum(counts)[:-1]
    cut = {one.name: np.split(rows[one.name], cuts) for one in fields(UnitResult)}
    return [UnitResult(**{n: v[i] for n, v in cut.items()}) for i in range(len(counts))]


def _attempt(read: Callable[[Path], T], path: Path, remarks: list[str]) -> T | None:
    """Return what a file holds, or remark why it cannot be used."""
    try:
        return read(path)
    except FileNotFoundError:
        return None
    except DataError as error:
        remarks.append(f"{error}: it is not used")
    except OSError as error:
        remarks.append(f"{path} cannot be read ({error.strerror or error}): it is not used")
    return None
