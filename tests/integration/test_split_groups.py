"""Splitting an optics group into equal ones: nothing changes but how well noise is known."""

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from jaxtyping import Float
from numpy import ndarray as Array

from halfmap.engine.starting import start
from halfmap.io.model_reading import read_model_star
from halfmap.io.mrc import read_map
from halfmap.io.star import read_star, write_star
from halfmap.model.fourier import pixels_per_shell
from halfmap.model.mask import soft_circle

from .lens_project import TILTED, refine, simulate

N, SPLIT = 120, 3
DRAWS = 3
first_noise_variance = start.first_noise_variance


def split(source: Path, target: Path, n: int) -> None:
    """Deal the particles of one group to ``n`` groups with the same lens, in turn."""
    tables = dict(read_star(source).tables)
    particles = tables["particles"]
    rows = len(particles["rlnImageName"])
    optics = {label: np.repeat(values, n) for label, values in tables["optics"].items()}
    optics["rlnOpticsGroup"] = np.arange(1, n + 1)
    optics["rlnOpticsGroupName"] = np.array([f"part{i}" for i in range(n)])
    particles = particles | {"rlnOpticsGroup": np.arange(rows) % n + 1}
    write_star(target, {"optics": optics, "particles": particles})


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One iteration with one group, with its parts at equal noise, and with the parts' own."""
    folder = tmp_path_factory.mktemp("split")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        simulate(TILTED, "data", N, snr=0.2)
        split(Path("data/truth.star"), Path("data/split.star"), SPLIT)
        refine("data/truth.star", "joined")
        refine("data/split.star", "own")
        # The spectra of the parts, whatever they are measured to be, are those of the whole.
        patch.setattr(start, "first_noise_variance", spectra_of_the_whole)
        refine("data/split.star", "held")
        for draw in range(DRAWS):
            patch.setattr(start, "first_noise_variance", partial(uncertain_spectra, draw))
            refine("data/split.star", f"draw{draw}")
    return folder


def spectra_of_the_whole(job: Any) -> Float[Array, "optics shell"]:
    particles = job.particles
    one = np.zeros_like(particles.optics_group)
    joined = replace(particles, optics=particles.optics[:1], optics_group=one)
    noise = first_noise_variance(replace(job, particles=joined, geometry=job.geometry[:1]))
    return np.repeat(noise, len(job.optics), axis=0)


def uncertain_spectra(draw: int, job: Any) -> Float[Array, "optics shell"]:
    """Spectra of the parts as they might be measured, if all parts were alike.

    The mean power of n images in a shell of m pixels is that of 2 n m squares of Gaussians; but
    of masked images only as many pixels are independent as the mask leaves of the area.
    """
    left = np.mean((1.0 - soft_circle(job.box, 60.0 / job.pixel_size_A, 5.0)) ** 2)
    noise = spectra_of_the_whole(job)
    error = (N / SPLIT * pixels_per_shell(job.box) * left) ** -0.5
    return noise * (1.0 + error * np.random.default_rng(draw).standard_normal(noise.shape))


def test_at_equal_noise_the_map_has_the_same_bytes(folder: Path) -> None:
    name = "run_it001_class001.mrc"
    assert (folder / "joined" / name).read_bytes() == (folder / "held" / name).read_bytes()


def test_at_equal_noise_poses_and_weights_are_the_same(folder: Path) -> None:
    joined, held = (
        read_star(folder / name / "run_it001_data.star").table("particles")
        for name in ("joined", "held")
    )
    for label in joined:
        if label != "rlnOpticsGroup":
            np.testing.assert_array_equal(joined[label], held[label])


def test_the_noise_of_the_whole_is_the_mean_of_that_of_its_parts(folder: Path) -> None:
    joined, held = (
        read_model_star(folder / name / "run_it001_model.star")[0].noise_variance
        for name in ("joined", "held")
    )

    assert held.shape[0] == SPLIT
    # Parts of 40 particles with nearly equal posterior weight; the files have seven digits.
    np.testing.assert_allclose(held.mean(axis=0), joined[0], rtol=1e-3)


def test_with_own_spectra_the_map_differs_as_these_are_uncertain(folder: Path) -> None:
    joined, own, *drawn = (
        read_map(folder / name / "run_it001_class001.mrc")[0]
        for name in ("joined", "own", *(f"draw{i}" for i in range(DRAWS)))
    )

    difference, *expected = (np.std(other - joined) for other in (own, *drawn))

    # The posteriors are broad, so that no pose jumps; the largest, as all are as uncertain.
    assert 0.0 < difference <= max(expected)
    assert np.std(own - joined) < 0.1 * np.std(joined)
