"""How fast images are copied to a disc of the node, and what that costs an iteration.

    python benchmarks/staging.py [FOLDER]

First the rate of copying a stack, by one process and by four together, beside that of ``dd`` on the
same disc, in turn; each time until the data are on the disc, from a stack that is not in memory.
Then the shares of copying and of reduction in the first iteration on four ranks: the processor time
of the copying threads beside that of all threads that compute, and the wall time of the reduction
beside that of the iteration. At last the time of an expectation on one thread from a source that
makes each image wait, with units read ahead and without. FOLDER is on the disc in question.
"""

import csv
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import nullcontext
from multiprocessing import get_context
from multiprocessing.synchronize import Barrier
from pathlib import Path
from unittest.mock import patch

import numpy as np

from halfmap.cli.main import main
from halfmap.engine.reading_ahead import ReadingAhead
from halfmap.io.mrc import write_stack
from halfmap.io.scratch.copying import Copying, Tally, wanted_stacks
from halfmap.io.scratch.reading import CopiedImages
from halfmap.io.scratch.store import ScratchStore, disc_room
from halfmap.io.stacks import ImageSource, OpenStack

BOX, N_IMAGES = 256, 4096
"""1 GiB."""
REPEATS = 5
MIB = 2**20
RANKS = 4
BESIDE = ("units", "copying", "checkpoints")
"""Not phases of their own: they go on in others."""


N_SEARCHED = 2000
SEARCH = (
    *("--i", "particles/particles.star", "--ref", "particles/start.mrc", "--o", "out/run"),
    *("--ini_high", "30", "--offset_range", "5", "--offset_step", "2", "--iter", "1"),
    *("--ctf", "--zero_mask", "--random_seed", "1", "--verb", "0", "--overwrite"),
)


def evict(path: Path) -> None:
    """Have the system forget a file, so that it is read from the disc."""
    with path.open("rb") as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def flush(path: Path) -> None:
    """Wait until a file is on the disc."""
    with path.open("rb") as file:
        os.fsync(file.fileno())


def copied_by_dd(stack: Path, folder: Path) -> float:
    """Return the seconds of a copy by dd, in pieces of 1 MiB, until it is on the disc."""
    target = folder / "copy"
    start = time.perf_counter()
    command = ["dd", f"if={stack}", f"of={target}", "bs=1M"]
    subprocess.run(command, check=True, stderr=subprocess.DEVNULL)
    flush(target)
    seconds = time.perf_counter() - start
    target.unlink()
    return seconds


def copy(stack: Path, folder: Path) -> None:
    """Take part in copying a stack; leave the copy."""
    store = ScratchStore(folder, disc_room(0), keeps=True)
    source, copied = ImageSource([str(stack)]), CopiedImages(store)
    wanted = list(wanted_stacks(np.zeros(N_IMAGES, int), np.arange(N_IMAGES)))
    tally = Tally()
    Copying(store, source, copied, tally, adds=True).run(wanted, lambda: True)
    assert tally.n_there == N_IMAGES


def copy_together(stack: Path, folder: Path, together: Barrier) -> None:
    """Do the same when all processes are there, and wait until all have done it."""
    together.wait()
    copy(stack, folder)
    together.wait()


def copied_by_us(stack: Path, folder: Path, n_processes: int) -> float:
    """Return the seconds of a copy by some processes, until it is on the disc."""
    context = get_context("spawn")
    together = context.Barrier(n_processes + 1)
    words = (stack, folder, together)
    processes = [context.Process(target=copy_together, args=words) for _ in range(n_processes)]
    for process in processes:
        process.start()
    together.wait()
    start = time.perf_counter()
    together.wait()
    (target,) = folder.glob("halfmap-*/*.images")
    flush(target)
    seconds = time.perf_counter() - start
    for process in processes:
        process.join()
    for file in target.parent.iterdir():
        file.unlink()
    return seconds


