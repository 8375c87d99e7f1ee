"""Files of sums are whole or refused."""

import errno
import fcntl
import os
import threading
from pathlib import Path

import h5py
import numpy as np
import pytest

from halfmap.errors import DataError
from halfmap.io import parts, sealed
from halfmap.io.parts import Part, PartKey, read_part, read_results, write_part, write_results
from halfmap.io.private_folder import is_private_folder, private_folder
from halfmap.io.sealed import DamagedError
from halfmap.model.sums import ExpectationSums

KEY = PartKey(1, "state")
N_VOXELS = 40


@pytest.fixture
def sums(rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch) -> ExpectationSums:
    monkeypatch.setattr(parts, "PIECE_VOXELS", 16)  # three pieces, the last one short
    return ExpectationSums(
        volume=rng.integers(-(2**62), 2**62, (2, N_VOXELS, 3)),
        noise=rng.integers(0, 2**62, (2, 5)),
        directions=rng.integers(0, 2**62, (2, 12)),
    )


@pytest.fixture
def written(tmp_path: Path, sums: ExpectationSums) -> Path:
    path = tmp_path / "half2_a_1_sums.h5"
    write_part(path, KEY, sums, lambda: (4, 7), threading.Lock())
    return path


def volume(part: Part) -> np.ndarray:
    found = np.zeros(part.shape, np.int64)
    for k in range(part.shape[0]):
        for rows, values in part.pieces(k):
            found[k, rows] += values
    return found


def test_what_is_read_is_what_was_summed(written: Path, sums: ExpectationSums) -> None:
    part = read_part(written)

    assert (part.key, part.units, part.shape) == (KEY, (4, 7), sums.volume.shape)
    np.testing.assert_array_equal(volume(part), sums.volume)
    np.testing.assert_array_equal(part.noise, sums.noise)
    np.testing.assert_array_equal(part.directions, sums.directions)


def test_any_hdf5_tool_reads_the_sums(written: Path, sums: ExpectationSums) -> None:
    with h5py.File(written) as file:
        np.testing.assert_array_equal(file["bulk"][()], sums.volume)
        assert file["units"][()].tolist() == [4, 7]


def test_a_damaged_byte_is_found_wherever_it_is(written: Path) -> None:
    content = written.read_bytes()
    n_refused = 0
    for place in range(0, len(content), 7):
        spoilt = bytearray(content)
        spoilt[place] ^= 0x10
        written.write_bytes(spoilt)
        try:
            read_part(written).check()
        except DamagedError:
            n_refused += 1

    # Blanks that fill the seal up say nothing: another character there cannot be read as JSON.
    assert n_refused == len(range(0, len(content), 7))


@pytest.mark.parametrize("length", [0, 100, 512, 2000, -1])
def test_a_file_that_was_cut_is_refused(written: Path, length: int) -> None:
    size = written.stat().st_size
    os.truncate(written, length if length >= 0 else size + length)

    with pytest.raises(DamagedError, match=r"half2_a_1_sums\.h5"):
        read_part(written)


def test_a_file_that_is_cut_while_it_is_read_is_refused(written: Path) -> None:
    part = read_part(written)
    os.truncate(written, part.start + 100)

    with pytest.raises(DamagedError, match="has become shorter"):
        part.check()


def test_a_size_that_is_claimed_is_not_believed(written: Path) -> None:
    content = bytearray(written.read_bytes())
    seal = content[:512].replace(b'"bulk": [', b'"bulk": [9', 1)[:512]
    written.write_bytes(seal + content[512:])

    with pytest.raises(DamagedError, match="where it cannot lie"):
        read_part(written)


