"""Which parts of an earlier run are taken."""

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from mpi4py import MPI

from halfmap.engine.keeping import flushing
from halfmap.engine.keeping.flushing import Flushing, Place, stacked
from halfmap.engine.keeping.stored_parts import StoredPart, Wanted, disjoint, find_stored
from halfmap.engine.summing import HalfSums
from halfmap.errors import DataError
from halfmap.io import parts
from halfmap.io.part_folder import empty_folder, part_files, results_files, sums_files
from halfmap.io.parts import PartKey
from halfmap.io.private_folder import private_folder
from halfmap.model.sums import ExpectationSums
from halfmap.parallel.node_memory import NodeArrays
from halfmap.parallel.node_sums import SharedSums
from halfmap.parallel.units import Unit
from halfmap.steps.expectation import UnitResult

KEY = PartKey(0, "state")
UNITS = tuple(Unit(n, 0, 0, np.arange(3 * n, 3 * n + 3)) for n in range(8))
ALONE: Any = SimpleNamespace(
    rank=0, size=1, bcast=lambda value, **_: value, allgather=lambda value: [value]
)
"""A world of one rank."""


def sums_of(value: int = 0) -> ExpectationSums:
    return ExpectationSums(
        np.full((2, 40, 3), value), np.full((1, 5), value), np.full((2, 12), value)
    )


WANTED = Wanted({0: KEY}, {0: tuple(a.shape for a in sums_of().arrays())}, UNITS, n_classes=2)


def result_of(number: int) -> UnitResult:
    result = UnitResult.empty(3, 2)
    result.norm[:] = number
    return result


class Worker:
    """A rank that sums and flushes; a unit adds its number to every sum."""

    def __init__(
        self, folder: Path, writer: str, key: PartKey = KEY, interval_s: float = 0.0
    ) -> None:
        memory = NodeArrays(MPI.COMM_SELF)
        shared = SharedSums(WANTED.shapes[0], len(UNITS), memory, 0)
        self.held = HalfSums(shared, scales=None)  # type: ignore[arg-type]
        place = Place(folder, writer, interval_s)
        self.flushing = Flushing(place, {0: self.held}, {0: key})

    def flush(self, *numbers: int) -> None:
        """Compute some units, then flush."""
        self.compute(*numbers)
        self.flushing.flush()

    def compute(self, *numbers: int) -> None:
        """Compute some units."""
        for number in numbers:
            with self.held.shared.adding(number):
                for array in self.held.sums.arrays():
                    array += number
                self.held.computed.append((UNITS[number], result_of(number)))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return private_folder(tmp_path / "run_parts")


def found(folder: Path, wanted: Wanted = WANTED) -> tuple[set[int], list[str]]:
    """Return the units that are found, having checked their sums and results."""
    stored = find_stored(folder, wanted, ALONE)
    total = sum(int(part.open().noise[0, 0]) for part in stored.parts)
    assert total == sum(stored.units)
    assert {n: r.norm.tolist() for n, r in stored.results.items()} == {
        n: [n] * 3 for n in stored.units
    }
    return stored.units, stored.remarks


def spoil(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 3] ^= 1
    path.write_bytes(content)


def newest(files: Sequence[Path]) -> Path:
    return max(files, key=lambda file: int(file.name.split("_")[3]))


def test_the_last_of_each_rank_is_taken(folder: Path) -> None:
    first, second = Worker(folder, "a_rank001"), Worker(folder, "a_rank002")
    first.flush(0, 3)
    second.flush(1)
    first.flush(5)

    assert found(folder) == ({0, 1, 3, 5}, [])


def test_of_each_rank_the_last_two_are_kept(folder: Path) -> None:
    worker = Worker(folder, "a_rank001")
    for number in range(5):
        worker.flush(number)

    assert len(sums_files(folder)) == len(results_files(folder)) == 2


def test_nothing_new_is_not_written_again(folder: Path) -> None:
    worker = Worker(folder, "a_rank001")
    worker.flush(1)
    before = {file: file.stat().st_mtime_ns for file in folder.iterdir()}
    worker.flush()

    assert {file: file.stat().st_mtime_ns for file in folder.iterdir()} == before


