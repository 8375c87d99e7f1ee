"""Reading particle images from their stacks, a unit at a time and from any thread.

Images are read with `os.preadv` straight into the result, not through a memory map: a
stack that shrinks or a disc that fails then gives an error, not the death of the rank.
"""

import os
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from itertools import pairwise
from threading import Lock

import numpy as np
from jaxtyping import Float32, Int
from numpy import ndarray as Array

from halfmap.errors import DataError
from halfmap.io.mrc import MrcHeader, read_header


class _OpenStack:
    """A stack and its file descriptor; closed when the last user lets go of it."""

    __slots__ = ("descriptor", "header")

    def __init__(self, path: str) -> None:
        self.descriptor = -1
        self.header = read_header(path)
        self.descriptor = os.open(path, os.O_RDONLY)

    def __del__(self) -> None:
        if self.descriptor >= 0:
            os.close(self.descriptor)


class ImageSource:
    """The images of a run, by stack and slice; opens a stack when it is first needed.

    Stacks may have different boxes. Safe to use from several threads. At most ``max_open`` files
    stay open.
    """

    def __init__(self, stacks: Sequence[str], max_open: int = 128) -> None:
        self._paths = tuple(stacks)
        self._max_open = max_open
        self._open: OrderedDict[int, _OpenStack] = OrderedDict()
        self._lock = Lock()

    def read(
        self, stack: Int[Array, " image"], slice_: Int[Array, " image"], box: int
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

        Returns
        -------
        images
            In the order of the request, converted to float32; values as stored.

        Raises
        ------
        DataError
            If an image cannot be read, with its name.
        """
        images = np.empty((len(stack), box, box), np.float32)
        for start, stop in _runs(np.asarray(stack), np.asarray(slice_)):
            source = self._stack(int(stack[start]))
            if source.header.shape[1:] != (box, box):
                raise DataError(_other_box(source.header, box))
            self._read_run(source, int(slice_[start]), images[start:stop])
        return images

    def _stack(self, index: int) -> _OpenStack:
        with self._lock:
            found = self._open.pop(index, None)
            if found is None:
                found = _OpenStack(self._paths[index])
            self._open[index] = found
            while len(self._open) > self._max_open:
                self._open.popitem(last=False)
            return found

    @staticmethod
    def _read_run(source: _OpenStack, first: int, out: Float32[Array, "image y x"]) -> None:
        header = source.header
        name = f"{first + 1:06d}@{header.path}"
        if first + len(out) > header.shape[0]:
            raise DataError(
                f"{name} and {len(out) - 1} more cannot be read: the stack has "
                f"{header.shape[0]} images. Take the stack that belongs to the STAR file."
            )
        direct = header.dtype == out.dtype
        raw = out if direct else np.empty(out.shape, header.dtype)
        offset = header.data_offset + first * raw[0].nbytes
        try:
            _fill(source.descriptor, raw.data.cast("B"), offset)
        except OSError as error:
            raise DataError(
                f"{name} cannot be read: {error.strerror or error}. "
                "Put the whole stack back, then go on with --continue."
            ) from error
        if not direct:
            out[...] = raw


def _runs(stack: Int[Array, " image"], slice_: Int[Array, " image"]) -> Iterator[tuple[int, int]]:
    """Cut a request where the next image is not the next one on disc.

    >>> list(_runs(np.array([0, 0, 0, 1]), np.array([4, 5, 7, 8])))
    [(0, 2), (2, 3), (3, 4)]
    """
    follows = (np.diff(stack) == 0) & (np.diff(slice_) == 1)
    cuts = [0, *(np.flatnonzero(~follows) + 1).tolist(), len(stack)]
    return ((start, stop) for start, stop in pairwise(cuts) if stop > start)


def _fill(descriptor: int, buffer: memoryview, offset: int) -> None:
    """Read until the buffer is full; a system call returns at most 2 GiB."""
    done = 0
    while done < len(buffer):
        n = os.preadv(descriptor, [buffer[done:]], offset + done)
        if n == 0:
            raise OSError("the file has become shorter since it was opened")
        done += n


def _other_box(header: MrcHeader, box: int) -> str:
    return (
        f"{header.path} holds images of {header.shape[2]} x {header.shape[1]} px; "
        f"expected {box} x {box} (rlnImageSize). Extract the particles again."
    )
