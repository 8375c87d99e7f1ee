"""RELION's own programs read the files of our runs, and go on from them as we do.

They are looked for on PATH; without them these tests are skipped. RELION's ranks are started by the
mpirun of its own MPI library: the one that RELION_MPIRUN names, which RELION knows too, else the
first on PATH that is not the one beside our interpreter. Bounds are those of a build in single
precision, the usual one in double is closer.
"""

import os
import shlex
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import mrcfile
import numpy as np
import pytest
import starfile

from halfmap.cli.main import main
from halfmap.io.star import read_star, write_star

from .golden_runs import Run, column, relative_rms, same_pose, working_in

N = 80
"""Particles: RELION needs ten seconds for them."""

RELION = ("relion_refine", "relion_refine_mpi", "relion_reconstruct", "relion_star_handler")


@pytest.fixture(scope="module", autouse=True)
def _relion() -> None:
    absent = [name for name in RELION if shutil.which(name) is None]
    if absent:
        pytest.skip(f"RELION absent: no {', '.join(absent)} on PATH")


def run(folder: Path, *words: object) -> str:
    """Run a program of RELION's and return what it said."""
    done = subprocess.run(
        [str(word) for word in words], cwd=folder, text=True, capture_output=True, timeout=500
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def launcher_of_relion() -> list[str]:
    """Return the mpirun of RELION's MPI; with the libraries of ours its ranks do not start."""
    named = shlex.split(os.environ.get("RELION_MPIRUN", ""))
    ours = Path(sys.prefix, "bin").resolve()
    folders = [Path(folder) for folder in os.environ["PATH"].split(os.pathsep)]
    path = os.pathsep.join(str(folder) for folder in folders if folder.resolve() != ours)
    return named or [shutil.which("mpirun", path=path) or "mpirun"]


def ours(folder: Path, *words: object) -> None:
    with working_in(folder):
        assert main(["refine", *(str(word) for word in words)]) == 0


def two_iterations(shared: Path, folder: Path, case: str) -> Path:
    """Refine some particles of a golden case with its options; return the root of the files."""
    golden = shared / "golden" / "relion"
    for name in ("p240.mrcs", "ref.mrc"):
        shutil.copy(golden / name, folder)
    star = read_star(golden / "p240.star")
    rows = {label: values[:N] for label, values in star.tables["particles"].items()}
    write_star(folder / "p240.star", star.lists | star.tables | {"particles": rows})
    words = shlex.split((golden / case / "command.txt").read_text())
    start = next(i for i, word in enumerate(words) if word.startswith("relion_refine")) + 1
    last = "--auto_iter_max" if case == "halves" else "--iter"
    words[words.index(last) + 1] = "2"
    ours(folder, *words[start:])
    return folder / case / "run_it002"


def use_noise_of_half_1(root: Path) -> None:
    """Do what RELION does to its own files, too, whenever it continues a run."""
    first, second = (read_star(Path(f"{root}_half{half}_model.star")) for half in (1, 2))
    noise = {name: first.tables[name] for name in first.tables if "optics_group" in name}
    write_star(second.path, second.lists | second.tables | noise)


@pytest.fixture(scope="module")
def em(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, Run]:
    """Iteration 3 of ours, and RELION's after two of ours."""
    root = two_iterations(shared, tmp_path_factory.mktemp("em"), "em")
    folder, optimiser = root.parents[1], "em/run_it002_optimiser.star"
    words = ("--continue", optimiser, "--iter", 3, "--o")
    ours(folder, *words, "em/ours")
    run(folder, "relion_refine", *words, "em/relion")
    return Run(folder / "em/ours_it003"), Run(folder / "em/relion_it003")


@pytest.fixture(scope="module")
def halves(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, Run]:
    """The same of a gold-standard refinement; ours from the STAR files alone."""
    root = two_iterations(shared, tmp_path_factory.mktemp("halves"), "halves")
    folder, optimiser = root.parents[1], "halves/run_it002_optimiser.star"
    words = ("--continue", optimiser, "--auto_iter_max", 3, "--o")
    run(folder, *launcher_of_relion(), "-n", 3, "relion_refine_mpi", *words, "halves/relion")
    Path(f"{root}_halfmap.h5").unlink()
    use_noise_of_half_1(root)
    ours(folder, *words, "halves/ours")
    return Run(folder / "halves/ours_it003"), Run(folder / "halves/relion_it003")


@pytest.fixture(params=["em", "halves-half1", "halves-half2"])
def pair(request: pytest.FixtureRequest) -> tuple[Run, Run]:
    case, _, half = request.param.partition("-")
    found, expected = request.getfixturevalue(case)
    half = f"_{half}" if half else ""
    return replace(found, half=half), replace(expected, half=half)


def test_poses_agree(pair: tuple[Run, Run]) -> None:
    assert same_pose(*pair).sum() >= N - 2


def test_largest_posteriors_agree(pair: tuple[Run, Run]) -> None:
    found, expected = (column(each, "rlnMaxValueProbDistribution") for each in pair)

    assert np.median(np.abs(found - expected)) <= 5e-4


def test_log_likelihoods_agree(pair: tuple[Run, Run]) -> None:
    found, expected = (column(each, "rlnLogLikeliContribution") for each in pair)
    subset = column(pair[0], "rlnRandomSubset")

    for half in (1, 2):
        assert np.median(np.abs(found - expected)[subset == half]) <= 0.1


def test_decisions_agree(pair: tuple[Run, Run]) -> None:
    found, expected = pair
    for name in ("rlnCurrentResolution", "rlnCurrentImageSize"):
        assert found.general[name] == pytest.approx(expected.general[name])
    sampling = [starfile.read(f"{each.root}_sampling.star", always_dict=True) for each in pair]
    general = [tables["sampling_general"] for tables in sampling]
    for name in ("rlnHealpixOrder", "rlnPsiStep", "rlnOffsetRange", "rlnOffsetStep"):
        assert general[0][name] == pytest.approx(general[1][name], rel=1e-5)


def test_statistics_agree(pair: tuple[Run, Run]) -> None:
    found, expected = pair
    same = same_pose(*pair).all()

    for group in (1, 2):
        noise = [each.model[f"model_optics_group_{group}"]["rlnSigma2Noise"] for each in pair]
        np.testing.assert_allclose(*noise, rtol=1e-3 if same else 5e-2)
    fsc = [each.spectra["rlnGoldStandardFsc"] for each in pair]
    np.testing.assert_allclose(*fsc, atol=2e-3 if same else 3e-2)
    norm = [each.general["rlnNormCorrectionAverage"] for each in pair]
    np.testing.assert_allclose(*norm, rtol=5e-5 if same else 1e-3)
    assert relative_rms(found.maps[0], expected.maps[0]) <= (2e-2 if same else 0.1)


def test_the_tables_of_a_run_are_read_by_the_star_handler(em: tuple[Run, Run]) -> None:
    folder, name = em[0].root.parents[1], em[0].root.name
    select = ("relion_star_handler", "--select", "rlnAngleTilt", "--minval", 0, "--maxval", 90)
    run(folder, *select, "--i", f"em/{name}_data.star", "--o", "upper.star")
    tilt = column(em[0], "rlnAngleTilt")

    upper = starfile.read(folder / "upper.star", always_dict=True)["particles"]

    assert len(upper) == (tilt <= 90).sum()


def test_the_poses_of_a_run_reconstruct_its_map(em: tuple[Run, Run]) -> None:
    folder, name = em[0].root.parents[1], em[0].root.name
    table = f"em/{name}_data.star"
    run(folder, "relion_reconstruct", "--i", table, "--o", "map.mrc", "--ctf", "--maxres", 35)

    found = mrcfile.read(folder / "map.mrc").astype(float)

    assert np.corrcoef(found.ravel(), em[0].maps[0].ravel())[0, 1] >= 0.9
