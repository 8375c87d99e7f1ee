"""Folders of our own on discs that others can write to: for us alone, and no link in the way."""

import os
import stat
from pathlib import Path

from halfmap.errors import DataError
from halfmap.io.atomic import write_remedy


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
        path.mkdir(mode=0o700, exist_ok=True)
        _check(path)
    except OSError as error:
        raise DataError(f"{path} cannot be used. {write_remedy(error) or error}") from error
    return path


def is_private_folder(path: Path) -> bool:
    """Whether a folder is there, and is for us alone."""
    try:
        _check(path)
    except (OSError, DataError):
        return False
    return True


def _check(path: Path) -> None:
    found = path.lstat()
    if not stat.S_ISDIR(found.st_mode):
        raise DataError(f"{path} is a link or a file, expected a folder. Remove it")
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
