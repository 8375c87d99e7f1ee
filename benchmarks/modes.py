"""CPU time per particle and memory of each mode, and of RELION on the same files.

    python benchmarks/modes.py [FOLDER [PART OF THE NAME OF A MODE ...]]

Simulates particles of 64 px, runs one iteration of each mode on one thread, with halfmap and, where
`relion_refine` is on the PATH, with RELION's plain and `--cpu` paths, the command being the same.
Two runs each, of few and of more particles: the time per particle is their difference, so that
starting and making maps do not count. The least of the repeats.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.ndimage import affine_transform
from scipy.spatial.transform import Rotation

from halfmap.io.mrc import read_map, write_map, write_stack
from halfmap.io.star import TEXT, write_star

SETS = {"few": 60, "some": 160, "many": 860}
BOX, PIXEL_A = 64, 5.0
COMMON = (
    *("--iter", "1", "--ctf", "--zero_mask", "--norm", "--scale", "--perturb", "0", "--pool", "30"),
    *("--particle_diameter", "230", "--oversampling", "1", "--offset_range", "5"),
    *("--offset_step", "2", "--random_seed", "1", "--j", "1", "--verb", "0"),
)
MAPS = ("--ref", "maps.star", "--ini_high", "30")
GLOBAL = ("--healpix_order", "2", "--sym", "C1")


@dataclass(frozen=True)
class Mode:
    """A kind of iteration."""

    name: str
    words: tuple[str, ...]
    poses: str = "particles"
    """Table of each set: without poses, or ``truth`` with the true ones."""
    per_particle: tuple[str, str] = ("few", "some")
    """Sets that RELION is measured on; halfmap takes ``many`` instead of the second."""


MODES = (
    Mode("one class, global", ("--ref", "map1.mrc", "--ini_high", "30", *GLOBAL)),
    Mode("3D, K = 4, global", (*MAPS, *GLOBAL)),
    Mode(
        "3D, K = 4, local, 1.9°",
        (*MAPS, "--healpix_order", "4", "--sigma_ang", "2", "--sym", "C1"),
        poses="truth",
        per_particle=("few", "many"),
    ),
    Mode(
        "3D, K = 4, local, 0.9°",
        (*MAPS[:3], "15", "--healpix_order", "5", "--sigma_ang", "2", "--sym", "C1"),
        poses="truth",
    ),
    Mode(
        "3D, K = 4, poses kept",
        (*MAPS, "--skip_align"),
        poses="truth",
        per_particle=("few", "many"),
    ),
    Mode("2D, K = 50", ("--ref", "pictures.star", "--psi_step", "12")),
    Mode(
        "one class, C4, padding 1",
        ("--ref", "map1.mrc", "--ini_high", "30", *GLOBAL[:2], "--sym", "C4", "--pad", "1"),
    ),
)


def prepare(folder: Path) -> None:
    """Simulate the sets, and make references that differ."""
    halfmap = [sys.executable, "-m", "halfmap.cli.main"]
    size = ("--box", str(BOX), "--angpix", str(PIXEL_A), "--snr", "0.1", "--seed", "1")
    for name, n in SETS.items():
        if not (folder / name).exists():
            words = ("simulate", "--phantom", "--n", str(n), *size, "--o", name)
            subprocess.run([*halfmap, *words], cwd=folder, check=True, stdout=subprocess.DEVNULL)
    volume, _ = read_map(folder / "few" / "truth.mrc")
    rng = np.random.default_rng(1)
    names = []
    for k in range(4):
        smooth = affine_transform(
            rng.normal(size=(8, 8, 8)), np.eye(3) / 8.0, output_shape=(BOX,) * 3
        )
        write_map(folder / f"map{k + 1}.mrc", volume * np.clip(1.0 + 0.5 * smooth, 0, 2), PIXEL_A)
        names.append(f"map{k + 1}.mrc")
    _list_references(folder / "maps.star", names)
    centre = np.full(3, BOX // 2)
    pictures = []
    for turn in Rotation.random(50, random_state=2).as_matrix():
        offset = centre - turn @ centre
        pictures.append(affine_transform(volume, turn, offset, order=1).sum(axis=0))
    write_stack(folder / "pictures.mrcs", np.array(pictures, np.float32), PIXEL_A)
    _list_references(folder / "pictures.star", [f"{k + 1:06d}@pictures.mrcs" for k in range(50)])


def _list_references(path: Path, names: list[str]) -> None:
    write_star(path, {"model_classes": {"rlnReferenceImage": np.array(names, TEXT)}})


def measured(program: list[str], words: tuple[str, ...], folder: Path) -> tuple[float, float]:
    """Return the CPU seconds and the peak memory, MiB, of a run."""
    shutil.rmtree(folder / "out", ignore_errors=True)
    (folder / "out").mkdir()
    with (folder / "log.txt").open("w") as log:
        process = subprocess.Popen([*program, *words], cwd=folder, stdout=log, stderr=log)
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{' '.join([*program, *words])}\n{(folder / 'log.txt').read_text()}")
    return used.ru_utime + used.ru_stime, used.ru_maxrss / 1024.0


def of_mode(
    mode: Mode, program: list[str], sets: tuple[str, str], folder: Path, repeats: int
) -> tuple[float, float]:
    """Return milliseconds per particle and the peak memory, MiB."""
    seconds, memory = [], 0.0
    for name in sets:
        words = ("--i", f"{name}/{mode.poses}.star", *mode.words, *COMMON, "--o", "out/run")
        runs = [measured(program, words, folder) for _ in range(repeats)]
        seconds.append(min(run[0] for run in runs))
        memory = max(run[1] for run in runs)
    n = SETS[sets[1]] - SETS[sets[0]]
    return 1e3 * (seconds[1] - seconds[0]) / max(n, 1), memory


def main() -> None:
    """Measure and print."""
    os.environ["OPENBLAS_NUM_THREADS"] = "1"
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else tempfile.mkdtemp())
    folder.mkdir(exist_ok=True)
    prepare(folder)
    peer = shutil.which("relion_refine")
    print(f"{os.cpu_count()} cores; load {os.getloadavg()[0]:.1f} at the start\n")
    print("| mode | halfmap, ms | RELION, ms | RELION --cpu, ms | times as fast | MiB | RELION's |")
    print("|---|---|---|---|---|---|---|")
    wanted = sys.argv[2:] or [""]
    for mode in (mode for mode in MODES if any(part in mode.name for part in wanted)):
        ours = [sys.executable, "-m", "halfmap.cli.main", "refine"]
        measured(
            ours, ("--i", f"few/{mode.poses}.star", *mode.words, *COMMON, "--o", "out/run"), folder
        )
        time_ms, memory = of_mode(mode, ours, ("few", "many"), folder, 3)
        cells = ["-", "-", "-", f"{memory:.0f}", "-"]
        if peer:
            plain, its_memory = of_mode(mode, [peer], mode.per_particle, folder, 1)
            quick, _ = of_mode(mode, [peer, "--cpu"], mode.per_particle, folder, 1)
            better = min(t for t in (plain, quick) if t > 0.0)
            cells = [f"{plain:.0f}", f"{quick:.0f}", f"{better / time_ms:.0f}"]
            cells += [f"{memory:.0f}", f"{its_memory:.0f}"]
        print(f"| {mode.name} | {time_ms:.1f} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
