"""Copying the images of a run to a disc of each node, or into its memory, while it goes on.

Each rank has a thread for it. Ranks of a node do not talk to each other about it: what they
need to know stands in the folder of the copies (`halfmap.io.scratch.store`), where other runs
on the node find it too.
"""

import contextlib
import os
import socket
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import NamedTuple

from jaxtyping import Int
from mpi4py import MPI
from numpy import ndarray as Array

from halfmap.config.options import RefineOptions
from halfmap.engine.telling.console import Console
from halfmap.engine.telling.staging_text import (
    NodeReport,
    broken_lines,
    of_nodes,
    problem_lines,
    staging_lines,
)
from halfmap.errors import OptionError
from halfmap.io.scratch.copying import Copying, Tally, wanted_stacks
from halfmap.io.scratch.folder import ScratchUnusable
from halfmap.io.scratch.reading import CopiedImages
from halfmap.io.scratch.store import Room, ScratchStore, disc_room, memory_room, own_folder
from halfmap.io.stacks import ImageSource
from halfmap.parallel.halves import LEADER

NICENESS = 10
"""A thread that copies gets about a tenth of a core that computing threads want too."""
GIVE_UP_S = 20.0
"""How long the end of a run waits for a piece that is being copied."""
GIB = 2**30
SHARED_MEMORY = Path("/dev/shm")


class Sourced(NamedTuple):
    """Where the images of a run come from, and which they are."""

    source: ImageSource
    stack: Int[Array, " image"]
    slice: Int[Array, " image"]


@dataclass(frozen=True)
class Place:
    """Where copies go."""

    parent: Path
    room: Callable[[], Room]
    keeps: bool
    adds: bool
    reason: str
    """Why there is no more room, when there is none."""


def place_of(options: RefineOptions) -> Place | None:
    """Return where the options want copies; memory goes before a disc."""
    if options.preread_images:
        reason = f"{SHARED_MEMORY} is full, or half of the memory that was free is left free"
        return Place(SHARED_MEMORY, memory_room, keeps=False, adds=True, reason=reason)
    if options.scratch_dir is None:
        return None
    keep_free = int(options.keep_free_scratch_GB * GIB)
    return Place(
        options.scratch_dir,
        lambda: disc_room(keep_free),
        keeps=options.keep_scratch,
        adds=not options.reuse_scratch,
        reason=f"{options.keep_free_scratch_GB:g} GB are left free (--keep_free_scratch)",
    )


def check_scratch(options: RefineOptions, world: MPI.Intracomm) -> None:
    """Refuse a folder that is nowhere: the name is wrong. Collective.

    Raises
    ------
    OptionError
        On all ranks.
    """
    folder = options.scratch_dir
    if folder is not None and not any(world.allgather(folder.is_dir())):
        failure = OptionError(
            f"--scratch_dir {folder}: found no such folder on any node, expected one on a disc of "
            "each. Make it, or correct the path"
        )
        failure.everywhere = True
        raise failure


class Staging:
    """The copies that this rank uses and helps to make; a context, in which they are made.

    Outside the context, and wherever anything is wrong with the copies, images are read from
    their stacks.

    Attributes
    ----------
    sourced
        What is copied.
    """

    def __init__(
        self, place: Place | None, world: MPI.Intracomm, console: Console, of: Sequence[Sourced]
    ) -> None:
        self._place, self._world, self._console, self.sourced = place, world, console, of
        self._tally = Tally()
        self._copied: list[CopiedImages] = []
        self._store: ScratchStore | None = None
        self._broken = ""
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None
        self._said: set[str] = set()
        self._busy_s = self._told_s = 0.0

    def __enter__(self) -> "Staging":
        """Begin to copy."""
        _clear_memory()
        if self._place is None:
            return self
        try:
            self._store = ScratchStore(
                self._place.parent, self._place.room(), keeps=self._place.keeps
            )
        except ScratchUnusable as error:
            self._broken = str(error)
        else:
            self._thread = threading.Thread(target=self._copy, name="staging", daemon=True)
            self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stopped.set()
        if self._thread is not None:
            self._thread.join(GIVE_UP_S)
        for copied in self._copied:
            copied.forget()
        if self._store is not None:
            try:
                self._store.close()
            except ScratchUnusable:
                return  # there is nothing left to clear away, or no way to do it

    def report(self) -> None:
        """Say how far the copies are, and what went wrong; each thing once. Collective."""
        if self._place is None:
            return
        reports = self._world.gather(self._report(), root=LEADER)
        if reports is None:
            return
        nodes = of_nodes(reports)
        news = [(self._console.notice, line) for line in staging_lines(nodes, self._place.reason)]
        troubles = (*broken_lines(nodes), *problem_lines(nodes))
        news += [(self._console.warning, line) for line in troubles]
        for say, line in news:
            if line not in self._said:
                say(line)
                self._said.add(line)

    def new_busy_seconds(self) -> float:
        """Return the processor time that copying has taken on this rank since the last call."""
        new, self._told_s = self._busy_s - self._told_s, self._busy_s
        return new

    def _report(self) -> NodeReport:
        folder = "" if self._store is None else str(self._store.folder.path)
        return NodeReport(
            node=socket.gethostname(),
            folder=folder,
            tally=self._tally,
            over=self._thread is None or not self._thread.is_alive(),
            broken=self._broken,
            n_spoilt=sum(copied.n_spoilt for copied in self._copied),
            lost=next((copied.lost for copied in self._copied if copied.lost), ""),
        )

    def _copy(self) -> None:
        """Copy, until all is there or the run ends; in a thread of its own."""
        assert self._store is not None
        assert self._place is not None
        _step_back()
        try:
            self._store.sweep()
            for sourced in self.sourced:
                copied = CopiedImages(self._store)
                self._copied.append(copied)
                sourced.source.copies = copied
                wanted = list(wanted_stacks(sourced.stack, sourced.slice))
                copying = Copying(
                    self._store, sourced.source, copied, self._tally, adds=self._place.adds
                )
                copying.run(wanted, self._goes_on)
        except ScratchUnusable as error:
            self._broken = str(error)
        except OSError as error:
            self._broken = f"{self._place.parent}: {error.strerror or error}"

    def _goes_on(self) -> bool:
        self._busy_s = time.thread_time()
        return not self._stopped.is_set()


def _clear_memory() -> None:
    """Free the memory of copies that killed runs have left on this node."""
    if own_folder(SHARED_MEMORY).is_dir():
        with contextlib.suppress(ScratchUnusable):
            ScratchStore(SHARED_MEMORY, memory_room()).close()


def _step_back() -> None:
    """Let this thread's work wait for that of the others."""
    if sys.platform == "linux":  # elsewhere this would be the whole process
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)
