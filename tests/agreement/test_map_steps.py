"""What is done to maps, beside RELION itself where its program is installed.

A step is the whole difference between two runs of RELION, one with the option and one without. So
our step on the map of the one must give the map of the other, to the last digits of float32.
"""

import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import mrcfile
import numpy as np
import pytest

from halfmap.cli.main import main
from halfmap.engine.starting.map_masks import MaskFile, fitted_masks
from halfmap.engine.telling.console import Console
from halfmap.io.local_symmetry_star import read_local_symmetry, read_region_mask
from halfmap.io.model_reading import read_model_star
from halfmap.io.mrc import read_map, write_map
from halfmap.io.star import write_star
from halfmap.steps.centring import centred
from halfmap.steps.local_symmetry import symmetrise_locally
from halfmap.steps.solvent import flatten, flatten_but_low_pass, level, solvent_mask

pytestmark = pytest.mark.skipif(
    shutil.which("relion_refine") is None, reason="RELION's relion_refine is not installed"
)

BOX, PIXEL_A = 64, 5.0
WORDS = {
    **{"--i": "p240_truth.star", "--ref": "ref.mrc", "--K": "1", "--iter": "1", "--ini_high": "30"},
    **{"--healpix_order": "1", "--sym": "C1", "--particle_diameter": "290", "--random_seed": "1"},
    **{"--pad": "2", "--j": "1", "--pool": "10", "--offset_range": "5", "--offset_step": "2"},
    **{"--offset": "100000", "--verb": "0"},
}
FLAGS = ("--ctf", "--zero_mask", "--norm", "--scale", "--fix_sigma_offset", "--skip_align")
FLOAT32 = 2e-7
"""Relative: maps are written in single precision."""

Relion = Callable[..., np.ndarray]


