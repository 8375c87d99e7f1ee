"""Copies hold what the stacks hold, made by one or by many."""

import os
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import mrcfile
import numpy as np
import pytest

from halfmap.io.image_form import ImageForm
from halfmap.io.mrc import write_stack
from halfmap.io.scratch import copying
from halfmap.io.scratch.copy import StackCopy
from halfmap.io.scratch.copying import wanted_stacks

from .conftest import BOX, ONE, Reader, Store, every_image, files, only, spoil

HALF_PRECISION = ImageForm(rounds=True)


def test_images_come_from_the_copies(paths: list[str], images: np.ndarray, store: Store) -> None:
    reader = Reader(store(), paths)

    tally = reader.copy_all()

    for path in paths:
        spoil(path)
    np.testing.assert_array_equal(reader.read_all(), images)
    assert tally.n_there == tally.n_wanted == len(images)
    assert tally.bytes_there == tally.bytes_wanted == images.nbytes


def test_only_the_images_that_are_wanted_are_copied_and_each_once(
    paths: list[str], images: np.ndarray, store: Store, scratch: Path
) -> None:
    reader = Reader(store(), paths[:1])

    tally = reader.copy(np.zeros(4, int), np.array([3, 1, 3, 1]))

    assert tally.n_there == tally.n_wanted == 2
    content = np.fromfile(only(scratch, ".images"), np.float32).reshape(-1, BOX, BOX)
    np.testing.assert_array_equal(content[[1, 3]], images[[1, 3]])
    assert not content[[0, 2]].any()
    np.testing.assert_array_equal(reader.source.read(*ONE, BOX), images[:5])


@pytest.mark.parametrize("dtype", [">f4", "i1", "<i2", ">u2", "<f2", "f4"])
def test_values_are_those_of_the_stack_whatever_their_type(
    tmp_path: Path, store: Store, dtype: str
) -> None:
    values = np.arange(4 * BOX * BOX).reshape(4, BOX, BOX) % 100
    with mrcfile.new(tmp_path / "s.mrcs") as mrc:
        mrc.set_data(values.astype(dtype))
    reader = Reader(store(), [str(tmp_path / "s.mrcs")])

    assert reader.copy(np.zeros(4, int), np.arange(4)).n_there == 4

    spoil(str(tmp_path / "s.mrcs"))
    found = reader.source.read(np.zeros(2, int), np.array([1, 2]), BOX)
    np.testing.assert_array_equal(found, values[1:3])


