"""The scripts for a shell: what shellcheck finds in them is mended."""

import shutil
import subprocess
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[2]
SCRIPTS = ("slurm/*.sbatch", "slurm/*.sh", "hpc/*.sh", "hpc/relion/relion_refine", ".ci/run")
SOURCED = "SC1091"
"""Files that scripts name at run time are not there to be read."""


@pytest.mark.skipif(shutil.which("shellcheck") is None, reason="no shellcheck (Debian: shellcheck)")
def test_shellcheck_finds_nothing() -> None:
    files = [file for pattern in SCRIPTS for file in sorted(CHECKOUT.glob(pattern))]
    assert len(files) > 8

    command = ["shellcheck", "--shell=bash", f"--exclude={SOURCED}", *map(str, files)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)

    assert done.stdout == ""
