"""Forecasts of ``--dry_run`` beside what the runs then took.

    python benchmarks/forecast.py [--o FOLDER] [CASE ...]

Simulates particles and, for each case, makes the dry run, then the run twice, and prints ratios of
forecast to run: the peak memory of the greediest rank (VmHWM) and of the node (the largest sum of
PSS) while it is watched; the CPU time of all units, and the wall time of the whole while it is not:
watching takes a part of a core. CPU times are those to trust on a machine that has other work; the
load is printed beside them. Linux only.
"""

import argparse
import csv
import json
import os
import shutil
import subprocess
import sys
import time
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SETS = {
    "p64": ("--n", "1000", "--box", "64", "--angpix", "4", "--snr", "0.3"),
    "p128": ("--n", "160", "--box", "128", "--angpix", "2", "--snr", "0.3"),
    "p256": ("--n", "64", "--box", "256", "--angpix", "1.2", "--snr", "0.3"),
}
COMMON = ("--ctf", "--zero_mask", "--norm", "--scale", "--random_seed", "1", "--oversampling", "1")
SEARCH = ("--offset_range", "5", "--offset_step", "2", "--particle_diameter", "200")
AUTO = ("--auto_refine", "--split_random_halves", "--ini_high", "30", "--healpix_order", "2")
LOCAL = ("--healpix_order", "4", "--sigma_ang", "2")
MEBIBYTE = 2**20
PAUSE_S = 0.05


@dataclass(frozen=True)
class Case:
    """A run."""

    data: str
    words: tuple[str, ...]
    ranks: int = 1
    threads: int = 1
    reference: str = "start.mrc"


CASES = {
    "auto64": Case("p64", (*AUTO, "--auto_iter_max", "20")),
    "auto64-3ranks": Case("p64", (*AUTO, "--auto_iter_max", "20"), ranks=3),
    "auto64-4ranks": Case("p64", (*AUTO, "--auto_iter_max", "20"), ranks=4),
    "k4": Case("p64", ("--K", "4", "--iter", "6", "--ini_high", "40", "--healpix_order", "1")),
    "2d": Case("p64", ("--K", "10", "--iter", "10", "--psi_step", "12"), reference=""),
    "auto128": Case("p128", (*AUTO, "--auto_iter_max", "6"), ranks=3),
    "auto256": Case("p256", (*AUTO, "--auto_iter_max", "3"), ranks=3),
    "local256": Case(
        "p256", (*LOCAL, "--split_random_halves", "--iter", "2", "--ini_high", "4"), ranks=4
    ),
}


@dataclass
class Measured:
    """What processes took."""

    wall_s: float
    rank_bytes: dict[int, int]
    """VmHWM of each."""
    node_bytes: int
    """Largest sum of PSS."""


def command(case: Case, output: str, *more: str) -> list[str]:
    """Return the words of a run."""
    reference = ("--ref", f"{case.data}/{case.reference}") if case.reference else ()
    table = "truth.star" if "--sigma_ang" in case.words else "particles.star"
    program = [sys.executable, "-m", "halfmap.cli.main", "refine"]
    words = ("--i", f"{case.data}/{table}", *reference, "--o", f"{output}/run", *COMMON, *SEARCH)
    launch = [str(Path(sys.prefix, "bin", "mpirun")), "-n", str(case.ranks)]
    return [
        *(launch if case.ranks > 1 else []),
        *program,
        *words,
        *case.words,
        *("--j", str(case.threads), "--overwrite", *more),
    ]


def measured(words: list[str], folder: Path, log: Path, *, watched: bool = True) -> Measured:
    """Run a command, looking at its processes again and again."""
    found = Measured(0.0, {}, 0)
    start = time.perf_counter()
    with log.open("w") as out:
        process = subprocess.Popen(words, cwd=folder, stdout=out, stderr=out)
        while process.poll() is None:
            if watched:
                _look(process.pid, found)
            time.sleep(PAUSE_S)
    found.wall_s = time.perf_counter() - start
    if process.returncode:
        raise SystemExit(f"{' '.join(words)}\n{log.read_text()}")
    return found


