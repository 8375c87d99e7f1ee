"""116 real particles (beta-galactosidase, D2) refine with RELION's own command line.

RELION perturbs its angular grid by other random numbers than we do, so that outcomes are
compared, not poses: where it ends, the FSC of the half maps, and the maps themselves.
"""

import shlex
import shutil
from pathlib import Path

import numpy as np
import pytest
from jaxtyping import Float
from numpy import ndarray as Array

from halfmap.io.mrc import read_map
from halfmap.io.star import read_star
from halfmap.model.fourier import low_pass, resolution_shell
from halfmap.model.fsc import map_fsc
from halfmap.model.mask import soft_sphere

from .conftest import Launch
from .test_exactness import assert_equal, results

BOX, PIXEL_A = 80, 3.415102
PARTICLE_RADIUS_PX = 100.0 / PIXEL_A
FSC_SPHERE_PX, FSC_EDGE_PX = 33.0, 5.0
"""The particle and a rim: within it RELION's half maps have the FSC that its README states."""
RELION_HALVES_A, RELION_JOINED_A = 27.2, 17.0
RELION_SHELL_OF_FSC = {0.5: 12.0, 0.143: 16.6}
HALF_MAPS = ("half1_class001_unfil.mrc", "half2_class001_unfil.mrc")


@pytest.fixture(scope="module")
def golden(shared: Path) -> Path:
    return shared / "golden" / "relion_real_betagal"


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory, shared: Path, golden: Path) -> Path:
    """What the command names, in one folder."""
    folder = tmp_path_factory.mktemp("betagal")
    particles = shared / "data" / "real_betagal"
    for file in (golden / "bg.star", *particles.glob("*.mrc*")):
        shutil.copy(file, folder)
    return folder


def refine(data: Path, golden: Path, halfmap: Launch, ranks: int) -> Path:
    words = shlex.split((golden / "command.txt").read_text())
    options = words[words.index("relion_refine_mpi") + 1 :]
    folder = data / f"ranks{ranks}"
    folder.mkdir()
    for file in data.iterdir():
        if file.is_file():
            (folder / file.name).symlink_to(file)
    done = halfmap(folder, "refine", *options, "--verb", 0, ranks=ranks)
    assert done.returncode == 0, done.stderr
    return folder / "run"


@pytest.fixture(scope="module")
def on_three_ranks(data: Path, golden: Path, halfmap: Launch) -> Path:
    return refine(data, golden, halfmap, 3)


@pytest.fixture(scope="module")
def on_four_ranks(data: Path, golden: Path, halfmap: Launch) -> Path:
    return refine(data, golden, halfmap, 4)


def volume(root: Path, name: str) -> Float[Array, "z y x"]:
    return read_map(Path(f"{root}_{name}"))[0]


def resolution_in_shells(model: Path) -> int:
    general = read_star(model).values("model_general")
    return resolution_shell(float(general["rlnCurrentResolution"]), BOX, PIXEL_A)


def shell_of_fsc(root: Path, level: float) -> float:
    """Return where the FSC of the half maps within the particle falls below a level."""
    mask = 1.0 - soft_sphere(BOX, FSC_SPHERE_PX, FSC_EDGE_PX)
    fsc = map_fsc(*(volume(root, name) * mask for name in HALF_MAPS))
    below = int(np.flatnonzero(fsc < level)[0])
    return below - 1 + float((fsc[below - 1] - level) / (fsc[below - 1] - fsc[below]))


def test_the_run_converges(on_three_ranks: Path) -> None:
    optimiser = read_star(Path(f"{on_three_ranks}_optimiser.star"))

    assert optimiser.values("optimiser_general")["rlnHasConverged"] == "1"


def test_the_halves_end_within_a_shell_of_relions_resolution(on_three_ranks: Path) -> None:
    last = max(on_three_ranks.parent.glob("run_it*_half1_model.star"))

    shell = resolution_in_shells(last)

    assert abs(shell - resolution_shell(RELION_HALVES_A, BOX, PIXEL_A)) <= 1


def test_the_joined_map_ends_within_a_shell_of_relions_resolution(on_three_ranks: Path) -> None:
    shell = resolution_in_shells(Path(f"{on_three_ranks}_model.star"))

    assert abs(shell - resolution_shell(RELION_JOINED_A, BOX, PIXEL_A)) <= 1


@pytest.mark.parametrize("level", RELION_SHELL_OF_FSC)
def test_the_fsc_of_relions_half_maps_is_measured_as_its_readme_does(
    golden: Path, level: float
) -> None:
    # 0.1: the README gives one decimal, and not the mask.
    assert shell_of_fsc(golden / "run", level) == pytest.approx(RELION_SHELL_OF_FSC[level], abs=0.1)


@pytest.mark.parametrize("level", RELION_SHELL_OF_FSC)
def test_the_fsc_of_the_half_maps_falls_within_a_shell_of_relions(
    on_three_ranks: Path, level: float
) -> None:
    assert abs(shell_of_fsc(on_three_ranks, level) - RELION_SHELL_OF_FSC[level]) <= 1.0


@pytest.mark.parametrize("name", ["class001.mrc", *HALF_MAPS])
def test_maps_correlate_with_relions(on_three_ranks: Path, golden: Path, name: str) -> None:
    inside = soft_sphere(BOX, PARTICLE_RADIUS_PX, edge_px=0.0) == 0.0
    ours, relions = (
        low_pass(volume(root, name), PIXEL_A, 20.0)[inside]
        for root in (on_three_ranks, golden / "run")
    )

    assert np.corrcoef(ours, relions)[0, 1] > 0.95


def test_four_ranks_give_the_bytes_of_three(on_three_ranks: Path, on_four_ranks: Path) -> None:
    # The fourth rank is a worker that serves both halves.
    of_three, of_four = (
        {name: content for name, content in results(root.parent).items() if name.startswith("run")}
        for root in (on_three_ranks, on_four_ranks)
    )

    assert_equal(of_four, of_three)
