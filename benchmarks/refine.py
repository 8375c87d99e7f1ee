"""How a whole refinement scales, and how long it takes to start.

    python benchmarks/refine.py [FOLDER]

Simulates particles, runs one iteration on one worker, on two threads and on two worker ranks, and
prints the wall seconds of the expectation with their ratios, all from one run of this script. Then
the time to start: of ``--help``, and of a run of few particles on three ranks.
"""

import csv
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

REPEATS = 3
SEARCH = (
    *("--ini_high", "30", "--healpix_order", "2", "--offset_range", "5", "--offset_step", "2"),
    *("--ctf", "--zero_mask", "--norm", "--scale", "--random_seed", "1", "--verb", "0"),
    *("--auto_refine", "--split_random_halves", "--auto_iter_max", "1", "--overwrite"),
)


def halfmap(folder: Path, *words: str, ranks: int = 0) -> float:
    """Run a command and return its wall seconds."""
    program = [sys.executable, "-m", "halfmap.cli.main", *words]
    if ranks:
        program = [str(Path(sys.prefix, "bin", "mpirun")), "-n", str(ranks), *program]
    start = time.perf_counter()
    subprocess.run(program, cwd=folder, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


def simulate(folder: Path, name: str, n: int) -> None:
    """Make particles of 64 px at 5 Å."""
    words = ("--phantom", "--n", str(n), "--box", "64", "--angpix", "5", "--snr", "0.3")
    halfmap(folder, "simulate", *words, "--o", name)


def refine(folder: Path, name: str, *more: str, ranks: int = 0) -> float:
    """Run one iteration and return the wall seconds of the whole program."""
    files = ("--i", f"{name}/particles.star", "--ref", f"{name}/start.mrc", "--o", "out/run")
    (folder / "out" / "run_timing.csv").unlink(missing_ok=True)
    return halfmap(folder, "refine", *files, *SEARCH, *more, ranks=ranks)


def expectation_seconds(folder: Path) -> float:
    """Return the seconds of the expectation in the last run, as the leader saw them."""
    with (folder / "out" / "run_timing.csv").open() as file:
        rows = list(csv.DictReader(file))
    return sum(
        float(r["seconds"]) for r in rows if r["phase"] == "expectation" and r["rank"] == "0"
    )


def scaling(folder: Path) -> None:
    """Print the seconds on one and on two workers."""
    cases = {
        "one process, 1 thread": ((), 0),
        "one process, 2 threads": (("--j", "2"), 0),
        "2 ranks (1 worker)": ((), 2),
        "3 ranks (2 workers)": ((), 3),
    }
    seconds: dict[str, list[float]] = {name: [] for name in cases}
    for _ in range(REPEATS):
        for name, (more, ranks) in cases.items():  # in turn: a drift of the machine hits all alike
            refine(folder, "many", *more, ranks=ranks)
            seconds[name].append(expectation_seconds(folder))
    print("| run | expectation, s (median) | times as fast |\n|---|---|---|")
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    for name, base in zip(cases, [*list(cases)[:1] * 2, *list(cases)[2:3] * 2], strict=True):
        print(f"| {name} | {medians[name]:.2f} | {medians[base] / medians[name]:.2f} |")


def starting(folder: Path) -> None:
    """Print how long it takes until something happens."""
    shown = statistics.median(halfmap(folder, "refine", "--help") for _ in range(5))
    whole = statistics.median(refine(folder, "few", ranks=3) for _ in range(3))
    print("| | s |\n|---|---|")
    print(f"| halfmap refine --help | {shown:.2f} |")
    print(f"| 3 ranks, 24 particles, one iteration, from launch to exit | {whole:.2f} |")


def main() -> None:
    """Measure and print."""
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else tempfile.mkdtemp())
    folder.mkdir(exist_ok=True)
    for name, n in (("many", 2000), ("few", 24)):
        if not (folder / name).exists():
            simulate(folder, name, n)
        refine(folder, name)  # compiles the kernels, warms the file cache
    print(f"{os.cpu_count()} cores; load {os.getloadavg()[0]:.1f} at the start\n")
    scaling(folder)
    print()
    starting(folder)


if __name__ == "__main__":
    main()
