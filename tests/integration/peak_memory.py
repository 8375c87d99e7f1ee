"""Run the command line in this process and print its peak of memory, MB: not a test by itself."""

import sys
import threading
from pathlib import Path

from halfmap.cli.main import main

COUNTED = ("RssAnon:", "RssShmem:")
"""Files are left out: sums that are on disc are in memory only while nobody else wants it."""


def held_MB() -> float:
    """Return what this process holds that the system cannot take back."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith(COUNTED)) / 1000.0


def run() -> int:
    """Run, looking at the memory all the while."""
    peak, over = [0.0], threading.Event()

    def look() -> None:
        while not over.wait(0.005):
            peak[0] = max(peak[0], held_MB())

    watcher = threading.Thread(target=look)
    watcher.start()
    try:
        return main(sys.argv[1:])
    finally:
        over.set()
        watcher.join()
        sys.stdout.write(f"\npeak {peak[0]:.0f} MB\n")


if __name__ == "__main__":
    sys.exit(run())