def rates(folder: Path) -> None:
    """Print the rates of all ways to copy, measured in turn."""
    stack, scratch = folder / "stack.mrcs", folder / "scratch"
    scratch.mkdir()
    images = np.random.default_rng(1).normal(size=(N_IMAGES // 16, BOX, BOX)).astype(np.float32)
    write_stack(stack, np.tile(images, (16, 1, 1)), 1.0)
    ways: dict[str, Callable[[], float]] = {
        "dd": lambda: copied_by_dd(stack, scratch),
        "one process": lambda: copied_by_us(stack, scratch, 1),
        "four processes": lambda: copied_by_us(stack, scratch, 4),
    }
    found: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(REPEATS):
        for name, way in ways.items():
            evict(stack)
            found[name].append(stack.stat().st_size / MIB / way())
    dd = statistics.median(found["dd"])
    for name, rate in found.items():
        middle = statistics.median(rate)
        listed = ", ".join(f"{one:.0f}" for one in rate)
        print(f"{name:15} {middle:6.0f} MiB/s, {middle / dd:4.0%} of dd  ({listed})")
    stack.unlink()


def share(folder: Path) -> None:
    """Print the shares of copying and reduction in the first iteration on four ranks."""
    program = [sys.executable, "-m", "halfmap.cli.main"]
    simulated = f"--phantom --n {N_SEARCHED} --box 128 --angpix 2.5 --snr 0.3".split()
    subprocess.run(
        [*program, "simulate", *simulated, "--o", "particles"],
        cwd=folder,
        check=True,
        stdout=subprocess.DEVNULL,
    )
    mpirun = [str(Path(sys.prefix, "bin", "mpirun")), "-n", str(RANKS)]
    words = [
        *SEARCH,
        *("--scratch_dir", str(folder / "scratch"), "--keep_free_scratch", "0"),
    ]
    for order in ("1", "2"):
        subprocess.run(
            [*mpirun, *program, "refine", *words, "--healpix_order", order], cwd=folder, check=True
        )
        seconds = by_phase(folder / "out" / "run_timing.csv")
        part = seconds["copying"] / seconds["units"]
        wall = sum(s for phase, s in seconds.items() if phase not in BESIDE)
        print(
            f"HEALPix order {order}: copying {seconds['copying']:.2f} of {seconds['units']:.1f} s, "
            f"{part:.2%} (131 MB); reduction {seconds['reduction'] / RANKS:.3f} of "
            f"{wall / RANKS:.2f} s, {seconds['reduction'] / wall:.2%}"
        )


def overlap(folder: Path) -> None:
    """Print what reading ahead gains where each image takes as long to come as to be computed."""
    os.chdir(folder)
    fill, wait_s = OpenStack.fill, 0.0

    def slow(stack: OpenStack, first: int, raw: np.ndarray) -> None:
        time.sleep(wait_s * len(raw))
        fill(stack, first, raw)

    def run(*, ahead: bool) -> dict[str, float]:
        unannounced = patch.object(ReadingAhead, "announce", lambda *_: None)
        with nullcontext() if ahead else unannounced:
            assert main(["refine", *SEARCH, "--healpix_order", "1"]) == 0
        return by_phase(Path("out/run_timing.csv"))

    with patch.object(OpenStack, "fill", slow):
        run(ahead=True)  # compiles
        wait_s = run(ahead=False)["expectation"] / N_SEARCHED
        found: dict[bool, list[float]] = {False: [], True: []}
        for _ in range(REPEATS):
            for ahead, seconds in found.items():
                seconds.append(run(ahead=ahead)["expectation"])
    without, with_it = (statistics.median(found[ahead]) for ahead in (False, True))
    print(
        f"a source of {1e3 * wait_s:.1f} ms an image: {without:.1f} s, read ahead {with_it:.1f} s, "
        f"{with_it / without:.0%}"
    )


def by_phase(timing: Path) -> dict[str, float]:
    """Return the seconds of each phase, of all ranks together."""
    seconds: dict[str, float] = {}
    with timing.open() as file:
        for row in csv.DictReader(file):
            seconds[row["phase"]] = seconds.get(row["phase"], 0.0) + float(row["seconds"])
    return seconds


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(dir=sys.argv[1] if len(sys.argv) > 1 else None) as name:
        print(f"load: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
        rates(Path(name))
        share(Path(name))
        overlap(Path(name))
        print(f"load: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
