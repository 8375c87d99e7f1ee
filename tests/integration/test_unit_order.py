"""The bytes of a result do not depend on the order in which units are computed and summed."""

from collections import deque
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from halfmap.config.command_line import parse
from halfmap.engine import expectation
from halfmap.engine.program import run_refinement
from halfmap.parallel.units import LeaseBook, Unit

from .conftest import Launch
from .test_exactness import assert_equal, results

REFINE = (
    *("--i", "particles/particles.star", "--ref", "particles/start.mrc", "--o", "out/run"),
    *("--auto_refine", "--split_random_halves", "--auto_iter_max", "2", "--ctf", "--zero_mask"),
    *("--norm", "--scale", "--flatten_solvent", "--low_resol_join_halves", "40"),
    *("--ini_high", "40", "--healpix_order", "1", "--offset_range", "3", "--offset_step", "2"),
    *("--particle_diameter", "120", "--random_seed", "5", "--verb", "0"),
)
Order = Callable[[list[Unit]], list[Unit]]


@pytest.fixture(scope="module")
def particles(tmp_path_factory: pytest.TempPathFactory, halfmap: Launch) -> Path:
    """Enough particles for five units a half, in two optics groups."""
    folder = tmp_path_factory.mktemp("simulated")
    grid = ("--n", 80, "--box", 32, "--angpix", 5, "--snr", 0.5, "--n_optics", 2)
    done = halfmap(folder, "simulate", "--phantom", *grid, "--seed", 1, "--o", "particles")
    assert done.returncode == 0, done.stderr
    return folder / "particles"


def refined(folder: Path, particles: Path, order: Order, patch: pytest.MonkeyPatch) -> list[int]:
    """Refine in this process with the units in some order; return that order."""
    folder.mkdir()
    (folder / "particles").symlink_to(particles)
    leased: list[int] = []

    class Ordered(LeaseBook):
        def __post_init__(self) -> None:
            super().__post_init__()
            self._waiting = {half: deque(order(list(q))) for half, q in self._waiting.items()}

        def finish(self, number: int, worker: int) -> None:
            super().finish(number, worker)
            leased.append(number)

    patch.setattr(expectation, "LeaseBook", Ordered)
    patch.chdir(folder)
    assert run_refinement(parse(REFINE)) == 0
    return leased


def as_cut(units: list[Unit]) -> list[Unit]:
    return units


def backwards(units: list[Unit]) -> list[Unit]:
    return units[::-1]


def shuffled(units: list[Unit]) -> list[Unit]:
    return [units[i] for i in np.random.default_rng(3).permutation(len(units))]


@pytest.mark.parametrize("order", [backwards, shuffled])
def test_results_do_not_depend_on_the_order_of_the_units(
    tmp_path: Path, particles: Path, order: Order, monkeypatch: pytest.MonkeyPatch
) -> None:
    usual = refined(tmp_path / "usual", particles, as_cut, monkeypatch)

    changed = refined(tmp_path / "changed", particles, order, monkeypatch)

    assert sorted(usual) == sorted(changed)
    assert usual != changed
    assert_equal(results(tmp_path / "changed" / "out"), results(tmp_path / "usual" / "out"))