def _look(root: int, found: Measured) -> None:
    node = 0
    for pid in _family(root):
        try:
            if b"halfmap" not in Path(f"/proc/{pid}/cmdline").read_bytes():
                continue
            if b"mpirun" in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[0]:
                continue
            status, rollup = (
                _kilobytes(Path(f"/proc/{pid}/{n}")) for n in ("status", "smaps_rollup")
            )
            found.rank_bytes[pid] = 1024 * status["VmHWM"]
            node += 1024 * rollup["Pss"]
        except (OSError, KeyError):  # it has just ended
            continue
    found.node_bytes = max(found.node_bytes, node)


def _kilobytes(path: Path) -> dict[str, int]:
    fields = (line.partition(":") for line in path.read_text().splitlines())
    return {name: int(value.split()[0]) for name, _, value in fields if value.endswith("kB")}


def _family(pid: int) -> list[int]:
    family = [pid]
    try:
        for task in Path(f"/proc/{pid}/task").iterdir():
            for child in (task / "children").read_text().split():
                family += _family(int(child))
    except OSError:
        pass
    return family


def unit_seconds(timing: Path) -> dict[int, float]:
    """Return the CPU seconds of all units of each iteration."""
    seconds: defaultdict[int, float] = defaultdict(float)
    with timing.open() as file:
        for row in csv.DictReader(file):
            if row["phase"] == "units":
                seconds[int(row["iteration"])] += float(row["seconds"])
    return dict(seconds)


def compare(name: str, folder: Path) -> dict[str, Any]:
    """Forecast, run, and return both."""
    case = CASES[name]
    output = f"out-{name}"
    shutil.rmtree(folder / output, ignore_errors=True)
    (folder / output).mkdir()
    plan = folder / output / "plan.json"
    dry = command(case, output, "--dry_run", "--plan_json", str(plan))
    measured(dry, folder, folder / output / "dry.log", watched=False)
    forecast = json.loads(plan.read_text())
    real = measured(command(case, output), folder, folder / output / "watched.log")
    timed = measured(command(case, output), folder, folder / output / "run.log", watched=False)
    units = unit_seconds(folder / output / "run_timing.csv")
    n = sum(1 for it in forecast["iterations"])
    return {
        "case": name,
        "load": os.getloadavg()[0],
        "iterations": (n, len(units)),
        "rank": (
            max(p["bytes"] for p in forecast["memory_of_ranks"]) / MEBIBYTE,
            max(real.rank_bytes.values()) / MEBIBYTE,
        ),
        "ranks": (
            [round(p["bytes"] / MEBIBYTE) for p in forecast["memory_of_ranks"]],
            [round(b / MEBIBYTE) for _, b in sorted(real.rank_bytes.items())],
        ),
        "node": (forecast["memory_of_nodes"][0]["bytes"] / MEBIBYTE, real.node_bytes / MEBIBYTE),
        "cpu": (sum(it["cpu_s"] for it in forecast["iterations"]), sum(units.values())),
        "cpu_by_iteration": (
            [round(it["cpu_s"], 2) for it in forecast["iterations"]],
            [round(units[i], 2) for i in sorted(units)],
        ),
        "wall": (forecast["seconds"], timed.wall_s),
        "dry_run_s": forecast["dry_run_s"],
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="forecasts beside runs")
    parser.add_argument("--o", type=Path, default=Path("forecast-benchmark"))
    parser.add_argument("--detail", action="store_true", help="print every number")
    parser.add_argument("cases", nargs="*", default=[])
    asked = parser.parse_args()
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    asked.o.mkdir(exist_ok=True)
    folder = asked.o.resolve()
    for name, words in SETS.items():
        if not (folder / name).exists():
            program = [sys.executable, "-m", "halfmap.cli.main", "simulate", "--phantom"]
            every = [*program, *words, "--seed", "1", "--o", name]
            subprocess.run(every, cwd=folder, check=True, stdout=subprocess.DEVNULL)
    print("| case | load | iterations | rank, MiB | node, MiB | CPU of units, s | wall, s |")
    print("|---|---|---|---|---|---|---|")
    for name in asked.cases or CASES:
        found = compare(name, folder)
        cells = [f"{found['load']:.1f}", "{} / {}".format(*found["iterations"])]
        cells += [_ratio(*found[key]) for key in ("rank", "node", "cpu", "wall")]
        print(f"| {name} | " + " | ".join(cells) + " |", flush=True)
        if asked.detail:
            print(json.dumps(found), flush=True)


def _ratio(forecast: float, real: float) -> str:
    return f"{forecast:.3g} / {real:.3g} = {forecast / real:.2f}"


if __name__ == "__main__":
    main()
