"""Copies go when nobody needs them any longer, whatever became of those who did."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from halfmap.io.scratch.folder import ScratchUnusable
from halfmap.io.scratch.store import ScratchStore, disc_room, memory_room

from .conftest import BOX, Reader, Store, files

HOLDING = """
import sys, time
from pathlib import Path
from halfmap.io.scratch.copying import Copying, Tally, wanted_stacks
from halfmap.io.scratch.reading import CopiedImages
from halfmap.io.scratch.store import ScratchStore, disc_room
from halfmap.io.stacks import ImageSource
import numpy as np

store = ScratchStore(Path(sys.argv[1]), disc_room(0))
source, copied = ImageSource([sys.argv[2]]), CopiedImages(store)
wanted = list(wanted_stacks(np.zeros(5, int), np.arange(5)))
Copying(store, source, copied, Tally(), adds=True).run(wanted, lambda: True)
print("ready", flush=True)
time.sleep(600)
"""


@pytest.fixture
def holder(scratch: Path, paths: list[str]):
    """Another process that holds the copy of the first stack."""
    command = [sys.executable, "-c", HOLDING, str(scratch), paths[0]]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        yield process
        process.kill()


def copies(scratch: Path) -> int:
    return sum(name.endswith(".images") for name in files(scratch))


def test_the_last_one_to_leave_removes_everything(
    paths: list[str], store: Store, scratch: Path
) -> None:
    first, second = Reader(store(), paths), Reader(store(), paths[:1])
    first.copy_all()
    second.copy(np.zeros(2, int), np.arange(2))

    first.store.close()
    assert copies(scratch) == 1  # the other one needs it
    second.store.close()

    assert list(scratch.iterdir()) == []


def test_closing_twice_is_closing(store: Store) -> None:
    one = store()
    one.close()
    one.close()


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGKILL])
def test_the_next_one_removes_what_the_dead_have_left(
    holder: subprocess.Popen, scratch: Path, store: Store, end: signal.Signals
) -> None:
    one = store()
    one.sweep()
    assert copies(scratch) == 1  # somebody lives

    holder.send_signal(end)
    holder.wait(30)
    one.sweep()

    assert files(scratch) == ["lock", one._user]


@pytest.mark.usefixtures("holder")
def test_another_process_shares_the_copies(
    paths: list[str], images: np.ndarray, scratch: Path, store: Store
) -> None:
    reader = Reader(store(), paths)

    assert reader.copy_all(adds=False).n_there == 5
    reader.store.close()

    assert copies(scratch) == 1
    np.testing.assert_array_equal(reader.read_all(), images)  # from the stacks


def test_copies_that_are_kept_stay_until_a_run_that_does_not_keep_them_has_used_them(
    paths: list[str], scratch: Path, store: Store
) -> None:
    first = Reader(store(keeps=True), paths)
    first.copy_all()
    first.store.close()
    assert copies(scratch) == 3

    stranger = store()
    stranger.sweep()
    stranger.close()
    assert copies(scratch) == 3

    time.sleep(0.02)  # a clock of the file system ticks every 4 ms
    second = Reader(store(), paths[:1])
    assert second.copy(np.zeros(5, int), np.arange(5), adds=False).n_there == 5
    second.store.close()
    assert copies(scratch) == 2


def test_who_keeps_later_than_one_came_who_does_not_is_not_overruled(
    paths: list[str], scratch: Path, store: Store
) -> None:
    passing = Reader(store(), paths)
    passing.copy_all()
    time.sleep(0.02)
    keeping = Reader(store(keeps=True), paths)
    keeping.copy_all()

    keeping.store.close()
    passing.store.close()

    assert copies(scratch) == 3


def test_kept_copies_of_stacks_that_have_changed_are_removed(
    paths: list[str], scratch: Path, store: Store
) -> None:
    first = Reader(store(keeps=True), paths)
    first.copy_all()
    first.store.close()
    Path(paths[0]).unlink()
    os.utime(paths[1])

    store().sweep()

    assert copies(scratch) == 1


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"a\nb\n[]\n",
        b"a\nb\n{}\n",
        b"a\nb\n" + b"[" * 60_000,
        b'a\nb\n{"path": 3}\n',
        b"\xff" * 900,
        b"\n" * 5,
    ],
    ids=["empty", "a list", "nothing", "deep", "a number", "no text", "lines"],
)
def test_kept_copies_of_who_knows_what_are_removed(
    paths: list[str], scratch: Path, store: Store, text: bytes
) -> None:
    first = Reader(store(keeps=True), paths[:1])
    first.copy(np.zeros(5, int), np.arange(5))
    first.store.close()
    (marks,) = own(scratch).glob("*.marks")
    marks.write_bytes(text)

    store().sweep()

    assert copies(scratch) == 0


def test_what_is_not_ours_is_left_alone(scratch: Path, store: Store) -> None:
    one = store()
    (one.folder.path / "thesis.txt").write_text("all of it")
    (one.folder.path / "user-folder").mkdir()

    one.sweep()
    one.close()

    assert files(scratch) == ["lock", "thesis.txt", "user-folder"]


def test_a_folder_that_vanishes_is_no_error_for_those_who_read(
    paths: list[str], images: np.ndarray, store: Store
) -> None:
    reader = Reader(store(), paths)
    reader.copy(np.zeros(5, int), np.arange(5))
    for file in reader.store.folder.path.iterdir():
        file.unlink()
    reader.store.folder.path.rmdir()

    np.testing.assert_array_equal(reader.read_all(), images)
    with pytest.raises(ScratchUnusable, match="It is gone"):
        reader.copy_all()
    with pytest.raises(ScratchUnusable, match="It is gone"):
        reader.store.close()


# --- folders that are refused


def refusal(parent: Path) -> str:
    with pytest.raises(ScratchUnusable) as caught:
        ScratchStore(parent, disc_room(0))
    return str(caught.value)


def own(scratch: Path) -> Path:
    return scratch / f"halfmap-{os.geteuid()}"


def test_the_folder_is_ours_alone(scratch: Path, store: Store, paths: list[str]) -> None:
    before = os.umask(0)
    try:
        Reader(store(), paths).copy_all()
    finally:
        os.umask(before)

    assert own(scratch).stat().st_mode & 0o777 == 0o700
    assert {file.stat().st_mode & 0o777 for file in own(scratch).iterdir()} == {0o600}


def test_a_folder_that_others_may_enter_is_refused(scratch: Path) -> None:
    own(scratch).mkdir()
    own(scratch).chmod(0o755)

    assert "(mode 755), expected a folder for its owner alone" in refusal(scratch)


def test_a_folder_of_somebody_else_is_refused(scratch: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can give a folder away")
    own(scratch).mkdir(mode=0o700)
    os.chown(own(scratch), 12345, -1)

    assert "belongs to user 12345" in refusal(scratch)


def test_a_link_is_not_followed(scratch: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir(mode=0o700)
    own(scratch).symlink_to(tmp_path / "elsewhere")

    assert "is a link or a file, expected a folder" in refusal(scratch)


def test_a_link_in_place_of_a_copy_is_replaced(
    scratch: Path, tmp_path: Path, paths: list[str], images: np.ndarray, store: Store
) -> None:
    reader = Reader(store(), paths[:1])
    reader.copy(np.zeros(5, int), np.arange(5))
    (victim,) = own(scratch).glob("*.images")
    victim.unlink()
    precious = tmp_path / "precious"
    precious.write_bytes(b"do not touch")
    victim.symlink_to(precious)
    again = Reader(store(), paths[:1])

    assert again.copy(np.zeros(5, int), np.arange(5)).n_there == 5

    assert precious.read_bytes() == b"do not touch"
    found = again.source.read(np.zeros(5, int), np.arange(5), BOX)
    np.testing.assert_array_equal(found, images[:5])


def test_files_are_not_opened_through_links(tmp_path: Path, store: Store) -> None:
    one = store()
    (tmp_path / "precious").write_bytes(b"do not touch")
    (one.folder.path / "x.marks").symlink_to(tmp_path / "precious")

    with pytest.raises(OSError, match="symbolic links"):
        one.folder.open("x.marks", os.O_RDWR)


def test_a_second_name_of_another_file_is_not_written_to(tmp_path: Path, store: Store) -> None:
    one = store()
    precious = tmp_path / "precious"
    precious.write_bytes(b"do not touch")
    (one.folder.path / "x.marks").hardlink_to(precious)

    with pytest.raises(OSError, match="not a file of ours"):
        one.folder.open("x.marks", os.O_RDWR)


def test_no_folder_is_named(tmp_path: Path) -> None:
    assert refusal(tmp_path / "absent") == (
        f"{tmp_path / 'absent'}: no such folder. Make it, or take another one."
    )


def test_a_network_file_system_is_refused(scratch: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("halfmap.io.scratch.store.file_system", lambda _: "nfs4")

    assert "network file system (nfs4), expected a disc of the node" in refusal(scratch)


@pytest.mark.parametrize(
    ("number", "remedy"),
    [(30, "mounted read-only"), (13, "You may not write there"), (28, "The disc is full")],
)
def test_a_folder_that_cannot_be_made_says_why(
    scratch: Path, monkeypatch: pytest.MonkeyPatch, number: int, remedy: str
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(Path, "mkdir", fail)

    assert remedy in refusal(scratch)


def test_a_file_system_without_locks_is_named(
    scratch: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError(37, os.strerror(37))

    monkeypatch.setattr("fcntl.flock", fail)

    assert "Files cannot be locked there" in refusal(scratch)


def test_a_lock_that_is_not_let_go_of_is_named(
    scratch: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("halfmap.io.scratch.folder.PATIENCE_S", 0.05)
    with store().folder.locked():
        assert "found it held for" in refusal(scratch)


def test_memory_for_copies_is_half_of_what_is_free(
    scratch: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    free = iter([1000, 700])
    monkeypatch.setattr("halfmap.io.scratch.store.free_memory", lambda: next(free))
    descriptor = os.open(scratch, os.O_RDONLY)

    left = memory_room()(descriptor)

    os.close(descriptor)
    assert left == 200


def test_each_one_leaves_room_for_what_the_others_are_writing(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("halfmap.io.scratch.store.PIECE_BYTES", 100)
    monkeypatch.setattr("halfmap.io.scratch.store.COUNT_EVERY_S", 0.0)
    first = store()
    first._room = lambda _: 250
    assert first.has_room(250)

    store(), store()

    assert not first.has_room(51)
    assert first.has_room(50)
