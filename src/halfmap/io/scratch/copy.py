"""The copy of one stack: images in a file with holes, and a mark for each one that is there.

Image i stands where it would stand in a stack without header, so that any process may add
any images, in any order, and each is there once. The mark is a checksum, written after the
image: what is half written, or was lost with the power, is not taken for an image.
"""

import fcntl
import hashlib
import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Int, UInt64
from numpy import ndarray as Array

from halfmap.io.image_form import ImageForm
from halfmap.io.mrc import MrcHeader
from halfmap.io.scratch.folder import ScratchFolder
from halfmap.io.stack_identity import StackIdentity

MARK = np.dtype("<u8")
ABSENT = 0
NO_CONTENT = np.uint64(0x9E3779B97F4A7C15)
"""Sum of an image of zeros, so that it differs from the mark of an absent one."""
MARKS, IMAGES, KEPT = ".marks", ".images", ".kept"
"""Files of a copy: its name and one of these."""
_FORMAT = "halfmap copy 1"


@dataclass(frozen=True, slots=True)
class CopyPlan:
    """What the copy of a stack is called and how it is laid out."""

    key: str
    """Name of its files, less the ending."""
    head: bytes
    """Beginning of the file of marks: what it is a copy of."""
    n_images: int
    shape: tuple[int, int]
    """Of an image, (y, x)."""
    dtype: np.dtype[Any]
    """Of the copy."""

    @property
    def image_bytes(self) -> int:
        """Bytes of an image of the copy."""
        return self.shape[0] * self.shape[1] * self.dtype.itemsize

    @property
    def marks_bytes(self) -> int:
        """Bytes of the file of marks."""
        return len(self.head) + self.n_images * MARK.itemsize


def plan_copy(identity: StackIdentity, header: MrcHeader, form: ImageForm) -> CopyPlan:
    """Lay out the copy of a stack; its name is a digest of which stack it is and of the form."""
    n_images, height, width = header.shape
    text = f"{_FORMAT}\n{form.text(width)}\n{identity.text()}\n".encode()
    return CopyPlan(
        key=hashlib.sha256(text).hexdigest()[:32],
        head=text.ljust(-(-len(text) // 8) * 8, b"\n"),
        n_images=n_images,
        shape=(form.box(height), form.box(width)) if height == width else (height, width),
        dtype=form.stored(header.dtype, width),
    )


class StackCopy:
    """The open files of a copy; closed when the last user lets go of it.

    Raises
    ------
    OSError
        If a file is absent, is not ours, or is not what its plan says.
    """

    __slots__ = ("images", "marks", "plan")

    def __init__(self, folder: ScratchFolder, plan: CopyPlan, flags: int = os.O_RDWR) -> None:
        self.plan = plan
        self.images = self.marks = -1
        self.marks = folder.open(plan.key + MARKS, flags)
        self.images = folder.open(plan.key + IMAGES, flags)

    def __del__(self) -> None:
        for descriptor in (self.marks, self.images):
            if descriptor >= 0:
                os.close(descriptor)

    def is_sound(self) -> bool:
        """Whether the file of marks is that of this stack, and whole."""
        head = os.pread(self.marks, len(self.plan.head), 0)
        whole = os.fstat(self.marks).st_size == self.plan.marks_bytes
        return whole and head == self.plan.head

    def read_marks(self, first: int, n: int) -> UInt64[Array, " image"]:
        """Return the marks of some images; of those behind the end of a file, none."""
        raw = os.pread(self.marks, n * MARK.itemsize, self._mark(first))
        marks = np.zeros(n, MARK)
        whole = len(raw) // MARK.itemsize
        marks[:whole] = np.frombuffer(raw, MARK, whole)
        return marks

    def write_marks(self, first: int, marks: UInt64[Array, " image"]) -> None:
        """Say of some images that they are there, or not any longer."""
        write_all(self.marks, marks.astype(MARK).tobytes(), self._mark(first))

    def read_images(self, first: int, raw: Array) -> None:
        """Fill ``raw`` with images of the copy; what is behind its end is left as it was."""
        buffer, done = as_bytes(raw), 0
        while done < len(buffer):
            n = os.preadv(self.images, [buffer[done:]], first * self.plan.image_bytes + done)
            if n == 0:
                return
            done += n

    def write_images(self, first: int, raw: Array) -> None:
        """Add images to the copy; they count when they are marked."""
        write_all(self.images, as_bytes(raw), first * self.plan.image_bytes)

    def try_claim(self, first: int, n: int) -> bool:
        """Lock some images for writing, for as long as this object lives; tell if it is ours."""
        return self._claim(fcntl.F_WRLCK, first, n)

    def release(self, first: int, n: int) -> None:
        """Unlock what was claimed."""
        self._claim(fcntl.F_UNLCK, first, n)

    def _claim(self, kind: int, first: int, n: int) -> bool:
        # Of the open file, not of the process: threads exclude each other, and nothing is lost
        # when another descriptor of the file is closed.
        place = struct.pack("hhqqi4x", kind, os.SEEK_SET, self._mark(first), n * MARK.itemsize, 0)
        try:
            fcntl.fcntl(self.marks, fcntl.F_OFD_SETLK, place)
        except (BlockingIOError, PermissionError):
            return False
        return True

    def _mark(self, image: int) -> int:
        return len(self.plan.head) + image * MARK.itemsize


def checksums(raw: Array) -> UInt64[Array, " image"]:
    """Return the marks of some images: sums of words, as fast as memory is read.

    >>> images = np.zeros((2, 2, 2), np.float32); images[1] = 1.0
    >>> (checksums(images) == NO_CONTENT).tolist()
    [True, False]
    """
    flat = np.ascontiguousarray(raw).reshape(len(raw), -1).view(np.uint8)
    words = flat.shape[1] // 8 * 8
    sums = flat[:, :words].view(MARK).sum(axis=1, dtype=MARK)
    rest = flat[:, words:].sum(axis=1, dtype=MARK)
    return np.asarray((sums + rest) ^ NO_CONTENT)


def as_bytes(array: Array) -> memoryview:
    """Return the memory of a contiguous array, to be read or written."""
    return array.reshape(-1, copy=False).view(np.uint8).data


def runs(numbers: Int[Array, " image"]) -> Iterator[tuple[int, int]]:
    """Cut sorted numbers where the next one does not follow: first number, count.

    >>> list(runs(np.array([3, 4, 8])))
    [(3, 2), (8, 1)]
    """
    if len(numbers):
        for run in np.split(numbers, np.flatnonzero(np.diff(numbers) != 1) + 1):
            yield int(run[0]), len(run)


def write_all(descriptor: int, content: bytes | memoryview, offset: int) -> None:
    """Write until all is written; a system call may write less."""
    view = memoryview(content)
    while len(view):
        n = os.pwrite(descriptor, view, offset)
        view, offset = view[n:], offset + n
