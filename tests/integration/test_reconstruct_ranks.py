"""`halfmap reconstruct` gives the same bytes on any number of ranks and threads."""

from pathlib import Path

import pytest

from halfmap.io.reconstruction_record import read_record

from .conftest import Launch

MAPS = ("map.mrc", "map_half1.mrc", "map_half2.mrc")


@pytest.mark.parametrize(("ranks", "n_threads"), [(0, 3), (3, 2)])
def test_maps_and_half_maps_are_equal_to_the_last_bit(
    shared: Path, tmp_path: Path, halfmap: Launch, ranks: int, n_threads: int
) -> None:
    golden = shared / "golden" / "eman2"
    words = ["--input", golden / "tilt.hdf", "--tlt", golden / "tilt.tlt", "--halves"]
    words += ["--preprocess", "math.addnoise:noise=0.1"]
    made = []
    for how, n in (({}, 1), ({"ranks": ranks}, n_threads)):
        folder = tmp_path / f"threads{n}"
        folder.mkdir()
        done = halfmap(folder, "reconstruct", *words, "--output", MAPS[0], "--threads", n, **how)
        assert done.returncode == 0, done.stderr
        notes = read_record(folder / "map_reconstruction.h5").notes
        assert notes["facts"]["Ranks"] == f"{how.get('ranks') or 1}, {n} threads each"
        made.append([(folder / name).read_bytes() for name in MAPS])

    assert made[0] == made[1]
    assert made[0][1] != made[0][2]


def test_a_map_that_is_fitted_is_equal_to_the_last_bit(
    shared: Path, tmp_path: Path, halfmap: Launch
) -> None:
    golden = shared / "golden" / "eman2"
    words = ["--input", golden / "proj_shift_center.hdf", "--halves", "--mode", "least_squares"]
    words += ["--sym", "c2", "--padvol", "32", "--outsize", "32"]
    made = []
    for name, how in (("one", {}), ("two", {"ranks": 2})):
        folder = tmp_path / name
        folder.mkdir()
        n_threads = 1 + len(how)
        said = ["--output", MAPS[0], "--threads", n_threads]
        done = halfmap(folder, "reconstruct", *words, *said, **how)
        assert done.returncode == 0, done.stderr
        made.append([(folder / name).read_bytes() for name in MAPS])

    assert made[0] == made[1]
    assert made[0][1] != made[0][2]
