"""Images of several grids and lenses give the same bytes on any number of ranks and threads."""

from pathlib import Path

import pytest

from .conftest import Launch
from .lens_project import TWO_GRIDS, simulate
from .test_exactness import of_any_command, results

REFINE = (
    *("refine", "--i", "data/particles.star", "--ref", "data/start.mrc", "--o", "out/run"),
    *("--auto_refine", "--split_random_halves", "--ctf", "--norm", "--scale"),
    *("--low_resol_join_halves", 40, "--ini_high", 40, "--healpix_order", 1, "--random_seed", 5),
    *("--offset_range", 3, "--offset_step", 2, "--particle_diameter", 120, "--verb", 0),
)
WAYS: dict[str, tuple[tuple[object, ...], int]] = {
    "ranks": ((), 3),
    "threads": (("--j", 2), 0),
    "ranks and threads": (("--j", 2), 4),
}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("exact_optics")
    premultiplied = {"rlnCtfDataAreCtfPremultiplied": [0, 1]}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        simulate(TWO_GRIDS | premultiplied, "data", n=60, snr=0.5)
    return folder


def refined(
    project: Path, halfmap: Launch, name: str, *more: object, ranks: int = 0, iterations: int = 2
) -> dict[str, bytes]:
    (project / name).mkdir()
    (project / name / "data").symlink_to(project / "data")
    words = (*REFINE, "--auto_iter_max", iterations, *more)
    done = halfmap(project / name, *words, ranks=ranks)
    assert done.returncode == 0, done.stderr
    return of_any_command(results(project / name / "out"))


@pytest.fixture(scope="module")
def alone(project: Path, halfmap: Launch) -> dict[str, bytes]:
    return refined(project, halfmap, "alone")


@pytest.mark.parametrize("way", WAYS)
def test_results_do_not_depend_on_who_computes(
    project: Path, halfmap: Launch, alone: dict[str, bytes], way: str
) -> None:
    words, ranks = WAYS[way]

    found = refined(project, halfmap, way, *words, ranks=ranks)

    assert [name for name in alone if found[name] != alone[name]] == []


def test_a_continued_run_gives_the_bytes_of_the_uninterrupted_one(
    project: Path, halfmap: Launch, alone: dict[str, bytes]
) -> None:
    refined(project, halfmap, "stopped", iterations=1)
    words = ("refine", "--continue", "out/run_it001_optimiser.star", "--auto_iter_max", 2)

    done = halfmap(project / "stopped", *words, ranks=2)

    assert done.returncode == 0, done.stderr
    found = results(project / "stopped" / "out")
    last = [name for name in alone if name.startswith("run_it002")]
    assert len(last) > 5
    assert [name for name in last if found[name] != alone[name]] == []
