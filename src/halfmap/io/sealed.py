"""HDF5 files that are recognised as whole before the HDF5 library looks at them.

A damaged HDF5 file can crash the library. So the first bytes of ours, which HDF5 skips (its user
block), say how long the file is, where its one large array lies, and the SHA-256 of everything
else. Only when that agrees is the file opened. The large array is read and written past the
library, piece by piece, each with a checksum that stands among the small arrays.

Any HDF5 tool reads these files; they contain no code, no links and no filters.
"""

import hashlib
import json
import os
import stat
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy import ndarray as Array

from halfmap.errors import DataError

SEAL_BYTES = 512
"""Of the user block: the smallest that HDF5 allows."""
FORMAT = 1
_BLOCK = 2**20
LARGEST_REST = 2**31
"""Bytes beside the large array; more is not ours."""


class DamagedError(DataError):
    """A file is not what was written, or not ours."""


@dataclass(frozen=True, slots=True)
class Seal:
    """What the first bytes of a file say of the others."""

    n_bytes: int
    """Length of the file."""
    bulk: tuple[int, int]
    """Where the large array begins, and its length; (`SEAL_BYTES`, 0) if there is none."""
    sha256: str
    """Of all bytes but the seal and the large array."""
    format: int = FORMAT


class Draft:
    """An HDF5 file in memory whose large array is a hole: it takes no memory.

    The library never writes to a disc. It can crash when a disc is full.

    Parameters
    ----------
    bulk
        Shape and type of the large array, which gets the name ``bulk``; None: there is none.
    """

    def __init__(self, bulk: tuple[tuple[int, ...], str] | None = None) -> None:
        self._bulk = (SEAL_BYTES, 0)
        import h5py

        self._memory = file_without_disc()
        with h5py.File(self._memory, "w", userblock_size=SEAL_BYTES) as file:
            if bulk is not None:
                self._bulk = _hole(file, *bulk)

    def __enter__(self) -> "Draft":
        return self

    def __exit__(self, *error: object) -> None:
        self._memory.close()

    @property
    def start(self) -> int:
        """Where the large array begins."""
        return self._bulk[0]

    def finish(
        self, descriptor: int, arrays: Mapping[str, Array], notes: Mapping[str, Any]
    ) -> None:
        """Write all but the large array to a file.

        Parameters
        ----------
        descriptor
            Of the file; the large array has been written to it, or will be.
        arrays
            Small arrays.
        notes
            What JSON can hold.

        Raises
        ------
        OSError
            If the system cannot write.
        """
        import h5py

        with h5py.File(self._memory, "r+") as file:
            for name, values in arrays.items():
                file.create_dataset(name, data=values)
            file.attrs["notes"] = json.dumps(dict(notes))
        memory = self._memory.fileno()
        n_bytes = os.fstat(memory).st_size
        for first, block in _rest(memory, n_bytes, self._bulk):
            write_at(descriptor, memoryview(block), first)
        digest = _digest_of_rest(memory, n_bytes, self._bulk)
        text = json.dumps(asdict(Seal(n_bytes, self._bulk, digest))).encode()
        write_at(descriptor, memoryview(text.ljust(SEAL_BYTES)), 0)


def file_without_disc() -> BinaryIO:
    """Return a file in memory; on systems that have none, one without a name."""
    if hasattr(os, "memfd_create"):
        return os.fdopen(os.memfd_create("halfmap"), "w+b", buffering=0)
    return tempfile.TemporaryFile(buffering=0)


def _hole(file: Any, shape: tuple[int, ...], dtype: str) -> tuple[int, int]:
    """Give a file an array that is not written, and return where it lies."""
    import h5py

    plan = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    plan.set_layout(h5py.h5d.CONTIGUOUS)
    plan.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
    plan.set_fill_time(h5py.h5d.FILL_TIME_NEVER)
    kind = h5py.h5t.py_create(np.dtype(dtype))
    dataset = h5py.h5d.create(file.id, b"bulk", kind, h5py.h5s.create_simple(shape), plan)
    return int(dataset.get_offset()), int(np.prod(shape)) * np.dtype(dtype).itemsize


