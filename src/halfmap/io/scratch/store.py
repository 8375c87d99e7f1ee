"""The copies that the processes of a user share on one node, and who still needs them.

Each process has a file of its own with the names of the copies that it uses, and holds its
lock: when the process dies, however that happens, the lock goes, and the next one that comes
or leaves removes what nobody holds.
"""

import json
import math
import os
import secrets
import time
from collections.abc import Callable
from pathlib import Path

from halfmap.io.free_memory import free_memory
from halfmap.io.scratch.copy import (
    IMAGES,
    KEPT,
    MARKS,
    CopyPlan,
    StackCopy,
    write_all,
)
from halfmap.io.scratch.folder import (
    NETWORK_SYSTEMS,
    ScratchFolder,
    ScratchUnusable,
    as_unusable,
    file_system,
    try_lock,
)
from halfmap.io.stack_identity import StackIdentity

USER = "user-"
PIECE_BYTES = 16 * 2**20
"""What a process writes between two looks at the free space."""

COUNT_EVERY_S = 2.0
"""Between two looks at who else writes."""

Room = Callable[[int], int]
"""From the descriptor of a folder: bytes that may still be written there."""


def memory_room() -> Room:
    """Return what says how much of the node's shared memory may be filled.

    Half of the memory that is free now stays free: the sums of the run are still to come.
    """
    before = free_memory()
    left_free = 0 if before is None else before // 2

    def room(descriptor: int) -> int:
        status = os.fstatvfs(descriptor)
        known = free_memory()
        free = status.f_bavail * status.f_frsize
        return free if known is None else min(free, known - left_free)

    return room


def disc_room(keep_free_bytes: int) -> Room:
    """Return what says how much of a disc may be filled."""

    def room(descriptor: int) -> int:
        status = os.fstatvfs(descriptor)
        return status.f_bavail * status.f_frsize - keep_free_bytes

    return room


def own_folder(parent: Path) -> Path:
    """Return where the copies of this user lie."""
    return parent / f"halfmap-{os.geteuid()}"


