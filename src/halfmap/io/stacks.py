"""Reading particle images from their stacks, a unit at a time and from any thread.

Images are read with `os.preadv` straight into the result, not through a memory map: a
stack that shrinks or a disc that fails then gives an error, not the death of the rank.
"""

import errno
import os
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from itertools import pairwise
from threading import Lock
from typing import Protocol

import numpy as np
from jaxtyping import Float32, Int
from numpy import ndarray as Array

from halfmap.errors import DataError
from halfmap.io.image_form import ImageForm
from halfmap.io.mrc import MrcHeader, read_header
from halfmap.model.cut_images import resized

AS_IS = ImageForm()


class Copies(Protocol):
    """Images that lie somewhere nearer than their stacks."""

    def read(
        self, stack: int, first: int, out: Float32[Array, "image y x"]
    ) -> list[tuple[int, int]]:
        """Fill in successive images of a stack; return the ranges of ``out`` that are left."""
        ...


class UnreadableError(DataError):
    """The disc cannot read an image: those beside it may be good."""


class OpenStack:
    """A stack and its file descriptor; closed when the last user lets go of it."""

    __slots__ = ("descriptor", "header")

    def __init__(self, path: str) -> None:
        self.descriptor = -1
        self.header = read_header(path)
        self.descriptor = os.open(path, os.O_RDONLY)

    def __del__(self) -> None:
        if self.descriptor >= 0:
            os.close(self.descriptor)

    def fill(self, first: int, raw: Array) -> None:
        """Read successive images, of the type that the stack has, until the array is full.

        Raises
        ------
        OSError
            If the disc fails, or the file ends before its header says.
        """
        buffer = raw.reshape(-1, copy=False).view(np.uint8).data
        offset, done = self.header.data_offset + first * raw[0].nbytes, 0
        while done < len(buffer):  # a system call returns at most 2 GiB
            n = os.preadv(self.descriptor, [buffer[done:]], offset + done)
            if n == 0:
                raise OSError("the file has become shorter since it was opened")
            done += n


class ImageSource:
    """The images of a run, by stack and slice; opens a stack when it is first needed.

    Stacks may have different boxes. Safe to use from several threads. At most ``max_open`` files
    stay open.

    Parameters
    ----------
    form
        In which precision images are taken, and which are cut if that will do.
    turn
        Held while a stack is read.

    Attributes
    ----------
    copies
        Where to look before a stack is read, if anywhere.
    """

    def __init__(
        self,
        stacks: Sequence[str],
        max_open: int = 128,
        form: ImageForm = AS_IS,
        turn: AbstractContextManager[object] | None = None,
    ) -> None:
        self.paths = tuple(stacks)
        self.form = form
        self.turn = nullcontext() if turn is None else turn
        self.copies: Copies | None = None
        self._max_open = max_open
        self._open: OrderedDict[int, OpenStack] = OrderedDict()
        self._lock = Lock()

    def read(
        self,
        stack: Int[Array, " image"],
        slice_: Int[Array, " image"],
        box: int,
        *,
        cut: bool = False,
    ) -> Float32[Array, "image y x"]:
        """Read some images of one box.

        Neighbours on disc that are neighbours in the request are read at once.

        Parameters
        ----------
        stack
            Index into the paths of the stacks.
        slice_
            Image of that stack, from zero.
        box
            Of these images, px.
        cut
            Whether they will do without the detail that the form leaves out.

        Returns
        -------
        images
            In the order of the request, converted to float32; values as the form says.

        Raises
        ------
        DataError
            If an image cannot be read, with its name.
        """
        form = self.form if cut else self.form.whole
        images = np.empty((len(stack), form.box(box), form.box(box)), np.float32)
        for start, stop in _runs(np.asarray(stack), np.asarray(slice_)):
            which, first, out = int(stack[start]), int(slice_[start]), images[start:stop]
            left = [(0, len(out))] if self.copies is None else self.copies.read(which, first, out)
            for a, b in left:
                self._read_run(which, first + a, out[a:b], (box, form))
        return images if form.box(box) == box else resized(images, box)

    def _stack(self, index: int) -> OpenStack:
        with self._lock:
            found = self._open.pop(index, None)
            if found is None:
                found = OpenStack(self.paths[index])
            self._open[index] = found
            while len(self._open) > self._max_open:
                self._open.popitem(last=False)
            return found

    def _read_run(
        self, index: int, first: int, out: Float32[Array, "image y x"], how: tuple[int, ImageForm]
    ) -> None:
        source, (box, form) = self._stack(index), how
        header = source.header
        if header.shape[1:] != (box, box):
            raise DataError(_other_box(header, box))
        name = f"{first + 1:06d}@{header.path}"
        if first + len(out) > header.shape[0]:
            raise DataError(
                f"{name} and {len(out) - 1} more cannot be read: the stack has "
                f"{header.shape[0]} images. Take the stack that belongs to the STAR file."
            )
        direct = header.dtype == out.dtype and out.shape[1:] == (box, box)
        raw = out if direct else np.empty((len(out), box, box), header.dtype)
        try:
            with self.turn:
                source.fill(first, raw)
        except OSError as error:
            of_image = error.errno == errno.EIO
            raise (UnreadableError if of_image else DataError)(
                f"{name} cannot be read: {error.strerror or error}. "
                "Put the whole stack back, then go on with --continue."
            ) from error
        form.apply(raw, out)


def _runs(stack: Int[Array, " image"], slice_: Int[Array, " image"]) -> Iterator[tuple[int, int]]:
    """Cut a request where the next image is not the next one on disc.

    >>> list(_runs(np.array([0, 0, 0, 1]), np.array([4, 5, 7, 8])))
    [(0, 2), (2, 3), (3, 4)]
    """
    follows = (np.diff(stack) == 0) & (np.diff(slice_) == 1)
    cuts = [0, *(np.flatnonzero(~follows) + 1).tolist(), len(stack)]
    return ((start, stop) for start, stop in pairwise(cuts) if stop > start)


def _other_box(header: MrcHeader, box: int) -> str:
    return (
        f"{header.path} holds images of {header.shape[2]} x {header.shape[1]} px; "
        f"expected {box} x {box} (rlnImageSize). Extract the particles again."
    )
