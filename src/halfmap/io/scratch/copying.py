"""Filling the copies of stacks, piece by piece, together with whoever else is at it.

All processes of a node walk along the same list, in the order of the files. A piece belongs to
the one that locks it first; the others go on to the next. A lock ends with its process, and
then another one makes the piece.
"""

import errno
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Bool, Int, UInt8
from numpy import ndarray as Array

from halfmap.errors import DataError
from halfmap.io.scratch.copy import ABSENT, StackCopy, checksums, plan_copy, runs
from halfmap.io.scratch.folder import as_unusable
from halfmap.io.scratch.reading import CopiedImages
from halfmap.io.scratch.store import PIECE_BYTES, ScratchStore
from halfmap.io.stack_identity import StackIdentity, identify
from halfmap.io.stacks import ImageSource, OpenStack

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
BLOCK_BYTES = 2**20
"""Read, summed and written at once: stays in the cache of a core."""
WAIT_S = 0.1
"""Between two looks at a piece that somebody else is copying."""

Images = Int[Array, " image"]
"""Of one stack: sorted, each once."""
Pace = Callable[[], bool]
"""Called between two pieces; waits if it must, and says whether to go on."""


@dataclass
class Tally:
    """What has come of the copying, as one process sees it."""

    n_wanted: int = 0
    n_there: int = 0
    """Images that are on scratch, whoever copied them."""
    bytes_there: int = 0
    bytes_wanted: int = 0
    full: bool = False
    """Whether the disc, or what may be used of it, is full."""
    problems: list[str] = field(default_factory=list)
    """Stacks that could not be copied, and why."""


@dataclass(frozen=True)
class WantedStack:
    """The images that a run needs of one stack."""

    number: int
    """Which stack of the source it is."""
    slices: Images


def wanted_stacks(
    stack: Int[Array, " image"], slice_: Int[Array, " image"]
) -> Iterator[WantedStack]:
    """Sort images by where they lie.

    >>> wanted = wanted_stacks(np.array([1, 0, 1, 1]), np.array([5, 2, 3, 5]))
    >>> [(w.number, w.slices.tolist()) for w in wanted]
    [(0, [2]), (1, [3, 5])]
    """
    order = np.lexsort((slice_, stack))
    numbers, starts = np.unique(stack[order], return_index=True)
    for number, slices in zip(numbers, np.split(slice_[order], starts[1:]), strict=True):
        yield WantedStack(int(number), np.unique(slices))


