"""The template for Slurm, run by bash with programs that only say how they were called."""

import os
import subprocess
from pathlib import Path

import pytest

TEMPLATE = Path(__file__).parents[2] / "slurm" / "refine.sbatch"
ACTIVATE = 'export PATH="$(dirname "${BASH_SOURCE[0]}"):$PATH"\n'
SAY = '#!/bin/sh\necho "$(basename "$0") $*"\n'


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A folder with a virtual environment of talking programs."""
    programs = tmp_path / "checkout" / ".venv" / "bin"
    programs.mkdir(parents=True)
    (programs / "activate").write_text(ACTIVATE, encoding="utf-8")
    for name in ("srun", "mpirun", "halfmap"):
        (programs / name).write_text(SAY, encoding="utf-8")
        (programs / name).chmod(0o755)
    return tmp_path / "checkout"


def submit(project: Path, **variables: str) -> list[str]:
    """Return the lines that the job says when it runs in the folder of a project."""
    project.mkdir(exist_ok=True)
    slurm = {"SLURM_NTASKS": "5", "SLURM_CPUS_PER_TASK": "4", "SLURM_SUBMIT_DIR": str(project)}
    own = {k: v for k, v in os.environ.items() if not k.startswith(("SLURM_", "HALFMAP_"))}
    words = ["in.star", "start.mrc", "Refine3D/job001/run", "--sym", "D2"]
    done = subprocess.run(
        ["bash", str(TEMPLATE), *words],
        cwd=project,
        env=own | slurm | variables,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.splitlines()


@pytest.mark.parametrize(
    ("launcher", "expected"),
    [
        ("", "srun --mpi=pmix --cpus-per-task=4 --cpu-bind=cores"),
        ("srun --mpi=pmi2", "srun --mpi=pmi2 --cpus-per-task=4 --cpu-bind=cores"),
        ("mpirun", "mpirun -n 5 --bind-to none"),
    ],
)
def test_every_rank_gets_cores_for_its_threads(
    tmp_path: Path, checkout: Path, launcher: str, expected: str
) -> None:
    project = tmp_path / "project"
    lines = submit(project, HALFMAP_HOME=str(checkout), HALFMAP_LAUNCHER=launcher)
    assert lines == [
        f"{expected} halfmap refine {checkout}/configs/autorefine.yaml"
        " --i in.star --ref start.mrc --o Refine3D/job001/run --j 4 --sym D2",
        "halfmap report Refine3D/job001/run",
    ]
    assert (project / "Refine3D" / "job001").is_dir()


def test_the_folder_of_submission_may_be_the_checkout(checkout: Path) -> None:
    assert f" {checkout}/configs/autorefine.yaml " in submit(checkout)[0]


def test_preset_and_environment_can_be_named(tmp_path: Path, checkout: Path) -> None:
    venv = checkout.rename(tmp_path / "elsewhere") / ".venv"
    lines = submit(tmp_path / "project", HALFMAP_VENV=str(venv), HALFMAP_PRESET="em.yaml")
    assert "halfmap refine em.yaml --i in.star" in lines[0]
