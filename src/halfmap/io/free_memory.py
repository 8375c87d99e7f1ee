"""How much memory this process may still take: of the node, and of its share of the node.

Schedulers and containers give a job a part of the memory (a control group); taking more is
death, not an error. Files in ``/dev/shm`` count.
"""

from collections.abc import Iterator
from pathlib import Path

SYSTEM = Path("/")


def free_memory(system: Path = SYSTEM) -> int | None:
    """Return how many bytes can be taken before something has to go; None if nobody says.

    Parameters
    ----------
    system
        Where ``proc`` and ``sys`` are.
    """
    known = [*_of_node(system), *_of_groups(system)]
    return max(0, min(known)) if known else None


def _of_node(system: Path) -> Iterator[int]:
    for line in _read(system / "proc/meminfo").splitlines():
        if line.startswith("MemAvailable:"):
            yield int(line.split()[1]) * 1024


def _of_groups(system: Path) -> Iterator[int]:
    """Yield what is left of each limit: those of the groups above count too."""
    for line in _read(system / "proc/self/cgroup").splitlines():
        number, controllers, path = line.split(":", 2)
        if number == "0":
            base, limit, used = "sys/fs/cgroup", "memory.max", "memory.current"
        elif "memory" in controllers.split(","):
            base, limit = "sys/fs/cgroup/memory", "memory.limit_in_bytes"
            used = "memory.usage_in_bytes"
        else:
            continue
        top = system / base
        group = top / path.lstrip("/")
        while group.is_relative_to(top):
            allowed, taken = _number(group / limit), _number(group / used)
            if allowed is not None and taken is not None:
                yield allowed - taken + _reclaimable(group)
            group = group.parent


def _reclaimable(group: Path) -> int:
    """Return the bytes of files that are in memory only as long as nobody wants it."""
    for line in _read(group / "memory.stat").splitlines():
        if line.startswith("inactive_file "):
            return int(line.split()[1])
    return 0


def _number(path: Path) -> int | None:
    text = _read(path).strip()
    return int(text) if text.isdigit() else None


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii", errors="replace")
    except OSError:
        return ""
