"""Parts: the sums of some units of one half in one iteration, in files.

A part is a checkpoint in the middle of an iteration, and what is added up when the reduction goes
through files. It is complete or absent, names its units, and says by a fingerprint from which
state of the run it was computed. The results of the particles of those units stand in files of
their own: a unit is done if a good part has it and its results are there.

The integers of the volumes are written past HDF5 (`halfmap.io.sealed`), one piece after the
other, each with a CRC-32; they are never held twice.
"""

import errno
import os
import shutil
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from resource import RLIMIT_FSIZE, getrlimit

import numpy as np
from jaxtyping import Int64, UInt32
from numpy import ndarray as Array

from halfmap.io import sealed
from halfmap.io.atomic import replacing
from halfmap.io.sealed import DamagedError
from halfmap.model.sums import ExpectationSums

SUMS, RESULTS = "_sums.h5", "_results.h5"
PIECE_VOXELS = 2**20
"""Voxels of three integers that are checked together: 24 MiB."""
SMALL_BYTES = 2**20
"""For what stands beside the volumes."""
_INTEGER = "<i8"


@dataclass(frozen=True, slots=True)
class PartKey:
    """What a part belongs to."""

    half: int
    fingerprint: str
    """Of all that the sums depend on but the units."""


@dataclass(frozen=True, slots=True)
class Part:
    """A file of sums: what is known without reading the volumes."""

    path: Path
    key: PartKey
    units: tuple[int, ...]
    shape: tuple[int, int, int]
    """Classes, voxels, 3."""
    noise: Int64[Array, "optics shell"]
    directions: Int64[Array, "class direction"]
    checksums: UInt32[Array, "class piece"]
    start: int
    """First byte of the volumes."""

    def pieces(self, class_index: int) -> Iterator[tuple[slice, Int64[Array, "voxel 3"]]]:
        """Yield the voxels of a class and where they belong, a piece at a time.

        Raises
        ------
        DamagedError
            If a piece is not what was written.
        """
        with sealed.opened(self.path) as descriptor:
            for number, rows in enumerate(piece_slices(self.shape[1])):
                first = self.start + 24 * (class_index * self.shape[1] + rows.start)
                values = np.empty((rows.stop - rows.start, 3), _INTEGER)
                _fill(self.path, descriptor, values, first)
                if zlib.crc32(values.data) != self.checksums[class_index, number]:
                    raise DamagedError(
                        f"{self.path} is damaged: the checksum of piece {number + 1} of class "
                        f"{class_index + 1} is wrong"
                    )
                yield rows, values

    def check(self) -> None:
        """Read all of it and raise `DamagedError` if it is not what was written."""
        for class_index in range(self.shape[0]):
            for _ in self.pieces(class_index):
                pass


def piece_slices(n_voxels: int) -> Iterator[slice]:
    """Cut the voxels of a volume into pieces.

    >>> list(piece_slices(3))
    [slice(0, 3, None)]
    """
    for start in range(0, n_voxels, PIECE_VOXELS):
        yield slice(start, min(start + PIECE_VOXELS, n_voxels))


def write_part(
    path: Path,
    key: PartKey,
    sums: ExpectationSums,
    units: Callable[[], Sequence[int]],
    lock: AbstractContextManager[object],
) -> None:
    """Write the sums of some units.

    Parameters
    ----------
    path
        File to be made or replaced.
    sums
        Read, and asked for their units, while ``lock`` is held: nobody adds to them meanwhile.
        What takes long beside that (making the file, having it brought to the disc) comes before
        and after.
    units
        Numbers of the units that the sums hold.

    Raises
    ------
    DataError
        If the file cannot be written: there is no room, or no folder.
    """
    volume = sums.volume
    with replacing(path) as beside:
        _check_room(path, volume.nbytes + SMALL_BYTES)
        with sealed.Draft((volume.shape, _INTEGER)) as draft, sealed.created(beside) as descriptor:
            with lock:
                checksums = _write_volume(descriptor, draft.start, volume)
                small = {"noise": sums.noise.copy(), "directions": sums.directions.copy()}
                numbers = np.array(units(), np.int64)
            arrays = {**small, "checksums": checksums, "units": numbers}
            notes = {"kind": "sums", "half": key.half, "fingerprint": key.fingerprint}
            draft.finish(descriptor, arrays, notes)


