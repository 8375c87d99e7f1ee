"""A folder on a disc of this node that is ours alone, and locks that die with their holder.

Nothing in it is trusted: every name is opened without following links, and only if it is a
regular file of ours with no second name. Names count from the open folder, so that nobody
can put another one in its place.
"""

import errno
import fcntl
import os
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from halfmap.errors import DataError
from halfmap.io.atomic import write_remedy
from halfmap.io.private_folder import open_private_folder

LOCK = "lock"
PATIENCE_S = 60.0
"""How long another process may hold the lock of the folder, which it does for milliseconds."""
NETWORK_SYSTEMS = {"nfs", "nfs4", "cifs", "smb3", "lustre", "gpfs", "beegfs", "ceph", "glusterfs"}
NETWORK_SYSTEMS |= {"pvfs2", "orangefs", "panfs", "afs", "9p", "fuse.sshfs", "fuse.glusterfs"}
_UNLOCKABLE = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL}


class ScratchUnusable(Exception):
    """A scratch folder cannot be used, or not any longer; says why and what to do.

    It never ends a run: images are read from their stacks then.
    """


def as_unusable(path: object, error: OSError) -> ScratchUnusable:
    """Return an error of the file system as what it means for the copies."""
    if error.errno in _UNLOCKABLE:
        reason = "Files cannot be locked there: mount it with locking, or take another folder."
    elif error.errno == errno.ELOOP:
        reason = "A link is in the way: remove it."
    elif error.errno == errno.ENOENT:
        reason = "It is gone: do not remove it under a run."
    else:
        reason = write_remedy(error) or f"{os.strerror(error.errno or 0)}: take another folder."
    return ScratchUnusable(f"{path}: {reason}")


class ScratchFolder:
    """An open folder of mode 0700; made if it is absent.

    Parameters
    ----------
    path
        The folder; the one above it must exist.

    Raises
    ------
    ScratchUnusable
        If it cannot be made, is a link, belongs to somebody else, or is open to others.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.descriptor = -1
        try:
            self.descriptor = open_private_folder(path)
        except DataError as error:
            raise ScratchUnusable(str(error)) from error
        except OSError as error:
            if error.errno == errno.ENOENT:
                raise ScratchUnusable(
                    f"{path.parent}: no such folder. Make it, or take another one."
                ) from error
            raise as_unusable(path, error) from error

    def close(self) -> None:
        """Let go of the folder."""
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1

    def open(self, name: str, flags: int) -> int:
        """Open a file of the folder and return its descriptor.

        Raises
        ------
        OSError
            If the system refuses, or if the file is not a regular one of ours alone.
        """
        flags |= os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
        descriptor = os.open(name, flags, 0o600, dir_fd=self.descriptor)
        status = os.fstat(descriptor)
        regular = stat.S_ISREG(status.st_mode) and status.st_nlink <= 1
        if regular and status.st_uid == os.geteuid():
            return descriptor
        os.close(descriptor)
        raise OSError(errno.EPERM, f"{name} is not a file of ours")

    def names(self) -> list[str]:
        """Return the names in the folder, sorted."""
        with os.scandir(self.descriptor) as entries:
            return sorted(entry.name for entry in entries)

    def remove(self, name: str) -> None:
        """Remove a name, if it is there."""
        try:
            os.unlink(name, dir_fd=self.descriptor)
        except FileNotFoundError:
            return
        except IsADirectoryError:
            return  # nothing of ours

    def remove_itself_if_empty(self) -> None:
        """Remove the folder when nothing but its lock is left; call it with the lock held."""
        if self.names() == [LOCK]:
            self.remove(LOCK)
            try:
                self.path.rmdir()
            except OSError:
                return  # somebody has just made a file there, and will do this

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the lock of the folder; between all processes and threads of the node.

        Raises
        ------
        ScratchUnusable
            If another process does not let go of it, or files cannot be locked.
        """
        give_up = time.monotonic() + PATIENCE_S
        descriptor = self._lock_in_place(give_up)
        try:
            yield
        finally:
            os.close(descriptor)

    def _lock_in_place(self, give_up: float) -> int:
        while time.monotonic() < give_up:
            try:
                descriptor = self.open(LOCK, os.O_RDWR | os.O_CREAT)
                if try_lock(descriptor) and os.fstat(descriptor).st_nlink:
                    return descriptor
            except OSError as error:
                raise as_unusable(self.path, error) from error
            os.close(descriptor)  # held by somebody, or removed by the one who held it
            time.sleep(0.005)
        raise ScratchUnusable(
            f"{self.path / LOCK}: found it held for {PATIENCE_S:.0f} s, expected milliseconds. "
            "Look for a halfmap that is stopped."
        )


def try_lock(descriptor: int) -> bool:
    """Lock a whole file for as long as it stays open; tell whether nobody else has."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def file_system(path: Path, mounts: Path = Path("/proc/self/mountinfo")) -> str:
    """Return the type of the file system that holds a folder; empty where nobody says.

    >>> file_system(Path("/proc"))
    'proc'
    """
    try:
        lines = mounts.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    real, best, found = path.resolve(), -1, ""
    for line in lines:
        mount, _, kind = line.partition(" - ")
        point = Path(mount.split()[4].replace("\\040", " "))
        if len(point.parts) >= best and real.is_relative_to(point):
            best, found = len(point.parts), kind.split()[0]
    return found