def test_many_copy_together_and_no_image_twice(
    paths: list[str], images: np.ndarray, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(copying, "PIECE_BYTES", 2 * BOX * BOX * 4)
    written = []
    write = StackCopy.write_images

    def count(copy: StackCopy, first: int, raw: np.ndarray) -> None:
        written.extend((copy.plan.key, first + n) for n in range(len(raw)))
        write(copy, first, raw)

    monkeypatch.setattr(StackCopy, "write_images", count)
    readers = [Reader(store(), paths) for _ in range(4)]

    with ThreadPoolExecutor(4) as threads:
        tallies = list(threads.map(Reader.copy_all, readers))

    assert len(written) == len(set(written)) == len(images)
    assert [tally.n_there for tally in tallies] == [len(images)] * 4
    np.testing.assert_array_equal(readers[3].read_all(), images)


def test_a_piece_is_taken_over_from_one_that_died_with_it(
    paths: list[str], store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Waits as long as the piece is held, and copies it when the lock has gone."""
    monkeypatch.setattr(copying, "WAIT_S", 0.01)
    first, second = Reader(store(), paths[:1]), Reader(store(), paths[:1])
    first.copy(np.zeros(1, int), np.zeros(1, int))
    held = first.store.open(first.copied._plans[0])
    assert held.try_claim(2, 1)
    looks = []

    def pace() -> bool:
        looks.append(None)
        if len(looks) == 5 and held.marks >= 0:
            os.close(held.marks)  # as the system does for a process that dies
            held.marks = -1
        return len(looks) < 100

    tally = second.copy(*ONE, pace=pace)

    assert 5 < len(looks) < 100
    assert tally.n_there == 5


def test_reading_goes_on_while_copying(
    paths: list[str], images: np.ndarray, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(copying, "PIECE_BYTES", BOX * BOX * 4)
    reader, stop = Reader(store(), paths), threading.Event()
    seen = []

    def look() -> None:
        while not stop.is_set():
            seen.append(np.array_equal(reader.read_all(), images))

    with ThreadPoolExecutor(2) as threads:
        looking = threads.submit(look)
        threads.submit(reader.copy_all).result()
        stop.set()
        looking.result()

    assert seen
    assert all(seen)


def test_copying_stops_when_it_is_told_to(paths: list[str], store: Store) -> None:
    reader, calls = Reader(store(), paths), []

    def pace() -> bool:
        calls.append(None)
        return len(calls) < 4  # before a stack and before a piece

    tally = reader.copy_all(pace=pace)

    assert tally.n_there == 5  # one stack, one piece
    assert tally.n_wanted == 15


# --- what is there already


def test_what_is_there_is_used_and_not_copied_again(
    paths: list[str], images: np.ndarray, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = Reader(store(), paths), Reader(store(), paths)
    first.copy(*ONE)
    added = []
    write = StackCopy.write_images
    monkeypatch.setattr(
        StackCopy, "write_images", lambda c, i, raw: (added.append(len(raw)), write(c, i, raw))
    )

    tally = second.copy_all()

    assert added == [3, 7]
    assert tally.n_there == len(images)
    np.testing.assert_array_equal(second.read_all(), images)


def test_of_a_piece_only_what_is_absent_is_copied(
    paths: list[str], store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader, added = Reader(store(), paths[:1]), []
    reader.copy(np.zeros(2, int), np.array([1, 2]))
    write = StackCopy.write_images
    monkeypatch.setattr(
        StackCopy, "write_images", lambda c, i, raw: (added.append((i, len(raw))), write(c, i, raw))
    )

    reader.copy(*ONE)

    assert added == [(0, 1), (3, 2)]


def test_copies_can_be_used_without_adding_to_them(
    paths: list[str], images: np.ndarray, store: Store, scratch: Path
) -> None:
    Reader(store(), paths).copy(*ONE)
    before = files(scratch)
    reader = Reader(store(), paths)

    tally = reader.copy_all(adds=False)

    assert tally.n_there == 5
    assert [name for name in files(scratch) if name not in before] == [reader.store._user]
    spoil(paths[0])
    np.testing.assert_array_equal(reader.read_all(), images)


def test_a_copy_of_another_stack_of_that_name_is_never_used(paths: list[str], store: Store) -> None:
    Reader(store(), paths).copy_all()
    spoil(paths[0])  # same name, size, header and time
    with Path(paths[0]).open("rb") as file:
        file.seek(1024)
        expected = np.fromfile(file, np.float32).reshape(-1, BOX, BOX)
    reader = Reader(store(), paths)

    reader.copy_all()

    np.testing.assert_array_equal(reader.source.read(*ONE, BOX), expected)


def test_foreign_content_under_the_name_of_a_copy_is_replaced(
    paths: list[str], images: np.ndarray, store: Store, scratch: Path
) -> None:
    Reader(store(), paths[:1]).copy(*ONE)
    only(scratch, ".marks").write_bytes(b"\x00" * 4000)
    reader = Reader(store(), paths[:1])

    assert reader.copy(*ONE).n_there == 5

    spoil(paths[0])
    np.testing.assert_array_equal(reader.source.read(*ONE, BOX), images[:5])


def test_images_are_wanted_in_the_order_of_the_files() -> None:
    stack, slice_ = every_image()
    order = np.random.default_rng(1).permutation(len(stack))

    found = list(wanted_stacks(stack[order], slice_[order]))

    assert [w.number for w in found] == [0, 1, 2]
    assert [w.slices.tolist() for w in found] == [list(range(n)) for n in (5, 3, 7)]


# --- half precision


def test_half_precision_is_the_same_from_a_stack_and_from_a_copy(
    paths: list[str], images: np.ndarray, store: Store, scratch: Path
) -> None:
    reader = Reader(store(), paths[:1], HALF_PRECISION)
    rounded = images[:5].astype(np.float16).astype(np.float32)

    np.testing.assert_array_equal(reader.source.read(*ONE, BOX), rounded)
    reader.copy(*ONE)

    assert only(scratch, ".images").stat().st_size == 5 * BOX * BOX * 2
    spoil(paths[0])
    np.testing.assert_array_equal(reader.source.read(*ONE, BOX), rounded)


def test_what_half_precision_cannot_hold_stays_as_it_is(
    tmp_path: Path, images: np.ndarray, store: Store
) -> None:
    bright = images[:3].copy()
    bright[1, 0, 0], bright[2, 3, 3] = 70000.0, np.nan
    write_stack(tmp_path / "s.mrcs", np.ones_like(bright), 1.0)
    with (tmp_path / "s.mrcs").open("r+b") as file:
        file.seek(1024)
        file.write(bright.tobytes())
    reader = Reader(store(), [str(tmp_path / "s.mrcs")], HALF_PRECISION)
    three = np.zeros(3, int), np.arange(3)

    tally = reader.copy(*three)

    assert tally.n_there == 1
    found = reader.source.read(*three, BOX)
    np.testing.assert_array_equal(found[1:], bright[1:])
    np.testing.assert_array_equal(found[0], bright[0].astype(np.float16))


@pytest.mark.parametrize("dtype", ["i1", "<i2", "<f2"])
def test_narrow_types_have_no_other_form(tmp_path: Path, store: Store, dtype: str) -> None:
    values = (np.arange(2 * BOX * BOX).reshape(2, BOX, BOX) % 100 * 300).astype(dtype)
    with mrcfile.new(tmp_path / "s.mrcs") as mrc:
        mrc.set_data(values)
    reader = Reader(store(), [str(tmp_path / "s.mrcs")], HALF_PRECISION)
    two = np.zeros(2, int), np.arange(2)

    reader.copy(*two)

    np.testing.assert_array_equal(reader.source.read(*two, BOX), values)
