"""Reading images from their copies; what is not there, or not sound, is left to the stacks."""

from collections import OrderedDict
from threading import Lock

import numpy as np
from jaxtyping import Float32
from numpy import ndarray as Array

from halfmap.io.scratch.copy import ABSENT, CopyPlan, StackCopy, checksums, runs
from halfmap.io.scratch.store import ScratchStore


class CopiedImages:
    """The copies of the stacks of one `ImageSource`, as they become known.

    Every image is compared with its checksum when it is read: a disc that loses data costs
    time, never a result. Safe to use from several threads.
    """

    def __init__(self, store: ScratchStore, max_open: int = 128) -> None:
        self.n_spoilt = 0
        """Images that were not as they had been written."""
        self.lost = ""
        """Why copies could not be opened or read, if so."""
        self._store = store
        self._max_open = max_open
        self._plans: dict[int, CopyPlan] = {}
        self._open: OrderedDict[int, StackCopy] = OrderedDict()
        self._lock = Lock()

    def add(self, stack: int, plan: CopyPlan) -> None:
        """Take images of a stack from its copy from now on."""
        self._plans[stack] = plan

    def forget(self) -> None:
        """Take no image from a copy any longer."""
        with self._lock:
            self._plans.clear()
            self._open.clear()

    def read(
        self, stack: int, first: int, out: Float32[Array, "image y x"]
    ) -> list[tuple[int, int]]:
        """Fill in successive images of a stack; return the ranges of ``out`` that are left."""
        plan, everything = self._plans.get(stack), [(0, len(out))]
        if plan is None or plan.shape != out.shape[1:] or first + len(out) > plan.n_images:
            return everything
        try:
            return self._fill(self._copy(stack, plan), first, out)
        except OSError as error:
            self.lost = error.strerror or str(error)
            self._plans.pop(stack, None)
            return everything

    def _copy(self, stack: int, plan: CopyPlan) -> StackCopy:
        with self._lock:
            found = self._open.pop(stack, None)
            if found is None:
                found = self._store.open(plan)
            self._open[stack] = found
            while len(self._open) > self._max_open:
                self._open.popitem(last=False)
            return found

    def _fill(
        self, copy: StackCopy, first: int, out: Float32[Array, "image y x"]
    ) -> list[tuple[int, int]]:
        marks = copy.read_marks(first, len(out))
        good = marks != ABSENT
        raw = out if copy.plan.dtype == out.dtype else np.empty(out.shape, copy.plan.dtype)
        for start, n in list(runs(np.flatnonzero(good))):
            part = slice(start, start + n)
            copy.read_images(first + start, raw[part])
            good[part] = checksums(raw[part]) == marks[part]
        if raw is not out:
            out[good] = raw[good]
        for start, n in runs(np.flatnonzero(~good & (marks != ABSENT))):
            self.n_spoilt += n
            copy.write_marks(first + start, np.zeros(n, np.uint64))
        return [(start, start + n) for start, n in runs(np.flatnonzero(~good))]
