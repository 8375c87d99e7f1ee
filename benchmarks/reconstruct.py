"""User seconds of ``halfmap reconstruct`` on one thread, and of the loops inside it.

    OPENBLAS_NUM_THREADS=1 python benchmarks/reconstruct.py [CASE ...]

Reconstructed are 500 projections of 64 px of the reference data (HALFMAP_SHARED). Each case is a
process of its own, run twice: the first time may compile, the second counts. What the interpreter
takes to start and to import is measured by itself and said apart. Beside it stands what
e2make3dpar takes (2.99.72, one thread, on a machine with 107 GFLOP/s sgemm).
"""

import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

CASES = {
    "gauss_2 pad 128": ("--mode gauss_2 --pad 128", 1.2),
    "gauss_5 pad 128": ("--mode gauss_5 --pad 128", 7.1),
    "gauss_var pad 128": ("--mode gauss_var --pad 128", 7.8),
    "octahedral pad 96": ("--sym oct --pad 96", 97.0),
    "icosahedral pad 96": ("--sym icos --pad 96", 244.0),
    "icos2 pad 96": ("--sym icos2 --pad 96", float("nan")),
    "iterative": ("--iterative", 12.7),
}
PROGRAM = ("-m", "halfmap.cli.main", "reconstruct")
IMPORTS = (
    "-c",
    "import halfmap.engine.reconstruction.reconstruct, halfmap.kernels.numba_cpu.insertion_backend",
)


def user_seconds(*words: str) -> tuple[float, float]:
    """Run Python; return its user seconds and the most memory of any child so far, MiB."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run([sys.executable, *words], capture_output=True, text=True, timeout=900)
    if done.returncode:
        raise SystemExit(f"{' '.join(words)}: exit code {done.returncode}\n{done.stderr}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime - before.ru_utime, after.ru_maxrss / 1024.0


def main() -> None:
    """Measure the cases that are named, or all."""
    images = Path(os.environ["HALFMAP_SHARED"]) / "golden" / "eman2" / "proj.hdf"
    user_seconds(*IMPORTS)
    start, _ = user_seconds(*IMPORTS)
    print(f"start and imports: {start:.2f} s")
    print(
        f"{'case':20} {'user s':>8} {'less start':>10} {'e2make3dpar':>11} {'ratio':>6} {'MiB':>6}"
    )
    for name in sys.argv[1:] or CASES:
        words, theirs = CASES[name]
        with tempfile.TemporaryDirectory() as folder:
            for attempt in ("compiled", "measured"):
                output = str(Path(folder) / f"{attempt}.hdf")
                asked = ("--input", str(images), "--output", output, "--no_wt", "--threads", "1")
                seconds, memory = user_seconds(*PROGRAM, *asked, *words.split())
        own = seconds - start
        print(
            f"{name:20} {seconds:8.2f} {own:10.2f} {theirs:11.1f} {theirs / own:6.1f} {memory:6.0f}"
        )


if __name__ == "__main__":
    main()