@pytest.fixture(scope="module")
def folder(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """RELION's golden particles and reference, masks, operators, and a spectrum."""
    made = tmp_path_factory.mktemp("relion")
    for name in ("p240.mrcs", "p240_truth.star", "ref.mrc"):
        (made / name).symlink_to(shared / "golden/relion" / name)
    write_map(made / "solvent.mrc", solvent_mask(BOX, PIXEL_A, 200.0, 5.0), PIXEL_A)
    write_map(made / "region.mrc", ball((3, -2, 4), 8, 4), PIXEL_A)
    write_map(made / "shell.mrc", ball((0, 0, 0), 28, 3) - ball((0, 0, 0), 18, 3), PIXEL_A)
    write_map(made / "coarse.mrc", ball((3, -2, 4), 8, 4)[4:60, 4:60, 4:60], 6.0)
    write_map(made / "inner.mrc", ball((9, 2, -3), 5, 4), PIXEL_A)
    write_map(made / "outer.mrc", ball((24, -20, 3), 8, 4), PIXEL_A)
    copies = ((0, 0, 0, 0, 0, 0), (118, 35, -20, 10, -25, 5), (20, 80, 15, 0, 50.5, -30.3))
    for name in ("inner", "outer"):
        write_star(made / f"{name}.star", {"": operators(f"{name}.mrc", copies)})
    shells = np.arange(BOX // 2 + 1)
    tau2 = {"rlnSpectralIndex": shells, "rlnReferenceTau2": 1e-3 * np.exp(-shells / 4.0)}
    write_star(made / "tau.star", {"": tau2})
    return made


def ball(centre: tuple[int, int, int], radius: float, edge: float) -> np.ndarray:
    z, y, x = np.ogrid[(slice(-BOX // 2, BOX // 2),) * 3]
    r = np.sqrt((x - centre[0]) ** 2 + (y - centre[1]) ** 2 + (z - centre[2]) ** 2)
    return np.asarray(np.clip((radius + edge - r) / edge, 0.0, 1.0), np.float32)


def operators(mask: str, rows: tuple[tuple[float, ...], ...]) -> dict[str, list]:
    labels = [f"rlnAngle{name}" for name in ("Rot", "Tilt", "Psi")]
    labels += [f"rlnOrigin{axis}Angst" for axis in "XYZ"]
    columns = zip(*rows, strict=True)
    table: dict[str, list] = {"rlnMaskName": [mask] * len(rows)}
    return table | {
        label: np.array(column, float) for label, column in zip(labels, columns, strict=True)
    }


@pytest.fixture(scope="module")
def relion(folder: Path) -> Relion:
    """``relion("name", "--tau", "tau.star")``: run one iteration, or more, and return the map."""

    def call(name: str, *more: str, iteration: int = 1) -> np.ndarray:
        (folder / name).mkdir()
        usual = [word for pair in WORDS.items() if pair[0] not in more for word in pair]
        command = ["relion_refine", *usual, *FLAGS, *more, "--o", f"{name}/run"]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stderr
        return read_map(folder / f"{name}/run_it{iteration:03d}_class001.mrc")[0]

    return call


@pytest.fixture(scope="module")
def plain(relion: Relion) -> np.ndarray:
    return relion("plain")


def assert_same(found: np.ndarray, wanted: np.ndarray, before: np.ndarray) -> None:
    """Assert agreement, and that there was something to agree on."""
    wanted = wanted.astype(float)
    assert np.linalg.norm(found - wanted) < FLOAT32 * np.linalg.norm(wanted)
    assert np.linalg.norm(before - wanted) > 0.01 * np.linalg.norm(wanted)


FLAT = ("--flatten_solvent", "--solvent_mask", "solvent.mrc")


def test_a_levelled_region_is_relions(folder: Path, relion: Relion, plain: np.ndarray) -> None:
    flat = flatten(plain, read_map(folder / "solvent.mrc")[0])

    found = level(flat, read_map(folder / "region.mrc")[0])

    assert_same(found, relion("level", *FLAT, "--solvent_mask2", "region.mrc"), flat)


def test_a_region_at_low_resolution_is_relions(
    folder: Path, relion: Relion, plain: np.ndarray
) -> None:
    mask, shell = (read_map(folder / name)[0] for name in ("solvent.mrc", "shell.mrc"))

    found = flatten_but_low_pass(plain, mask, shell, PIXEL_A, 40.0)

    wanted = relion("low", *FLAT, "--lowpass_mask", "shell.mrc", "--lowpass", "40")
    assert_same(found, wanted, flatten(plain, mask))


def test_a_mask_of_another_grid_is_resampled_as_by_relion(folder: Path, relion: Relion) -> None:
    relion("coarse", "--flatten_solvent", "--solvent_mask2", "coarse.mrc")
    file = MaskFile(Path("coarse.mrc"), *read_map(folder / "coarse.mrc"))

    found = fitted_masks({"levelled": file}, BOX, PIXEL_A, Console(0)).levelled

    wanted = read_map(folder / "coarse/run_solvent2.mrc")[0]
    np.testing.assert_allclose(found, wanted, atol=1e-6)


@pytest.mark.parametrize("region", ["inner", "outer"])
def test_local_symmetry_is_relions(
    folder: Path, relion: Relion, plain: np.ndarray, region: str
) -> None:
    read = read_local_symmetry(folder / f"{region}.star")
    regions = [(read_region_mask(folder / r.mask_file.name, BOX), r.operators) for r in read]

    found = symmetrise_locally(plain, regions, PIXEL_A)

    assert_same(found, relion(region, "--local_symmetry", f"{region}.star"), plain)


@pytest.mark.parametrize("limit_px", ["5", "0.25"])
def test_a_centred_map_is_relions(relion: Relion, plain: np.ndarray, limit_px: str) -> None:
    words = ("--iter", "2", "--offset_range", limit_px, "--center_classes")

    wanted = relion(f"centred{limit_px}", *words)

    assert_same(centred(plain, float(limit_px)), wanted, plain)


def test_the_last_map_of_relion_is_not_centred_either(relion: Relion, plain: np.ndarray) -> None:
    np.testing.assert_array_equal(relion("last", "--center_classes"), plain)


def test_relion_takes_the_fudge_of_a_given_spectrum_twice(folder: Path, relion: Relion) -> None:
    relion("tau", "--tau", "tau.star", "--tau2_fudge", "2")

    model, _ = read_model_star(folder / "tau/run_it001_model.star")

    shells = np.arange(BOX // 2 + 1)
    tau2, sigma2 = model.signal_variance[0], model.map_variance[0]
    np.testing.assert_allclose(tau2[:15], 2e-3 * np.exp(-shells / 4.0)[:15], rtol=2e-3)
    # six decimals in the file
    ratio = 2.0 * tau2[3:15] / sigma2[3:15]
    np.testing.assert_allclose(model.data_vs_prior[0, 3:15], ratio, rtol=2e-2)


EXTERNAL = Path(__file__).parents[1] / "integration/external_program.py"


def test_an_external_program_gets_from_us_what_it_gets_from_relion(
    folder: Path, relion: Relion, plain: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = shlex.join([sys.executable, str(EXTERNAL), "map"])
    monkeypatch.setenv("RELION_EXTERNAL_RECONSTRUCT_EXECUTABLE", program)
    monkeypatch.chdir(folder)

    found = relion("external", "--external_reconstruct")
    usual = [word for pair in WORDS.items() for word in pair]
    assert main(["refine", *usual, *FLAGS, "--external_reconstruct", "--o", "own/run"]) == 0

    # The program of our tests keeps to the protocol: it makes the map that RELION makes itself.
    assert np.linalg.norm(found - plain) < FLOAT32 * np.linalg.norm(plain)
    name = "run_it001_class001_external_reconstruct"
    requests = [(folder / f"{run}/{name}.star").read_text().split() for run in ("external", "own")]
    assert [word.replace("external/", "own/") for word in requests[0]] == requests[1]
    k = np.fft.fftfreq(2 * BOX) * 2 * BOX
    inner = k[:, None, None] ** 2 + k[:, None] ** 2 + np.arange(BOX + 1) ** 2 < (2 * 20) ** 2
    for part in ("data_real", "data_imag", "weight"):
        wanted, ours = (
            mrcfile.read(folder / f"{run}/{name}_{part}.mrc")[inner].astype(float)
            for run in ("external", "own")
        )
        # Slices and images of single precision there and here; the rim is decided by rounding.
        assert np.linalg.norm(ours - wanted) < 1e-5 * np.linalg.norm(wanted)