def test_links_and_pipes_are_refused(written: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(written)
    os.mkfifo(tmp_path / "pipe")

    for name, reason in (("link", "is a link"), ("pipe", "not an ordinary file")):
        with pytest.raises(DamagedError, match=reason):
            read_part(tmp_path / name)


def test_a_link_in_the_way_is_replaced_and_not_followed(
    tmp_path: Path, sums: ExpectationSums
) -> None:
    precious = tmp_path / "precious"
    precious.write_text("keep me")
    path = tmp_path / "half1_a_1_sums.h5"
    path.symlink_to(precious)
    (tmp_path / f".{path.name}.part").symlink_to(precious)

    write_part(path, KEY, sums, lambda: (1,), threading.Lock())

    assert precious.read_text() == "keep me"
    assert not path.is_symlink()
    read_part(path).check()


def test_results_are_no_sums_and_sums_are_no_results(written: Path, tmp_path: Path) -> None:
    write_results(tmp_path / "r.h5", KEY, [4, 7], {"norm": np.arange(3.0)})

    key, units, rows = read_results(tmp_path / "r.h5")

    assert (key, units, rows["norm"].tolist()) == (KEY, (4, 7), [0.0, 1.0, 2.0])
    with pytest.raises(DamagedError, match="not a file of sums"):
        read_part(tmp_path / "r.h5")
    with pytest.raises(DamagedError, match="not a file of results"):
        read_results(written)


def test_a_file_that_somebody_has_locked_can_be_read(written: Path) -> None:
    # Some network file systems have no locks, or lose them: HDF5 is told to leave them alone.
    with written.open("r+b") as other:
        fcntl.flock(other, fcntl.LOCK_EX)

        assert read_part(written).units == (4, 7)


def test_a_full_disc_leaves_the_part_before(
    written: Path, sums: ExpectationSums, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parts, "free_bytes", lambda _: sums.volume.nbytes - 1)

    with pytest.raises(DataError, match="The disc is full"):
        write_part(written, KEY, sums, lambda: (1, 2, 3), threading.Lock())

    assert read_part(written).units == (4, 7)
    assert [file.name for file in written.parent.iterdir()] == [written.name]


@pytest.mark.parametrize("written_before", [0, 100, 1500, 2900, 3800])
def test_a_disc_that_fills_while_a_part_is_written_leaves_nothing(
    tmp_path: Path, sums: ExpectationSums, monkeypatch: pytest.MonkeyPatch, written_before: int
) -> None:
    # HDF5 would crash at some of these places: it never writes to the disc.
    left = [written_before]
    pwrite = os.pwrite

    def until_full(descriptor: int, data: memoryview, position: int) -> int:
        if left[0] == 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        done = pwrite(descriptor, data[: left[0]], position)
        left[0] -= done
        return done

    monkeypatch.setattr(os, "pwrite", until_full)

    with pytest.raises(DataError, match="The disc is full"):
        write_part(tmp_path / "half1_a_1_sums.h5", KEY, sums, lambda: (1,), threading.Lock())

    assert list(tmp_path.iterdir()) == []


def test_sums_wait_for_nothing_but_the_copying(
    tmp_path: Path, sums: ExpectationSums, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock = threading.Lock()
    held: dict[str, bool] = {}

    def noting(name: str, function: object) -> object:
        def call(*args: object) -> object:
            held[name] = lock.locked()
            return function(*args)  # type: ignore[operator]

        return call

    for name in ("__init__", "finish"):
        monkeypatch.setattr(sealed.Draft, name, noting(name, getattr(sealed.Draft, name)))
    monkeypatch.setattr(parts, "_write_volume", noting("copy", parts._write_volume))
    write_part(tmp_path / "p.h5", KEY, sums, lambda: (1,), lock)

    assert held == {"__init__": False, "copy": True, "finish": False}


@pytest.mark.parametrize("mode", [0o755, 0o770, 0o701])
def test_a_folder_that_is_open_to_others_is_refused(tmp_path: Path, mode: int) -> None:
    folder = tmp_path / "parts"
    folder.mkdir()
    folder.chmod(mode)

    with pytest.raises(DataError, match="open to others"):
        private_folder(folder)
    assert not is_private_folder(folder)


def test_a_folder_of_ours_is_made_for_us_alone(tmp_path: Path) -> None:
    assert private_folder(tmp_path / "parts").stat().st_mode & 0o777 == 0o700
    (tmp_path / "link").symlink_to(tmp_path / "parts")

    with pytest.raises(DataError, match="is a link or a file"):
        private_folder(tmp_path / "link")
    with pytest.raises(DataError, match="does not exist"):
        private_folder(tmp_path / "no" / "parts")
