"""The last iteration, at Nyquist, in a quarter of the memory that it would take."""

import re
import sys
from pathlib import Path

import numpy as np
import pytest

from halfmap.io.star import write_star
from halfmap.model.padded_sphere import PaddedSphere
from halfmap.steps.memory_plan import Degrees, NodeLoad, Volumes, n_bytes_of_node

from .conftest import run_program
from .test_exactness import assert_equal, of_any_command, results
from .tiny_project import write

BOX, N, THREADS = 192, 12, 4
NAIVE = n_bytes_of_node(
    NodeLoad(workers=(1, 1), n_ranks=1, n_threads=THREADS),
    Volumes(PaddedSphere(BOX // 2, 2.0), BOX, n_classes=1),
    Degrees((1, 1)),
)
"""Bytes with the sums and references of both halves, and a grid for each thread of either."""
PROGRAM = Path(__file__).with_name("peak_memory.py")
REFINE = (
    *("refine", "--i", "particles.star", "--ref", "start.mrc", "--o", "out/run"),
    *("--auto_refine", "--split_random_halves", "--healpix_order", "4"),
    *("--auto_local_healpix_order", "4", "--offset_range", "1", "--offset_step", "1"),
    *("--ini_high", "20", "--particle_diameter", "150", "--random_seed", "1", "--verb", "0"),
    *("--auto_iter_max", "1", "--dont_check_norm", "--j", str(THREADS)),
)
LAST = (
    *("refine", "--continue", "out/run_it001_optimiser.star", "--force_converge"),
    *("--overwrite", "--auto_iter_max", "2", "--verb", "0", "--j", str(THREADS)),
)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run after its first iteration: images of noise, whose poses are looked for nearby only."""
    folder, rng = tmp_path_factory.mktemp("large"), np.random.default_rng(1)
    write(folder / "images.mrcs", rng.normal(size=(N, BOX, BOX)).astype(np.float32), 1.0)
    squares = sum(axis**2 for axis in np.ogrid[(slice(-(BOX // 2), BOX // 2),) * 3])
    write(folder / "start.mrc", np.exp(-squares / 800.0).astype(np.float32), 1.0)
    optics = {
        "rlnOpticsGroup": np.array([1]),
        "rlnOpticsGroupName": np.array(["one"]),
        "rlnVoltage": np.array([300.0]),
        "rlnSphericalAberration": np.array([2.7]),
        "rlnAmplitudeContrast": np.array([0.1]),
        "rlnImagePixelSize": np.array([1.0]),
        "rlnImageSize": np.array([BOX]),
        "rlnImageDimensionality": np.array([2]),
    }
    angles = rng.uniform(0.0, 180.0, (3, N))
    particles = {
        "rlnImageName": np.array([f"{i + 1:06d}@images.mrcs" for i in range(N)]),
        "rlnOpticsGroup": np.ones(N, int),
        "rlnMicrographName": np.array(["one.mrc"] * N),
        "rlnAngleRot": angles[0],
        "rlnAngleTilt": angles[1],
        "rlnAnglePsi": angles[2],
    }
    write_star(folder / "particles.star", {"optics": optics, "particles": particles})
    peak_MB(folder, *REFINE)
    return folder


def peak_MB(folder: Path, *words: str) -> float:
    """Run, and return the most that was held."""
    done = run_program([sys.executable, str(PROGRAM), *words], folder)
    assert done.returncode == 0, done.stderr
    found = re.search(r"^peak (\d+) MB$", done.stdout, re.MULTILINE)
    assert found is not None
    return float(found[1])


def test_the_last_iteration_runs_in_a_quarter_of_the_naive_memory(project: Path) -> None:
    with_enough = peak_MB(project, *LAST, "--memory_GB", "1000")
    expected = results(project / "out")

    peak = peak_MB(project, *LAST, "--memory_GB", f"{NAIVE / 4e9:.3f}")

    # That of the plan, which counts what a thread of a larger unit would take; the other peak
    # shows that it is the budget that makes the difference.
    assert peak < NAIVE / 4e6
    assert peak < 0.6 * with_enough
    assert_equal(of_any_command(results(project / "out")), of_any_command(expected))
