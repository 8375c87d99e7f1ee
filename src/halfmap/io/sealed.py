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
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

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


def create(path: Path, bulk: tuple[tuple[int, ...], str] | None) -> int:
    """Make a file with room for a large array, in place of any other; return where that begins.

    Parameters
    ----------
    path
        The file.
    bulk
        Shape and type of the array, which gets the name ``bulk``; None: there is none.
    """
    import h5py

    path.unlink(missing_ok=True)  # never write through a link that somebody left there
    with h5py.File(path, "w-", userblock_size=SEAL_BYTES, locking=False) as file:
        if bulk is None:
            return SEAL_BYTES
        plan = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        plan.set_layout(h5py.h5d.CONTIGUOUS)
        plan.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
        plan.set_fill_time(h5py.h5d.FILL_TIME_NEVER)
        shape, dtype = bulk
        kind = h5py.h5t.py_create(np.dtype(dtype))
        dataset = h5py.h5d.create(file.id, b"bulk", kind, h5py.h5s.create_simple(shape), plan)
        return int(dataset.get_offset())


def finish(path: Path, arrays: Mapping[str, Array], notes: Mapping[str, Any]) -> None:
    """Add the small arrays and the notes (what JSON can hold) to a file, and seal it."""
    import h5py

    with h5py.File(path, "r+", locking=False) as file:
        for name, values in arrays.items():
            file.create_dataset(name, data=values)
        file.attrs["notes"] = json.dumps(dict(notes))
        bulk = (SEAL_BYTES, 0)
        if "bulk" in file:
            held = file["bulk"]
            bulk = (int(held.id.get_offset()), int(held.nbytes))
    with path.open("r+b") as raw:
        n_bytes = os.fstat(raw.fileno()).st_size
        seal = Seal(n_bytes, bulk, _digest_of_rest(raw.fileno(), n_bytes, bulk))
        text = json.dumps(asdict(seal)).encode()
        raw.write(text.ljust(SEAL_BYTES))


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
                if name != "bulk":
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
    start, length = bulk
    for first, last in ((SEAL_BYTES, start), (start + length, n_bytes)):
        while first < last:
            block = os.pread(descriptor, min(_BLOCK, last - first), first)
            if not block:
                break  # shorter than it says: the checksum will not agree
            sums.update(block)
            first += len(block)
    return sums.hexdigest()
