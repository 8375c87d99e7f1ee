"""`halfmap reconstruct` makes of a particle table what relion_reconstruct makes of it."""

from pathlib import Path

import mrcfile
import numpy as np
import pytest

from halfmap.cli.main import main
from halfmap.model.fsc import map_fsc

SPREAD = ("--pad", "128", "--mode", "trilinear")


def reconstruct(
    folder: Path, output: Path, *words: str, method: tuple[str, ...] = SPREAD
) -> np.ndarray:
    table = ["--input", str(folder / "p240_truth.star"), *method]
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        assert main(["reconstruct", *table, "--output", str(output), *words]) == 0
    return np.array(mrcfile.read(output))


def test_the_map_corrected_for_the_ctf_agrees_with_that_of_relion(
    shared: Path, tmp_path: Path
) -> None:
    golden = shared / "golden" / "relion"
    theirs = np.array(mrcfile.read(golden / "rec" / "reconstruct.mrc"))

    ours = reconstruct(golden, tmp_path / "map.mrc", "--ctf")
    without = reconstruct(golden, tmp_path / "plain.mrc")

    # RELION balances the weights by iterations: noise, beyond shell 11, is not quite the same.
    assert map_fsc(ours, theirs)[1:11].min() > 0.95
    assert map_fsc(ours, theirs)[1:24].min() > 0.6
    assert map_fsc(without, theirs)[1:24].min() < 0.0  # the sign of the CTF changes there


def test_half_maps_are_those_of_the_subsets_of_the_table(shared: Path, tmp_path: Path) -> None:
    golden = shared / "golden" / "relion"
    reconstruct(golden, tmp_path / "map.mrc", "--halves", "--ctf")
    of_subset = reconstruct(golden, tmp_path / "second.mrc", "--subset", "2", "--ctf")
    half = np.array(mrcfile.read(tmp_path / "map_half2.mrc"))

    # The two have sums of different scales.
    np.testing.assert_allclose(half, of_subset, atol=1e-4 * np.abs(half).max())
    assert (tmp_path / "map_fsc.star").is_file()


def test_detail_beyond_the_resolution_that_is_wanted_is_left_out(
    shared: Path, tmp_path: Path
) -> None:
    golden = shared / "golden" / "relion"

    ours = reconstruct(golden, tmp_path / "map.mrc", "--ctf", "--maxres", "20")

    power = np.abs(np.fft.rfftn(ours)) ** 2
    frequency = np.fft.fftfreq(64)[:, None, None] ** 2 + np.fft.fftfreq(64)[:, None] ** 2
    frequency = frequency + np.fft.rfftfreq(64) ** 2
    # Cutting the padded map down spreads a little over the limit.
    assert power[frequency > (5.0 / 16.0) ** 2].sum() < 1e-2 * power[frequency > 0.0].sum()


def test_a_map_that_is_fitted_is_corrected_for_the_ctf(shared: Path, tmp_path: Path) -> None:
    golden = shared / "golden" / "relion"
    theirs = np.array(mrcfile.read(golden / "rec" / "reconstruct.mrc"))
    words = ("--ctf", "--maxres", "20")

    ours = reconstruct(golden, tmp_path / "map.mrc", *words, method=("--mode", "least_squares"))

    # RELION's windows let the noise fall off towards the edge of the box; here it does not.
    assert map_fsc(ours, theirs)[1:11].min() > 0.9
    # 20 A are 1/4 of the sampling frequency: nothing is left beyond, up to rounding.
    power = np.abs(np.fft.rfftn(ours)) ** 2
    frequency = np.fft.fftfreq(64)[:, None, None] ** 2 + np.fft.fftfreq(64)[:, None] ** 2
    frequency = frequency + np.fft.rfftfreq(64) ** 2
    assert power[frequency > 0.25**2].sum() < 1e-10 * power[frequency > 0.0].sum()
