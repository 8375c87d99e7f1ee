"""A tiny refinement as a job of Slurm, submitted with the templates as they are."""

import os
import re
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import halfmap

from .slurm import Slurm

CHECKOUT = Path(__file__).parents[2]
SIMULATE = (
    *("simulate", "--phantom", "--n", "48", "--box", "32", "--angpix", "6", "--snr", "0.5"),
    *("--n_optics", "2", "--n_micrographs", "3", "--seed", "1", "--o", "particles"),
)
REFINE = (
    *("--i", "particles/particles.star", "--ref", "particles/start.mrc", "--ctf", "--zero_mask"),
    *("--auto_refine", "--split_random_halves", "--auto_iter_max", "6", "--ini_high", "40"),
    *("--healpix_order", "1", "--offset_range", "3", "--offset_step", "2", "--random_seed", "5"),
    *("--particle_diameter", "120", "--j", "1"),
)
"""Six iterations: some seconds, in which something can happen."""
ABOUT_THE_RUN = ("_timing.csv", "_options.yaml", "_finished.txt", "_halfmap.h5", ".html")
"""Files that say how a run went (the exact states have the command line), not what it found."""
ONE_MACHINE = {
    "OMPI_ALLOW_RUN_AS_ROOT": "1",
    "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
    "PRTE_ALLOW_RUN_AS_ROOT": "1",
    "PRTE_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
    "OMPI_MCA_pml": "ob1",
    "OMPI_MCA_btl": "self,sm,tcp",
    "OMPI_MCA_osc": "^ucx",
    "OMPI_MCA_mpi_yield_when_idle": "1",
}
"""Settings of a site for Open MPI: no search for fast networks. All hosts share the same cores:
who waits lets others compute."""


ACTIVATE = """
export PATH={path}:$PATH
# The page of a run takes as long as the run: once is enough. Ranks know nothing of this function.
halfmap() {{ [ "$1" = report ] && [ -z "$WITH_PAGE" ] || command halfmap "$@"; }}
"""


def halfmap_here(folder: Path, *words: str) -> None:
    """Run halfmap on this machine, as one process."""
    command = [sys.executable, "-m", "halfmap.cli.main", *words]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr


def results(folder: Path) -> dict[str, bytes]:
    """Return what a run has found, by file; STAR files without their comments."""
    found = {}
    for file in sorted(folder.iterdir()):
        if file.is_file() and not file.name.endswith(ABOUT_THE_RUN):
            content = file.read_bytes()
            if file.suffix == ".star":
                content = b"\n".join(r for r in content.splitlines() if not r.startswith(b"#"))
            found[file.name] = content
    return found


def environment(folder: Path) -> dict[str, str]:
    """Return the variables with which a user submits; makes the environment that has halfmap."""
    venv = folder / "venv"
    if not venv.is_dir():
        (venv / "bin").mkdir(parents=True)
        path = f"{Path(sys.prefix, 'bin')}:{Path(sys.executable).parent}"
        (venv / "bin" / "activate").write_text(ACTIVATE.format(path=path))
    passed = {k: v for k, v in os.environ.items() if k == "NUMBA_CACHE_DIR"}
    return (
        passed
        | ONE_MACHINE
        | {
            "HALFMAP_HOME": str(CHECKOUT),
            "HALFMAP_VENV": str(venv),
            "HALFMAP_SECONDS_TO_ANSWER": "6",
            "WITH_PAGE": "",
            "PYTHONPATH": str(Path(halfmap.__file__).parents[1]),
        }
    )


@dataclass
class Job:
    """A job and the folder that it was submitted from."""

    slurm: Slurm
    folder: Path
    number: str = field(default="", init=False)

    def submit(self, template: str, *words: str, sbatch: str = "", **variables: str) -> "Job":
        """Submit a template; the words follow it."""
        usual = "--cpus-per-task=1 --mem-per-cpu=0 --time=30 --output=log"
        self.number = self.slurm.run(
            *("sbatch", "--parsable", *usual.split(), *sbatch.split()),
            *(str(CHECKOUT / "slurm" / f"{template}.sbatch"), *words),
            env=environment(self.slurm.hosts.folder) | variables,
            cwd=self.folder,
        )
        return self

    def log(self) -> str:
        """Return what the job has said so far."""
        file = self.folder / "log"
        return file.read_text(errors="replace") if file.exists() else ""

    def wait_for_iteration(self, number: int) -> None:
        """Wait until an iteration is written."""
        file = self.folder / "out" / f"run_it{number:03d}_optimiser.star"
        self.slurm.wait_for(file.exists, f"iteration {number}; {self.log()}", 60)

    def finish(self, task: str = "") -> str:
        """Wait for the good end of the job, or of a task of an array; return its log."""
        found = self.slurm.wait_until_over(self.number + task, seconds=120)
        assert found["JobState"] == "COMPLETED", f"{found}\n{self.log()}"
        return self.log()

    def starts(self) -> int:
        """Return how often the ranks were started."""
        return len(re.findall(r"started again|queued again", self.log())) + 1
