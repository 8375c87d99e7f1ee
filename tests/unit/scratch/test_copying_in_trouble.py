"""Copying where discs are full or fail, and copies that are not what they were."""

import errno
import os
from pathlib import Path

import numpy as np
import pytest

from halfmap.io.scratch import copying
from halfmap.io.scratch.copy import StackCopy
from halfmap.io.scratch.folder import ScratchUnusable
from halfmap.io.scratch.store import disc_room

from .conftest import BOX, ONE, Reader, Store, only


def test_a_full_disc_leaves_the_rest_to_the_stacks(
    paths: list[str], images: np.ndarray, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = StackCopy.write_images

    def fill(copy: StackCopy, first: int, raw: np.ndarray) -> None:
        if len(raw) == 7:  # the third stack
            write(copy, first, raw[:3])
            raise OSError(errno.ENOSPC, "No space left on device")
        write(copy, first, raw)

    monkeypatch.setattr(StackCopy, "write_images", fill)
    reader = Reader(store(), paths)

    tally = reader.copy_all()

    assert tally.full
    assert tally.n_there == 8
    assert tally.problems == []
    np.testing.assert_array_equal(reader.read_all(), images)


def test_space_that_is_to_be_left_free_is_left_free(
    paths: list[str], images: np.ndarray, store: Store
) -> None:
    reader = Reader(store(), paths)
    room = iter([10**9, 10**9, 100])  # bytes, before each piece
    reader.store._room = lambda _: next(room)

    tally = reader.copy_all()

    assert tally.full
    assert tally.n_there == 8
    np.testing.assert_array_equal(reader.read_all(), images)


def test_room_is_what_the_disc_has_less_what_is_kept_free(scratch: Path) -> None:
    descriptor = os.open(scratch, os.O_RDONLY)
    status = os.statvfs(scratch)

    found = disc_room(10**9)(descriptor)

    os.close(descriptor)
    # Others write on the same disc meanwhile.
    assert found == pytest.approx(status.f_bavail * status.f_frsize - 10**9, abs=2 * 10**9)


def test_a_disc_that_fails_ends_the_copying_with_its_reason(
    paths: list[str], images: np.ndarray, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(StackCopy, "write_images", fail)
    reader = Reader(store(), paths)

    with pytest.raises(ScratchUnusable, match="Input/output error"):
        reader.copy_all()

    np.testing.assert_array_equal(reader.read_all(), images)


def test_a_stack_that_is_written_to_meanwhile_is_not_copied(
    paths: list[str], store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = StackCopy.write_images

    def touch(copy: StackCopy, first: int, raw: np.ndarray) -> None:
        write(copy, first, raw)
        if len(raw) == 3:
            Path(paths[1]).write_bytes(Path(paths[1]).read_bytes())

    monkeypatch.setattr(StackCopy, "write_images", touch)
    reader = Reader(store(), paths)

    tally = reader.copy_all()

    (problem,) = tally.problems
    assert problem.startswith(f"{paths[1]} has changed while it was copied")
    assert tally.n_there == 12


def test_a_stack_that_shrinks_is_named_and_the_others_are_copied(
    paths: list[str], store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin = copying.identify

    def shrink(path: str) -> object:
        found = begin(path)
        if path == paths[1]:
            os.truncate(path, 1024 + 2 * BOX * BOX * 4)
        return found

    monkeypatch.setattr(copying, "identify", shrink)
    reader = Reader(store(), paths)

    tally = reader.copy_all()

    (problem,) = tally.problems
    assert paths[1] in problem
    assert tally.n_there == 12


def test_a_copy_that_was_cut_off_is_not_believed(
    paths: list[str], images: np.ndarray, store: Store, scratch: Path
) -> None:
    reader = Reader(store(), paths[:1])
    reader.copy(*ONE)
    os.truncate(only(scratch, ".images"), 3 * BOX * BOX * 4 + 10)

    np.testing.assert_array_equal(reader.source.read(*ONE, BOX), images[:5])
    assert reader.copied.n_spoilt == 2


def test_pixels_that_changed_on_scratch_are_read_from_the_stack(
    paths: list[str], images: np.ndarray, store: Store, scratch: Path
) -> None:
    reader = Reader(store(), paths[:1])
    reader.copy(*ONE)
    with only(scratch, ".images").open("r+b") as file:
        file.seek(2 * BOX * BOX * 4 + 40)
        file.write(b"\x01")

    for _ in range(2):  # found out once
        np.testing.assert_array_equal(reader.source.read(*ONE, BOX), images[:5])
    assert reader.copied.n_spoilt == 1


@pytest.mark.parametrize("ending", [".marks", ".images"])
def test_a_copy_that_vanished_is_no_error(
    paths: list[str], images: np.ndarray, store: Store, scratch: Path, ending: str
) -> None:
    reader = Reader(store(), paths[:1])
    reader.copy(*ONE)
    only(scratch, ending).unlink()

    np.testing.assert_array_equal(reader.source.read(*ONE, BOX), images[:5])
    assert reader.copied.lost == "No such file or directory"


def test_marks_that_were_cut_off_count_as_absent(
    paths: list[str], images: np.ndarray, store: Store, scratch: Path
) -> None:
    reader = Reader(store(), paths[:1])
    reader.copy(*ONE)
    marks = only(scratch, ".marks")
    os.truncate(marks, marks.stat().st_size - 12)

    np.testing.assert_array_equal(reader.source.read(*ONE, BOX), images[:5])
    assert not reader.store.open(reader.copied._plans[0]).is_sound()
