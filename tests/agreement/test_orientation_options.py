"""Options of the orientations beside RELION's own results (``data/orientation_options.star``).

RELION ran in double precision, so nothing is left to its rounding: all poses agree, and the numbers
of significant samples.
"""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import starfile

from halfmap.cli.main import main
from halfmap.model.rotations import angular_distance_deg, euler_matrices

from .golden_runs import working_in

RESULTS = Path(__file__).parent / "data" / "orientation_options.star"
USUAL = (
    "--ref ref.mrc --iter 1 --ini_high 25 --ctf --particle_diameter 290 --zero_mask --norm --scale "
    "--perturb 0 --random_seed 1 --offset_range 5 --offset_step 2 --offset 100000 --verb 0"
)
"""The offset prior is flat: RELION's adds ångström to pixels (docs/conventions.md)."""
CASES = {
    "strict": "--healpix_order 2 --sigma_ang 6 --strict_highres_exp 40",
    "bimodal": "--healpix_order 2 --sigma_ang 6 --bimodal_psi",
    "relax": "--healpix_order 2 --sigma_ang 6 --relax_sym C2",
    "relax0": "--healpix_order 2 --relax_sym C2",
    "rotate": "--skip_rotate",
    "rotpsi": "--healpix_order 2 --sigma_rot 8 --sigma_psi 8",
    "tilt": "--healpix_order 1 --sigma_tilt 10",
    "psi": "--healpix_order 1 --sigma_psi 10",
    "tiltpsi": "--healpix_order 2 --sigma_tilt 8 --sigma_psi 8",
    "d2loc": "--healpix_order 2 --sigma_ang 6 --sym D2",
    "d2tilt": "--healpix_order 1 --sigma_tilt 9 --sym D2",
    "psistep": "--healpix_order 1 --psi_step 20",
    "alwayscc": "--healpix_order 1 --always_cc",
}


@pytest.fixture(scope="module")
def theirs() -> dict[str, Any]:
    return starfile.read(RESULTS, always_dict=True)


@pytest.fixture(scope="module")
def project(shared: Path, tmp_path_factory: pytest.TempPathFactory, theirs: dict[str, Any]) -> Path:
    folder, golden = tmp_path_factory.mktemp("orientations"), shared / "golden" / "relion"
    for name in ("p240.mrcs", "ref.mrc"):
        shutil.copy(golden / name, folder)
    tables = starfile.read(golden / "p240_near.star", always_dict=True)
    tables["particles"] = tables["particles"].iloc[:60].copy()
    starfile.write(tables, folder / "p60.star")
    given = (
        theirs["tiltpsi_input"].set_index("rlnImageName").loc[tables["particles"]["rlnImageName"]]
    )
    for label in given.columns:
        tables["particles"][label] = given[label].to_numpy()
    starfile.write(tables, folder / "p60_prior.star")
    return folder


@pytest.mark.parametrize("case", CASES)
def test_poses_posteriors_and_likelihoods_are_relions(
    project: Path, theirs: dict[str, Any], case: str
) -> None:
    table = "p60_prior.star" if case == "tiltpsi" else "p60.star"
    words = f"--i {table} --o {case}/run {USUAL} {CASES[case]}".split()
    with working_in(project):
        assert main(["refine", *words]) == 0
    found = starfile.read(project / case / "run_it001_data.star", always_dict=True)["particles"]
    found = found.set_index("rlnImageName").loc[theirs[case]["rlnImageName"]].reset_index()
    expected = theirs[case]

    angles = ["rlnAngleRot", "rlnAngleTilt", "rlnAnglePsi"]
    turned = angular_distance_deg(
        euler_matrices(found[angles].to_numpy()),
        euler_matrices(expected[angles].to_numpy()),
        np.zeros((0, 3, 3)),
    )
    assert turned.max() < 1e-3  # the files have four digits
    for label, bound in {
        "rlnOriginXAngst": 1e-3,
        "rlnOriginYAngst": 1e-3,
        # single precision beside double: a state may lie just at the threshold
        "rlnNrOfSignificantSamples": 1,
        "rlnMaxValueProbDistribution": 5e-3,
        "rlnLogLikeliContribution": 0.05,
    }.items():
        assert np.abs(found[label] - expected[label]).max() <= bound, label
