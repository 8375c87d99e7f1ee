"""The time before MPI is up, when a dead rank is reported to nobody and waited for by all.

Under ``mpirun --with-ft ulfm`` the launcher lets a job go on without a rank that has died, but MPI
starts on all ranks or on none. A small process beside each rank hears when the rank ends too early,
says so, and has the launcher end the others.

MPI starts inside a library that keeps Python's lock, so that no thread could do this.
"""

import os
import select
import signal
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from halfmap.engine.surviving.sentinel import runs
from halfmap.errors import HalfmapError

LAUNCHERS = ("prted", "prterun", "mpirun", "mpiexec")
"""Names of the process of Open MPI that starts the ranks of a node."""
SECONDS_TO_FOLLOW = 3.0
"""A launcher that ends all ranks is gone so long after them; a rank that died leaves it alone."""
SECONDS_TO_LEAVE = 20.0
"""The same when a rank has said what is wrong: others may be about to say it and to end, too."""
SECONDS_APART = 0.2
"""One rank of a node after the other says that time is over: the first has the others ended."""
UP, LEAVES = b"up\n", b"leaves\n"


def load_mpi() -> None:
    """Start MPI, which mpi4py does when it is loaded."""
    from mpi4py import MPI

    assert MPI.Is_initialized()


def mpi_is_loaded() -> bool:
    """Whether MPI is up: from then on the loss of a rank is reported to the others."""
    return "mpi4py.MPI" in sys.modules


@dataclass(frozen=True, slots=True)
class Newborn:
    """A rank before MPI is up."""

    number: int
    number_on_node: int
    """Both as the launcher counts."""
    process: int
    launcher: int
    """The process that has started it; 0 if it is not to be seen."""


class Birth:
    """What a rank tells the process that watches it, if there is one."""

    def __init__(self, newborn: Newborn | None) -> None:
        self._pipe = -1
        if newborn is None:
            return
        reading, self._pipe = os.pipe()
        self._watcher = os.fork()
        if self._watcher == 0:
            os.close(self._pipe)
            try:
                _watch(newborn, reading)
            finally:
                os._exit(0)
        os.close(reading)

    def within(self, limit_s: float) -> None:
        """Have all ranks ended when nothing is heard for so long: one has died unwatched."""
        if limit_s > 0.0:
            self.tell(b"%g\n" % limit_s)

    def is_up(self) -> None:
        """End the watch."""
        self.tell(UP)
        if self._pipe >= 0:
            os.close(self._pipe)
            with suppress(ChildProcessError):
                os.waitpid(self._watcher, 0)
        self._pipe = -1

    def tell(self, text: bytes) -> None:
        """Say something to the watcher, which may have ended."""
        if self._pipe >= 0:
            with suppress(BrokenPipeError):
                os.write(self._pipe, text)


@contextmanager
def watched_birth(numbers: tuple[int, int] | None) -> Iterator[Birth]:
    """Have all ranks ended if this one ends before it says that MPI is up.

    Parameters
    ----------
    numbers
        Of this rank among all, and among those of its node, as the launcher counts; None watches
        nobody.
    """
    own = os.getpid()
    birth = Birth(None if numbers is None else Newborn(*numbers, own, launcher_of(own)))
    try:
        yield birth
    except HalfmapError:
        birth.tell(LEAVES)
        raise


def _watch(newborn: Newborn, reading: int) -> None:
    """Wait until a rank says that MPI is up, or ends, or is late."""
    limit_s, patience_s = 0.0, SECONDS_TO_FOLLOW
    while True:
        late_s = limit_s + SECONDS_APART * newborn.number_on_node
        heard, _, _ = select.select([reading], [], [], late_s if limit_s else None)
        if not heard:
            _say(newborn, f"has waited {limit_s:g} s for a rank that ended before MPI was up")
            _end(newborn.launcher, newborn.process)
            return
        said = os.read(reading, 100)
        if said.endswith(UP):
            return
        if said.endswith(LEAVES):
            patience_s = SECONDS_TO_LEAVE
        elif said:
            limit_s = float(said)
        else:
            if not _follows(newborn, patience_s):
                _say(newborn, "ended before MPI was up")
                _end(newborn.launcher)
            return


def _follows(newborn: Newborn, patience_s: float) -> bool:
    """Whether the launcher ends, too: then it has ended the rank."""
    end = time.monotonic() + patience_s
    while time.monotonic() < end:
        if newborn.launcher and not runs(newborn.launcher):
            return True
        time.sleep(0.05)
    return False


def _say(newborn: Newborn, why: str) -> None:
    then = "all are ended" if newborn.launcher else "the others wait for it: end them, too"
    sys.stderr.write(
        f"halfmap: rank {newborn.number} on {socket.gethostname()} {why}; {then}. What it said "
        "stands above, if anything; halfmap doctor examines the nodes of a job\n"
    )
    sys.stderr.flush()


def _end(*processes: int) -> None:
    for process in filter(None, processes):
        with suppress(OSError):
            os.kill(process, signal.SIGTERM)


def launcher_of(process: int) -> int:
    """Return the launcher among the ancestors of a process, 0 if none is to be seen."""
    while process > 1:
        try:
            text = Path(f"/proc/{process}/stat").read_text(encoding="utf-8", errors="replace")
        except OSError:
            return 0
        if text[text.index("(") + 1 : text.rindex(")")] in LAUNCHERS:
            return process
        process = int(text.rpartition(")")[2].split()[1])
    return 0
