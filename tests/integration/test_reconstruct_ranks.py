"""`halfmap reconstruct` gives the same bytes on any number of ranks and threads."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

LIMIT_S = 120.0


def reconstruct(folder: Path, shared: Path, n_ranks: int, n_threads: int) -> list[bytes]:
    golden = shared / "golden" / "eman2"
    launcher = ["mpirun", "-n", str(n_ranks)] if n_ranks > 1 else []
    words = ["--input", str(golden / "tilt.hdf"), "--tlt", str(golden / "tilt.tlt"), "--halves"]
    words += ["--sym", "c2", "--output", "map.mrc", "--threads", str(n_threads)]
    subprocess.run(
        [*launcher, sys.executable, "-m", "halfmap.cli.main", "reconstruct", *words],
        cwd=folder,
        env=os.environ,
        check=True,
        timeout=LIMIT_S,
        capture_output=True,
    )
    return [(folder / f"map{end}.mrc").read_bytes() for end in ("", "_half1", "_half2")]


@pytest.mark.parametrize(("n_ranks", "n_threads"), [(1, 3), (3, 2)])
def test_maps_and_half_maps_are_equal_to_the_last_bit(
    shared: Path, tmp_path: Path, n_ranks: int, n_threads: int
) -> None:
    for name in ("one", "many"):
        (tmp_path / name).mkdir()

    alone = reconstruct(tmp_path / "one", shared, 1, 1)

    assert reconstruct(tmp_path / "many", shared, n_ranks, n_threads) == alone
    assert alone[1] != alone[2]
