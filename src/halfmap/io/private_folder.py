"""Folders of our own on discs that others can write to: for us alone, and no link in the way."""

import errno
import os
import stat
from contextlib import suppress
from pathlib import Path

from halfmap.errors import DataError
from halfmap.io.atomic import write_remedy

_NO_FOLDER = (errno.ENOTDIR, errno.ELOOP)


def private_folder(path: Path) -> Path:
    """Make a folder that only we can enter, or make sure that one which exists is such.

    Parameters
    ----------
    path
        The folder; its parent must exist.

    Raises
    ------
    DataError
        If it cannot be made, or belongs to somebody else, or others may enter, or it is a link.
    """
    try:
        os.close(open_private_folder(path))
    except OSError as error:
        raise DataError(f"{path} cannot be used. {write_remedy(error) or error}") from error
    return path


def is_private_folder(path: Path) -> bool:
    """Whether a folder is there, and is for us alone."""
    try:
        os.close(_opened(path))
    except (OSError, DataError):
        return False
    return True


def open_private_folder(path: Path) -> int:
    """Do what `private_folder` does, and return a descriptor of the folder.

    Names that count from the descriptor stay in this folder, whatever is put in its place.

    Raises
    ------
    DataError
        If it is a link or a file, belongs to somebody else, or others may enter.
    OSError
        If the system refuses.
    """
    with suppress(FileExistsError):
        path.mkdir(mode=0o700)
    return _opened(path)


def _opened(path: Path) -> int:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError as error:
        if error.errno in _NO_FOLDER and path.parent.is_dir():
            raise DataError(
                f"{path} is a link or a file, expected a folder. Remove it, or choose another place"
            ) from error
        raise
    try:
        _check(path, os.fstat(descriptor))
    except DataError:
        os.close(descriptor)
        raise
    return descriptor


def _check(path: Path, found: os.stat_result) -> None:
    if found.st_uid != os.geteuid():
        raise DataError(
            f"{path} belongs to user {found.st_uid}, expected a folder of ours (user "
            f"{os.geteuid()}). Remove it, or choose another place"
        )
    if found.st_mode & 0o077:
        raise DataError(
            f"{path} is open to others (mode {stat.S_IMODE(found.st_mode):o}), expected a folder "
            f"for its owner alone. Remove it, or close it: chmod 700 {path}"
        )