def write(path: Path, arrays: Mapping[str, Array], notes: Mapping[str, Any]) -> None:
    """Make a file without a large array, in place of any other.

    Raises
    ------
    OSError
        If the system cannot write.
    """
    with Draft() as draft, created(path) as descriptor:
        draft.finish(descriptor, arrays, notes)


@contextmanager
def created(path: Path) -> Iterator[int]:
    """Make a file for writing, in place of any other; yield its descriptor."""
    path.unlink(missing_ok=True)  # never write through a link that somebody left there
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o666)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def write_at(descriptor: int, piece: memoryview, position: int) -> int:
    """Write all bytes, however few the system takes at once; return where they end."""
    while len(piece):
        done = os.pwrite(descriptor, piece, position)
        piece, position = piece[done:], position + done
    return position


def read(path: Path) -> tuple[dict[str, Array], dict[str, Any], Seal]:
    """Return the small arrays, the notes and the seal of a file that is whole but for its bulk.

    Raises
    ------
    DamagedError
        If the file is damaged, or not one of ours.
    OSError
        If the system cannot read it.
    """
    import h5py

    with opened(path) as descriptor:
        seal = _checked_seal(path, descriptor)
    arrays: dict[str, Array] = {}
    try:
        with h5py.File(path, "r", locking=False) as file:
            notes = dict(json.loads(str(file.attrs["notes"])))
            for name, item in file.items():
                if name == "bulk":
                    continue
                if not isinstance(item, h5py.Dataset) or item.nbytes > seal.n_bytes:
                    raise DamagedError(f"{path}: {name} is larger than the file, or no array")
                arrays[name] = np.asarray(item[()])
    except (KeyError, ValueError, TypeError, RuntimeError) as error:
        raise DamagedError(f"{path} is not a file of this kind ({error})") from error
    return arrays, notes, seal


@contextmanager
def opened(path: Path) -> Iterator[int]:
    """Open a regular file for reading, not through a link; yield its descriptor.

    Raises
    ------
    DamagedError
        If it is something else.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        if path.is_symlink():
            raise DamagedError(f"{path} is a link, expected a file") from error
        raise
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise DamagedError(f"{path} is not an ordinary file")
        yield descriptor
    finally:
        os.close(descriptor)


def _checked_seal(path: Path, descriptor: int) -> Seal:
    n_bytes = os.fstat(descriptor).st_size
    try:
        said = json.loads(os.pread(descriptor, SEAL_BYTES, 0))
        seal = Seal(**{**said, "bulk": tuple(map(int, said["bulk"]))})
        start, length = seal.bulk
    except (ValueError, TypeError, KeyError) as error:
        raise DamagedError(f"{path} does not begin with a seal") from error
    if seal.format != FORMAT:
        raise DamagedError(f"{path} has format {seal.format}; this version reads {FORMAT}")
    if seal.n_bytes != n_bytes:
        raise DamagedError(f"{path} has {n_bytes} bytes, expected {seal.n_bytes}")
    inside = start >= SEAL_BYTES and length >= 0 and start + length <= n_bytes
    if not inside or n_bytes - length > LARGEST_REST:
        raise DamagedError(f"{path} says that its array lies where it cannot lie")
    if _digest_of_rest(descriptor, n_bytes, seal.bulk) != seal.sha256:
        raise DamagedError(f"{path} is damaged: its checksum is wrong")
    return seal


def _digest_of_rest(descriptor: int, n_bytes: int, bulk: tuple[int, int]) -> str:
    """Return the SHA-256 of a file without its seal and its large array."""
    sums = hashlib.sha256(f"{FORMAT} {n_bytes} {bulk[0]} {bulk[1]} ".encode())
    for _, block in _rest(descriptor, n_bytes, bulk):
        sums.update(block)
    return sums.hexdigest()


def _rest(descriptor: int, n_bytes: int, bulk: tuple[int, int]) -> Iterator[tuple[int, bytes]]:
    """Yield all bytes but those of the seal and the large array, and where they are."""
    start, length = bulk
    for first, last in ((SEAL_BYTES, start), (start + length, n_bytes)):
        while first < last:
            block = os.pread(descriptor, min(_BLOCK, last - first), first)
            if not block:
                break  # shorter than it says: the checksum will not agree
            yield first, block
            first += len(block)
