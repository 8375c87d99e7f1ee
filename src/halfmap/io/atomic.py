"""Files that are either whole or absent, and folders that can hold them."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from halfmap.errors import DataError

_REMEDIES = {
    errno.ENOSPC: "The disc is full: free some space, or write to another folder.",
    errno.EDQUOT: "Your disc quota is used up: free some space, or write to another folder.",
    errno.EACCES: "You may not write there: change the permissions, or write to another folder.",
    errno.EPERM: "You may not write there: change the permissions, or write to another folder.",
    errno.EROFS: "The file system is mounted read-only: write to another folder.",
    errno.ENOENT: "The folder does not exist: create it first.",
    errno.ENOTDIR: "A part of that path is a file: write to another folder.",
    errno.EFBIG: "The file would be larger than this system allows (see `ulimit -f`).",
    errno.ENAMETOOLONG: "The name is too long: choose a shorter one.",
}


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a name beside ``path`` to write to; move it into place when all is written.

    A reader sees the old file or the new one, never a part. After an error the old file
    is as it was and nothing is left beside it.

    Parameters
    ----------
    path
        The file to be made or replaced.

    Yields
    ------
    Path
        A hidden name in the same folder; the block must create this file.

    Raises
    ------
    DataError
        If the system does not let us write, with what to do about it.
    """
    beside = path.with_name(f".{path.name}.part")
    try:
        yield beside
        _flush(beside)
        beside.replace(path)
        _flush(path.parent)
    except BaseException as error:
        _discard(beside)
        reason = write_remedy(error) if isinstance(error, OSError) else None
        if reason is None:
            raise
        raise DataError(f"{path} could not be written. {reason}") from error


def write_remedy(error: OSError) -> str | None:
    """Say what to do about an error of the file system, or None if it is not one we know."""
    if error.errno in _REMEDIES:
        return _REMEDIES[error.errno]
    # HDF5 hides the number of the error in its text.
    known = (code for code in _REMEDIES if f"'{os.strerror(code)}'" in str(error))
    return next((_REMEDIES[code] for code in known), None)


def _flush(path: Path) -> None:
    """Have the system write a file, or the names in a folder, to the disc."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        # Some network file systems cannot flush a folder; the rename is still atomic.
        if not (path.is_dir() and error.errno in (errno.EINVAL, errno.ENOTSUP, errno.EBADF)):
            raise
    finally:
        os.close(descriptor)


def _discard(path: Path) -> None:
    """Remove a file if it can be removed; the error that brought us here matters more."""
    try:
        path.unlink(missing_ok=True)
    except OSError:
        return
