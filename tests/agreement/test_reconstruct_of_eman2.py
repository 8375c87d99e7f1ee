"""`halfmap reconstruct` makes the maps of e2make3dpar."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from halfmap.engine.reconstruction import task
from halfmap.io.eman.hdf_scanner import HdfScanner
from halfmap.io.eman.hdf_stack import open_hdf
from halfmap.io.eman.volumes import read_volume
from halfmap.model.compat import HARMLESS

from .golden_eman2 import difference, options_of, reconstruct

SAME = 1e-4
"""EMAN2 sums in single precision, slice by slice; we round at other places."""
ALIKE = 1e-3
"""EMAN2 reads exponentials from a table with steps of 2 %."""

IMITATED = (
    *("nearest_neighbor", "trilinear", "gauss_2", "gauss_3", "gauss_var", "experimental"),
    *("noisy_sqrtwt", "noisy_keep80", "noisy_keepabs", "noisy_model1", "shift_center", "pre"),
    *("tlt_seed", "tlt_hdf", "outsize", "pad128_gauss_2_noradcor", "iterative"),
)


@pytest.mark.parametrize("name", IMITATED)
def test_the_map_is_that_of_eman2_if_its_habits_are_imitated(
    shared: Path, tmp_path: Path, name: str
) -> None:
    golden = shared / "golden" / "eman2"
    words = [*options_of(golden, name), "--compat", "eman2"]

    ours = reconstruct(tmp_path / "map.hdf", words)

    assert difference(ours, read_volume(golden / f"rec_{name}.hdf")[0]) <= SAME


@pytest.mark.parametrize(
    ("name", "padded"), [("gauss_2", 64), ("shift_center", 96), ("tlt_hdf", 96)]
)
def test_the_map_is_like_that_of_eman2_up_to_the_scale_that_it_gets_wrong(
    shared: Path, tmp_path: Path, name: str, padded: int
) -> None:
    golden = shared / "golden" / "eman2"

    ours = reconstruct(tmp_path / "map.hdf", options_of(golden, name))

    scale = np.sqrt((padded + 2) / padded)
    assert difference(ours * scale, read_volume(golden / f"rec_{name}.hdf")[0]) <= ALIKE


def test_what_differs_in_noisy_maps_is_the_table_of_exponentials(
    shared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    golden, scale = shared / "golden" / "eman2", np.sqrt(98 / 96)
    theirs = read_volume(golden / "rec_noisy_wt.hdf")[0]
    words = options_of(golden, "noisy_wt")
    ours = reconstruct(tmp_path / "map.hdf", words)

    monkeypatch.setattr(task, "HARMLESS", replace(HARMLESS, tabulated_exp=True))
    tabulated = reconstruct(tmp_path / "map.hdf", words)

    assert difference(tabulated * scale, theirs) <= SAME
    assert difference(ours * scale, theirs) > ALIKE


def test_the_same_slices_are_kept(shared: Path, tmp_path: Path) -> None:
    golden = shared / "golden" / "eman2"
    reconstruct(tmp_path / "map.hdf", [*options_of(golden, "noisy_keep80"), "--mode", "trilinear"])

    keys = ("threed_ptcl_idxs", "threed_excl_ptcl_idxs", "ptcl_repr")
    with HdfScanner() as scanner:
        ours, theirs = (
            open_hdf(path, keys, scanner).attributes[0]
            for path in (tmp_path / "map.hdf", golden / "rec_noisy_keep80.hdf")
        )

    assert [ours[key] for key in keys[:2]] == [theirs[key] for key in keys[:2]]
    assert ours["ptcl_repr"] == pytest.approx(theirs["ptcl_repr"], rel=1e-6)


def test_a_map_that_is_fitted_is_nearer_to_the_truth_than_one_of_gauss_var(
    shared: Path, tmp_path: Path
) -> None:
    golden = shared / "golden" / "eman2"
    truth = read_volume(golden / "truth.hdf")[0]
    words = ["--input", str(golden / "proj.hdf")]

    spread, fitted = (
        difference(reconstruct(tmp_path / f"{mode}.hdf", [*words, "--mode", mode]), truth)
        for mode in ("gauss_var", "least_squares")
    )

    # Projections without noise: what remains of the fit is the prior, 1/1000 of the weight.
    assert fitted < 0.01 < spread
