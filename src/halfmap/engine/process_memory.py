"""What the system says of this process's memory, and of the machine's."""

import ctypes
import os
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

STATUS = Path("/proc/self/status")
CLEAR = Path("/proc/self/clear_refs")
RESET_PEAK = "5"
"""See proc(5): the peak begins anew at what is resident."""
CGROUP_LIMITS = (
    Path("/sys/fs/cgroup/memory.max"),
    Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"),
)


class Resident(NamedTuple):
    """Memory of this process, bytes."""

    now: int
    peak: int
    files: int
    """Of libraries: ranks of a node have these pages once."""


def resident() -> Resident:
    """Return what this process holds; zeros where the system does not tell."""
    known = {"VmRSS": 0, "VmHWM": 0, "RssFile": 0}
    if STATUS.exists():
        for line in STATUS.read_text(encoding="ascii", errors="replace").splitlines():
            name, _, value = line.partition(":")
            if name in known:
                known[name] = 1024 * int(value.split()[0])
    return Resident(known["VmRSS"], known["VmHWM"], known["RssFile"])


def give_back() -> None:
    """Return to the system what was freed: the C library keeps arrays of some megabytes."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)


def begin_peak() -> int:
    """Give free memory back to the system, begin a new peak, and return what is held.

    Where the system does not let us, peaks are those since the start of the process.
    """
    give_back()
    with suppress(OSError):
        CLEAR.write_text(RESET_PEAK, encoding="ascii")
    return resident().now


def node_bytes() -> int:
    """Return the memory of this node: of the machine, or what the job may use of it."""
    whole = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    for path in CGROUP_LIMITS:
        with suppress(OSError, ValueError):
            return min(whole, int(path.read_text(encoding="ascii")))
    return whole


def node_cores() -> int:
    """Return the cores that the processes of this node may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def seconds_since_start() -> float:
    """Return the age of this process; 0 where the system does not tell."""
    with suppress(OSError, ValueError, IndexError):
        fields = Path("/proc/self/stat").read_text(encoding="ascii").rpartition(")")[2].split()
        up = float(Path("/proc/uptime").read_text(encoding="ascii").split()[0])
        return up - int(fields[19]) / os.sysconf("SC_CLK_TCK")
    return 0.0
