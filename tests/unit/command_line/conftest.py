import os
from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give a folder with the files that ``NEW`` names, outside any launcher."""
    monkeypatch.chdir(tmp_path)
    for name in ("p.star", "r.mrc", "m.mrc"):
        Path(name).touch()
    for name in list(os.environ):
        if name.startswith(("OMPI_", "PMI", "SLURM_", "MPI_")):
            monkeypatch.delenv(name)
    return tmp_path
