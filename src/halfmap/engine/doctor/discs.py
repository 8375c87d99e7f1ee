"""The folder of the results, and the disc for copies: what they can, and how fast they are."""

import contextlib
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from halfmap.engine.doctor.findings import Finding, Patient, Verdict
from halfmap.io.atomic import replacing, write_remedy
from halfmap.io.scratch.folder import NETWORK_SYSTEMS, file_system, try_lock

TRIAL_BYTES = 64 * 2**20
SLOW_MB = 50.0
"""MB/s, written and flushed. A disc of this century does 100."""


def output_folder(patient: Patient) -> Finding:
    """Try what writing results relies on: replacing, flushing, locking, HDF5."""
    topic = f"output {patient.folder}"
    try:
        with _trial_folder(patient.folder) as folder:
            _replace(folder / "file")
            lockable = _lockable(folder / "lock")
            hdf5 = _hdf5_works(folder / "file.h5")
            written, _ = _speed(folder / "speed")
    except OSError as error:
        return _unusable(topic, error)
    text, numbers = _described(patient.folder, written)
    if not hdf5:
        to_do = "export HDF5_USE_FILE_LOCKING=FALSE (its files cannot be locked there)"
        return Finding(topic, Verdict.BAD, f"{text}; HDF5 cannot write there", to_do, numbers)
    if not lockable:
        text = f"{text}; files cannot be locked"
        return Finding(topic, Verdict.NOTE, text, "mount it with locking if you can", numbers)
    return _judged(topic, text, written, numbers)


def scratch_disc(patient: Patient) -> Finding:
    """Measure the disc for copies of images; it has to be one of the node."""
    if patient.scratch is None:
        text = "not examined: no --scratch_dir given"
        return Finding("scratch", Verdict.GOOD, text)
    topic = f"scratch {patient.scratch}"
    try:
        with _trial_folder(patient.scratch) as folder:
            lockable = _lockable(folder / "lock")
            written, read = _speed(folder / "speed")
    except OSError as error:
        return _unusable(topic, error)
    text, numbers = _described(patient.scratch, written)
    text += f", read with {read:.0f} MB/s"
    numbers["read_MB_per_s"] = round(read)
    kind = file_system(patient.scratch)
    if kind in NETWORK_SYSTEMS:
        to_do = "name a folder on a disc of the node itself: copies over the network gain nothing"
        return Finding(topic, Verdict.BAD, f"{text}; it is a network file system", to_do, numbers)
    if not lockable:
        to_do = "take a folder on another disc: copies are shared under locks"
        return Finding(topic, Verdict.BAD, f"{text}; files cannot be locked", to_do, numbers)
    return _judged(topic, text, written, numbers)


def _judged(
    topic: str, text: str, written: float, numbers: dict[str, float | int | str]
) -> Finding:
    if written < SLOW_MB:
        to_do = "ask those who run the file system, or take another folder"
        return Finding(topic, Verdict.NOTE, f"{text}: slow", to_do, numbers)
    return Finding(topic, Verdict.GOOD, text, "", numbers)


def _unusable(topic: str, error: OSError) -> Finding:
    to_do = write_remedy(error) or "take another folder"
    return Finding(topic, Verdict.BAD, f"cannot be used: {error.strerror or error}", to_do)


@contextlib.contextmanager
def _trial_folder(above: Path) -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix=".halfmap-doctor-", dir=above))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _replace(file: Path) -> None:
    file.write_bytes(b"old")
    with file.open("rb") as reader:
        with replacing(file) as beside:
            beside.write_bytes(b"new")
        if (reader.read(), file.read_bytes()) != (b"old", b"new"):
            raise OSError("a file that is replaced changes under its reader")


def _lockable(file: Path) -> bool:
    first, second = (os.open(file, os.O_RDWR | os.O_CREAT, 0o600) for _ in range(2))
    try:
        return try_lock(first) and not try_lock(second)
    except OSError:
        return False
    finally:
        os.close(first)
        os.close(second)


def _hdf5_works(file: Path) -> bool:
    import h5py  # not before it is needed: start-up

    try:
        with h5py.File(file, "w") as out:
            out["numbers"] = [1, 2, 3]
        with h5py.File(file, "r") as back:
            return list(back["numbers"]) == [1, 2, 3]
    except OSError:
        return False


def _speed(file: Path) -> tuple[float, float]:
    """Return how fast is written and flushed, and read again (MB/s)."""
    block = os.urandom(2**20)
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        start = time.perf_counter()
        for _ in range(TRIAL_BYTES // len(block)):
            _write_all(descriptor, block)
        os.fsync(descriptor)
        written = time.perf_counter() - start
        if hasattr(os, "posix_fadvise"):  # else it is read from memory
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        os.lseek(descriptor, 0, os.SEEK_SET)
        start = time.perf_counter()
        while os.read(descriptor, len(block)):
            pass
        read = time.perf_counter() - start
    finally:
        os.close(descriptor)
    return TRIAL_BYTES / 1e6 / written, TRIAL_BYTES / 1e6 / read


def _write_all(descriptor: int, block: bytes) -> None:
    left = memoryview(block)
    while left:
        left = left[os.write(descriptor, left) :]


def _described(folder: Path, written: float) -> tuple[str, dict[str, float | int | str]]:
    free, kind = shutil.disk_usage(folder).free, file_system(folder)
    text = f"{kind}, {free / 1e9:.1f} GB free, written and flushed with {written:.0f} MB/s"
    return text, {
        "file_system": kind,
        "free_GB": round(free / 1e9, 1),
        "written_MB_per_s": round(written),
    }