class Copying:
    """Copies the images of one source; what is there already is only counted.

    Parameters
    ----------
    copied
        Told of each copy as soon as it can be read.
    adds
        Whether images are added to copies, or only those used that are there.
    """

    def __init__(
        self,
        store: ScratchStore,
        source: ImageSource,
        copied: CopiedImages,
        tally: Tally,
        *,
        adds: bool,
    ) -> None:
        self._store, self._source, self._copied = store, source, copied
        self._tally, self._adds = tally, adds
        self._buffer = np.empty(BLOCK_BYTES, np.uint8)

    def run(self, wanted: list[WantedStack], pace: Pace) -> None:
        """Go through all stacks in order; then wait for pieces that others are copying.

        Raises
        ------
        ScratchUnusable
            If there is no point in going on.
        """
        self._tally.n_wanted += sum(len(stack.slices) for stack in wanted)
        busy: list[_Left] = []
        for stack in wanted:
            if not pace():
                return
            found = self._begin(stack)
            if found is not None:
                busy += self._copy(found, stack.slices, pace)
        while busy and pace():
            time.sleep(WAIT_S)
            busy = [left for stack, slices in busy for left in self._copy(stack, slices, pace)]

    def _begin(self, wanted: WantedStack) -> "_Stack | None":
        """Find the copy of a stack, or make an empty one; None: there will be none."""
        path = self._source.paths[wanted.number]
        try:
            identity, header = identify(path)
            plan = plan_copy(identity, header, self._source.form)
            self._tally.bytes_wanted += len(wanted.slices) * plan.image_bytes
            if not self._store.hold(plan, make=self._may_add):
                return None
            self._copied.add(wanted.number, plan)
            return _Stack(OpenStack(path), self._store.open(plan), identity)
        except DataError as error:
            self._tally.problems.append(str(error))
            return None
        except OSError as error:
            raise as_unusable(self._store.folder.path, error) from error

    def _copy(
        self, stack: "_Stack", slices: Images, pace: Pace
    ) -> Iterator[tuple["_Stack", Images]]:
        """Copy some images of a stack; yield those that somebody else is copying."""
        at_once = max(1, PIECE_BYTES // stack.copy.plan.image_bytes)
        for start in range(0, len(slices), at_once):
            piece = slices[start : start + at_once]
            if not pace():
                return
            try:
                if not self._copy_piece(stack, piece):
                    yield stack, piece
            except DataError as error:
                self._tally.problems.append(str(error))
                return
            except OSError as error:
                raise as_unusable(self._store.folder.path, error) from error

    @property
    def _may_add(self) -> bool:
        return self._adds and not self._tally.full

    def _copy_piece(self, stack: "_Stack", piece: Images) -> bool:
        """Copy what is absent of a piece; tell whether nobody else was at it."""
        copy, first = stack.copy, int(piece[0])
        n = int(piece[-1]) - first + 1
        if self._may_add and _absent(copy, piece).any():
            if not copy.try_claim(first, n):
                return False
            try:
                self._add(stack, piece[_absent(copy, piece)])
            finally:
                copy.release(first, n)
        n_there = int(np.count_nonzero(~_absent(copy, piece)))
        self._tally.n_there += n_there
        self._tally.bytes_there += n_there * copy.plan.image_bytes
        return True

    def _add(self, stack: "_Stack", slices: Images) -> None:
        """Copy images that nobody else can be copying now, as far as there is room."""
        copy = stack.copy
        if not self._store.has_room(len(slices) * copy.plan.image_bytes):
            self._tally.full = True
            return
        marks = []
        try:
            for first, n in self._blocks(stack, slices):
                with self._source.turn:
                    raw = stack.read(first, n, self._buffer)
                stored, fits = self._source.form.encode(raw)
                copy.write_images(first, stored)
                marks.append((first, np.where(fits, checksums(stored), ABSENT)))
        except OSError as error:
            if error.errno not in _FULL:
                raise
            self._tally.full = True
        stack.check()
        for first, of_run in marks:
            copy.write_marks(first, of_run)

    def _blocks(self, stack: "_Stack", slices: Images) -> Iterator[tuple[int, int]]:
        """Cut images into successive ones that fit the buffer: first image, count."""
        at_once = max(1, len(self._buffer) // stack.image_bytes)
        for first, n in runs(slices):
            for start in range(0, n, at_once):
                yield first + start, min(at_once, n - start)


@dataclass(frozen=True)
class _Stack:
    """A stack and its copy, both open."""

    source: OpenStack
    copy: StackCopy
    identity: StackIdentity

    @property
    def image_bytes(self) -> int:
        """Bytes of an image of the stack."""
        shape = self.source.header.shape
        return shape[1] * shape[2] * self.source.header.dtype.itemsize

    def read(self, first: int, n: int, buffer: UInt8[Array, " byte"]) -> Array:
        """Read successive images into a part of the buffer, or into memory of their own."""
        header = self.source.header
        shape = (n, *header.shape[1:])
        n_bytes = n * self.image_bytes
        memory = buffer[:n_bytes] if n_bytes <= len(buffer) else np.empty(n_bytes, np.uint8)
        raw = memory.view(header.dtype).reshape(shape)
        try:
            self.source.fill(first, raw)
        except OSError as error:
            raise DataError(
                f"{header.path} cannot be read: {error.strerror or error}. "
                "Put the whole stack back."
            ) from error
        return raw

    def check(self) -> None:
        """Refuse a stack that is not any longer what it was.

        Raises
        ------
        DataError
            If it has changed since it was identified.
        """
        if not self.identity.still_holds(os.fstat(self.source.descriptor)):
            raise DataError(
                f"{self.source.header.path} has changed while it was copied: expected a stack "
                "that nobody writes to. It is read where it is."
            )


_Left = tuple[_Stack, Images]
"""Images of a stack that somebody else is copying."""


def _absent(copy: StackCopy, piece: Images) -> Bool[Array, " image"]:
    """Tell which images of a piece are not in the copy."""
    first = int(piece[0])
    return np.asarray(copy.read_marks(first, int(piece[-1]) - first + 1)[piece - first] == ABSENT)