@pytest.mark.parametrize(
    ("interval_s", "worked_s", "flush_s", "expected"),
    [
        pytest.param(600.0, 61.0, 3.0, {0, 3}, id="worth it"),
        pytest.param(600.0, 59.0, 0.1, {0}, id="little was done since the last flush"),
        pytest.param(600.0, 61.0, 3.1, {0}, id="more than 5 % of the work"),
        pytest.param(0.0, 61.0, 0.1, {0}, id="not wanted"),
    ],
)
def test_the_end_of_an_expectation_is_kept_if_that_is_worth_more_than_it_costs(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    interval_s: float,
    worked_s: float,
    flush_s: float,
    expected: set[int],
) -> None:
    now = [100.0]
    monkeypatch.setattr(flushing, "_seconds_per_byte", [0.0])
    monkeypatch.setattr(flushing.time, "monotonic", lambda: now[0])
    worker = Worker(folder, "a_rank001", interval_s=interval_s)
    written = flushing._write

    def slow(*how: Any) -> tuple[int, ...]:
        now[0] += flush_s
        return written(*how)

    monkeypatch.setattr(flushing, "_write", slow)
    worker.flush(0)
    worker.compute(3)
    now[0] += worked_s

    worker.flushing.flush_at_end()

    assert found(folder) == (expected, [])


def test_if_the_last_is_damaged_the_one_before_is_taken(folder: Path) -> None:
    worker = Worker(folder, "a_rank001")
    worker.flush(0, 3)
    worker.flush(5, 6)
    spoil(newest(sums_files(folder)))

    units, (remark,) = found(folder)

    assert units == {0, 3}
    assert "a_rank001_2_sums.h5 is damaged" in remark


def test_sums_without_their_results_are_not_taken(folder: Path) -> None:
    worker = Worker(folder, "a_rank001")
    worker.flush(0, 3)
    worker.flush(5, 6)
    newest(results_files(folder)).unlink()

    assert found(folder) == ({0, 3}, [])


def test_results_may_come_from_another_file(folder: Path) -> None:
    # Where ranks add to the same sums, each keeps the results of its own units.
    worker = Worker(folder, "a_rank001")
    worker.flush(0, 3)
    results_files(folder)[0].unlink()
    for number in (0, 3):
        file = part_files(folder, 0, f"a_rank00{number}", 1).results
        parts.write_results(file, KEY, [number], stacked([result_of(number)]))

    assert found(folder) == ({0, 3}, [])


def test_damaged_results_cost_their_part(folder: Path) -> None:
    worker = Worker(folder, "a_rank001")
    worker.flush(0, 3)
    spoil(results_files(folder)[0])

    units, (remark,) = found(folder)

    assert units == set()
    assert "a_rank001_1_results.h5" in remark


@pytest.mark.parametrize("key", [PartKey(0, "another state"), PartKey(1, "state")])
def test_parts_of_another_state_are_not_taken(folder: Path, key: PartKey) -> None:
    Worker(folder, "a_rank001", key).flush(0, 3)
    Worker(folder, "a_rank002").flush(1)

    units, (remark,) = found(folder)

    assert units == {1}
    assert "a_rank001_1_sums.h5: found sums of another state of the run" in remark


def test_parts_of_other_shapes_and_units_are_not_taken(folder: Path) -> None:
    Worker(folder, "a_rank001").flush(0, 3)

    for wanted in (
        Wanted({0: KEY}, {0: ((2, 41, 3), *WANTED.shapes[0][1:])}, UNITS, 2),
        Wanted({0: KEY}, WANTED.shapes, UNITS[:3], 2),
        Wanted({0: KEY}, WANTED.shapes, UNITS, 3),
    ):
        assert found(folder, wanted)[0] == set()


def test_no_unit_is_taken_twice() -> None:
    sets = {"a": (1, 2), "b": (2, 3, 4), "c": (1,), "d": (5,), "e": (4, 5)}
    chosen = disjoint([StoredPart(Path(name), KEY, units) for name, units in sets.items()])

    assert [part.path.name for part in chosen] == ["b", "c", "d"]


def test_sums_to_which_a_unit_was_added_by_halves_are_not_written(folder: Path) -> None:
    worker = Worker(folder, "a_rank001")
    worker.flush(0)
    with suppress(DataError), worker.held.shared.adding(2):
        raise DataError("too bright")
    worker.flush(3)

    assert found(folder) == ({0}, [])


def test_a_folder_that_vanished_costs_the_checkpoint_and_not_the_run(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    worker = Worker(folder, "a_rank001")
    worker.flush(0)
    empty_folder(folder)
    assert not folder.exists()

    worker.flush(1)
    worker.flush(2)

    said = capsys.readouterr().err
    assert said.count("the run goes on without a checkpoint") == 1
    assert str(folder) in said


def test_only_our_files_are_removed(folder: Path) -> None:
    Worker(folder, "a_rank001").flush(0)
    (folder / ".half1_a_rank002_1_sums.h5.part").touch()
    (folder / "notes.txt").touch()

    empty_folder(folder)

    assert [file.name for file in folder.iterdir()] == ["notes.txt"]