def read_part(path: Path) -> Part:
    """Return what a file of sums says of itself, without its volumes.

    Raises
    ------
    DamagedError
        If the file is damaged, or not one of sums.
    OSError
        If the system cannot read it.
    """
    arrays, notes, seal = sealed.read(path)
    try:
        units, checksums = arrays["units"], arrays["checksums"]
        noise, directions = arrays["noise"], arrays["directions"]
        kinds = [noise.dtype, directions.dtype, units.dtype] == [np.dtype(_INTEGER)] * 3
        n_classes, n_pieces = checksums.shape
        n_voxels = seal.bulk[1] // (24 * n_classes)
        good = notes["kind"] == "sums" and kinds and checksums.dtype == np.uint32
        good &= noise.ndim == directions.ndim == 2 and units.ndim == 1
        good &= seal.bulk[1] == 24 * n_classes * n_voxels
        good &= n_pieces == len(list(piece_slices(n_voxels)))
        key = PartKey(int(notes["half"]), str(notes["fingerprint"]))
    except (KeyError, ValueError, TypeError, ZeroDivisionError) as error:
        raise DamagedError(f"{path} is not a file of sums ({error!r})") from error
    if not good:
        raise DamagedError(f"{path} is not a file of sums")
    numbers = tuple(map(int, units))
    shape = (n_classes, n_voxels, 3)
    return Part(path, key, numbers, shape, noise, directions, checksums, seal.bulk[0])


def write_results(
    path: Path, key: PartKey, units: Sequence[int], rows: Mapping[str, Array]
) -> None:
    """Write the results of the particles of some units, one row each, unit after unit.

    Raises
    ------
    DataError
        If the file cannot be written.
    """
    with replacing(path) as beside:
        arrays = {f"row_{name}": values for name, values in rows.items()}
        notes = {"kind": "results", "half": key.half, "fingerprint": key.fingerprint}
        sealed.write(beside, {**arrays, "units": np.array(units, np.int64)}, notes)


def read_results(path: Path) -> tuple[PartKey, tuple[int, ...], dict[str, Array]]:
    """Return what a results file belongs to, its units, and the rows of their particles.

    Raises
    ------
    DamagedError
        If the file is damaged, or not one of results.
    OSError
        If the system cannot read it.
    """
    arrays, notes, _ = sealed.read(path)
    try:
        if notes["kind"] != "results" or arrays["units"].ndim != 1:
            raise DamagedError(f"{path} is not a file of results")
        units = tuple(map(int, arrays["units"]))
        key = PartKey(int(notes["half"]), str(notes["fingerprint"]))
    except (KeyError, ValueError, TypeError) as error:
        raise DamagedError(f"{path} is not a file of results ({error!r})") from error
    rows = {name[4:]: values for name, values in arrays.items() if name.startswith("row_")}
    return key, units, rows


def _write_volume(
    descriptor: int, start: int, volume: Int64[Array, "class voxel 3"]
) -> UInt32[Array, "class piece"]:
    """Write the integers of all classes and return the checksum of each piece."""
    rows = list(piece_slices(volume.shape[1]))
    checksums = np.zeros((len(volume), len(rows)), np.uint32)
    position = start
    for k, own in enumerate(volume):
        for number, row in enumerate(rows):
            piece = np.ascontiguousarray(own[row], _INTEGER).data.cast("B")
            checksums[k, number] = zlib.crc32(piece)
            position = sealed.write_at(descriptor, piece, position)
    return checksums


def _fill(path: Path, descriptor: int, out: Array, position: int) -> None:
    buffer = out.data.cast("B")
    while len(buffer):
        done = os.preadv(descriptor, [buffer], position)
        if done == 0:
            raise DamagedError(f"{path} has become shorter since it was checked")
        buffer, position = buffer[done:], position + done


def free_bytes(folder: Path) -> int:
    """Return how much we may still write on the disc of a folder."""
    return shutil.disk_usage(folder).free


def _check_room(path: Path, n_bytes: int) -> None:
    """Do not begin what the disc has no room for.

    Raises
    ------
    OSError
        As the system would say it at the end.
    """
    if getrlimit(RLIMIT_FSIZE)[0] in range(n_bytes):  # HDF5 crashes where a file is too large
        raise OSError(errno.EFBIG, os.strerror(errno.EFBIG), str(path))
    if free_bytes(path.parent) < n_bytes:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