class ScratchStore:
    """One process's hold of the copies in ``<parent>/halfmap-<user>``.

    Parameters
    ----------
    parent
        A folder on a disc of the node, or in its memory.
    room
        Says how much may be written.
    keeps
        Whether copies stay when nobody uses them any longer.

    Raises
    ------
    ScratchUnusable
        If nothing can be stored there, with the reason and what to do.
    """

    def __init__(self, parent: Path, room: Room, *, keeps: bool = False) -> None:
        kind = file_system(parent)
        if kind in NETWORK_SYSTEMS:
            raise ScratchUnusable(
                f"{parent}: found a network file system ({kind}), expected a disc of the node. "
                "Take a local folder."
            )
        self.folder = ScratchFolder(own_folder(parent))
        self._room, self._keeps = room, keeps
        self._user = USER + secrets.token_hex(8)
        self._held: set[str] = set()
        self._others, self._count_again = 0, -math.inf
        with self.folder.locked():
            try:
                self._list = self.folder.open(self._user, os.O_RDWR | os.O_CREAT | os.O_EXCL)
                try_lock(self._list)
                self._since_ns = os.fstat(self._list).st_mtime_ns
            except OSError as error:
                raise as_unusable(self.folder.path, error) from error

    def hold(self, plan: CopyPlan, *, make: bool) -> bool:
        """Say that this process uses the copy of a stack, and tell whether there is one.

        Parameters
        ----------
        make
            Whether an empty one is made where there is none that can be trusted.

        Raises
        ------
        ScratchUnusable
            If it cannot be made.
        """
        with self.folder.locked():
            try:
                if not (self._is_sound(plan) or make):
                    return False
                if plan.key not in self._held:
                    size = os.fstat(self._list).st_size
                    write_all(self._list, f"{plan.key}\n".encode(), size)
                    self._held.add(plan.key)
                if not self._is_sound(plan):
                    self._make(plan)
                if self._keeps:
                    os.close(self.folder.open(plan.key + KEPT, os.O_WRONLY | os.O_CREAT))
                    os.utime(plan.key + KEPT, dir_fd=self.folder.descriptor)
            except OSError as error:
                raise as_unusable(self.folder.path, error) from error
        return True

    def open(self, plan: CopyPlan) -> StackCopy:
        """Open the copy of a stack that this process holds.

        Raises
        ------
        OSError
            If it is gone.
        """
        return StackCopy(self.folder, plan)

    def has_room(self, n_bytes: int) -> bool:
        """Whether some bytes fit, though all that share the folder may be about to write too."""
        now = time.monotonic()
        if now >= self._count_again:  # seldom: there may be thousands of names
            self._others = sum(name.startswith(USER) for name in self.folder.names()) - 1
            self._count_again = now + COUNT_EVERY_S
        return self._room(self.folder.descriptor) >= n_bytes + max(0, self._others) * PIECE_BYTES

    def sweep(self) -> None:
        """Remove what dead processes have left, and kept copies of stacks that have changed.

        Raises
        ------
        ScratchUnusable
            If the folder is gone, or cannot be locked.
        """
        with self.folder.locked():
            self._sweep(own_too=False)

    def close(self) -> None:
        """Let go of all copies; those that nobody holds and nobody keeps are removed.

        Raises
        ------
        ScratchUnusable
            If the folder is gone, or cannot be locked.
        """
        if self._list < 0:
            return
        try:
            with self.folder.locked():
                self.folder.remove(self._user)
                self._sweep(own_too=True)
                self.folder.remove_itself_if_empty()
        finally:
            os.close(self._list)
            self._list = -1
            self.folder.close()

    def _is_sound(self, plan: CopyPlan) -> bool:
        try:
            return StackCopy(self.folder, plan).is_sound()
        except OSError:
            return False  # absent, a link, or somebody else's

    def _make(self, plan: CopyPlan) -> None:
        for ending in (MARKS, IMAGES):
            self.folder.remove(plan.key + ending)
        copy = StackCopy(self.folder, plan, os.O_RDWR | os.O_CREAT | os.O_EXCL)
        os.truncate(copy.marks, plan.marks_bytes)
        write_all(copy.marks, plan.head, 0)

    def _sweep(self, *, own_too: bool) -> None:
        try:
            held = self._held_by_the_living()
            mine = self._held if own_too else set()
            names = self.folder.names()
            for key in {Path(n).stem for n in names if n.endswith((MARKS, IMAGES, KEPT))} - held:
                if f"{key}{KEPT}" not in names or self._is_over(key, used_here=key in mine):
                    for ending in (MARKS, IMAGES, KEPT):
                        self.folder.remove(key + ending)
        except OSError as error:
            raise as_unusable(self.folder.path, error) from error

    def _held_by_the_living(self) -> set[str]:
        """Return the copies that some process uses; remove the lists of the dead."""
        held = set(self._held) if self._user in self.folder.names() else set()
        for name in self.folder.names():
            if not name.startswith(USER) or name == self._user:
                continue
            try:
                descriptor = self.folder.open(name, os.O_RDWR)
            except OSError:
                continue  # not ours
            if try_lock(descriptor):
                self.folder.remove(name)
            else:
                size = os.fstat(descriptor).st_size
                held |= set(os.pread(descriptor, size, 0).decode("ascii", "replace").split())
            os.close(descriptor)
        return held

    def _is_over(self, key: str, *, used_here: bool) -> bool:
        """Whether a kept copy has had its use, or is that of a stack that has changed."""
        if used_here and not self._keeps:
            kept = os.stat(key + KEPT, dir_fd=self.folder.descriptor, follow_symlinks=False)
            if kept.st_mtime_ns < self._since_ns:
                return True
        return not self._is_of_a_stack_as_it_is(key)

    def _is_of_a_stack_as_it_is(self, key: str) -> bool:
        try:
            descriptor = self.folder.open(key + MARKS, os.O_RDONLY)
            try:
                text = os.pread(descriptor, 2**16, 0).split(b"\n", 3)[2]
            finally:
                os.close(descriptor)
            identity = StackIdentity(**json.loads(text))
            return identity.still_holds(Path(identity.path).stat())
        except (OSError, ValueError, TypeError, IndexError, RecursionError):
            return False  # gone, or not what we write
