"""The two halves know nothing of each other beyond what they are meant to share.

That is: the starting map, the first noise spectra, the sums inside the join radius, and the FSC.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from jaxtyping import Float, Float32, Int
from numpy import ndarray as Array

from halfmap.io.mrc import write_map, write_stack
from halfmap.io.particle_table import read_particles
from halfmap.io.stacks import ImageSource
from halfmap.io.star import Table, read_star
from halfmap.model.fourier import frequencies_3d, shells_3d
from halfmap.model.mask import soft_sphere

from .conftest import Launch

BOX, PIXEL_A, N = 32, 5.0, 200
JOIN_A, JOIN_SHELL = 40.0, 4
MIXED_SHELLS = 3
"""The soft particle mask (8 px wide, with an edge of 10 px) mixes shells so far apart: images
that are aligned to the same low resolution agree a little beyond it."""
REFINE = (
    *("refine", "--i", "particles/particles.star", "--ref", "particles/start.mrc"),
    *("--auto_refine", "--split_random_halves", "--ctf", "--ini_high", 40, "--zero_mask"),
    *("--particle_diameter", 40, "--maskedge", 10, "--healpix_order", 1, "--offset_range", 3),
    *("--offset_step", 2, "--random_seed", 1, "--verb", 0),
)
NOISE_RUN = (
    *("--auto_iter_max", 3, "--firstiter_cc", "--norm", "--flatten_solvent"),
    *("--low_resol_join_halves", JOIN_A),
)
"""Winner takes all first: posteriors stay sharp, so that the maps of noise have many degrees of
freedom. From flat posteriors they would be round, with one degree of freedom in each shell."""

Simulated = Callable[[str], Path]


@pytest.fixture(scope="module")
def simulated(tmp_path_factory: pytest.TempPathFactory, halfmap: Launch) -> Simulated:
    """``simulated(name)``: a folder with the same particles, in given halves, and a start map."""

    def make(name: str) -> Path:
        folder = tmp_path_factory.mktemp(name)
        grid = ("--box", BOX, "--angpix", PIXEL_A, "--n", N, "--snr", 0.3)
        seen = ("simulate", "--phantom", *grid, "--split", "--seed", 1, "--o", "particles")
        done = halfmap(folder, *seen)
        assert done.returncode == 0, done.stderr
        return folder

    return make


def rows_of_half(folder: Path, half: int) -> Int[Array, " image"]:
    """Return the images of a half, as places in the stack."""
    table = folder / "particles" / "particles.star"
    particles, _, _ = read_particles(table, ctf=True, half_seed=0)
    return np.sort(particles.slice[particles.half == half])


def read_images(folder: Path) -> Float32[Array, "image y x"]:
    source = ImageSource((str(folder / "particles" / "particles.mrcs"),))
    return source.read(np.zeros(N, np.int64), np.arange(N), BOX)


def replace_images(folder: Path, images: Float32[Array, "image y x"]) -> None:
    write_stack(folder / "particles" / "particles.mrcs", images, PIXEL_A)


def white_noise(seed: int) -> Float32[Array, "image y x"]:
    return np.random.default_rng(seed).standard_normal((N, BOX, BOX)).astype(np.float32)


def refine(folder: Path, halfmap: Launch, *options: object) -> Path:
    done = halfmap(folder, *REFINE, *options, "--o", "run", ranks=3)
    assert done.returncode == 0, done.stderr
    return folder / "run"


def excess_over_chance(root: Path, iteration: int) -> Float[Array, " shell"]:
    """Return the FSC of the halves in standard deviations, beyond the shells that they share."""
    model = read_star(Path(f"{root}_it{iteration:03d}_half1_model.star"))
    fsc = model.table("model_class_1")["rlnGoldStandardFsc"].astype(np.float64)
    last = int(model.values("model_general")["rlnCurrentImageSize"]) // 2
    beyond = slice(JOIN_SHELL + MIXED_SHELLS + 1, last + 1)
    return np.asarray(fsc[beyond] * np.sqrt(independent_points()[beyond]))


def independent_points() -> Int[Array, " shell"]:
    """Count the Fourier coefficients of each shell without their Friedel mates.

    The variance of an FSC by chance is half of the inverse; a map that is confined to the sphere
    in the box has about half as many independent coefficients.
    """
    kz, ky, kx = frequencies_3d(BOX)
    own = (kx > 0) | ((kx == 0) & ((ky > 0) | ((ky == 0) & (kz > 0))))
    return np.bincount(shells_3d(BOX)[own])[: BOX // 2 + 1]


@pytest.fixture(scope="module")
def run_on_noise(simulated: Simulated, halfmap: Launch) -> Path:
    folder = simulated("noise")
    replace_images(folder, white_noise(1))
    return refine(folder, halfmap, *NOISE_RUN)


@pytest.mark.parametrize("iteration", [1, 2, 3])
def test_half_maps_from_pure_noise_do_not_correlate_beyond_the_join_radius(
    run_on_noise: Path, iteration: int
) -> None:
    excess = excess_over_chance(run_on_noise, iteration)

    assert len(excess) >= 6
    assert np.abs(excess).max() < 4.0
    assert abs(excess.sum()) / np.sqrt(len(excess)) < 4.0


def test_half_maps_from_the_same_noise_are_seen_to_correlate(
    simulated: Simulated, halfmap: Launch
) -> None:
    # What a leak looks like: without this the test above might be blind. The sign of the FSC is
    # that of the product of two CTFs, which belong to the rows and differ.
    folder = simulated("same_noise")
    images = white_noise(1)
    images[rows_of_half(folder, 1)] = images[rows_of_half(folder, 0)]
    replace_images(folder, images)

    root = refine(folder, halfmap, *NOISE_RUN)

    assert np.median(np.abs(excess_over_chance(root, 1))) > 8.0


def particle_rows(root: Path, half: int) -> Table:
    table = read_star(Path(f"{root}_it001_data.star")).table("particles")
    own = table["rlnRandomSubset"] == str(half + 1)
    return {label: column[own] for label, column in table.items()}


@pytest.fixture(scope="module")
def before_and_after(simulated: Simulated, halfmap: Launch) -> tuple[Path, Path]:
    """Two runs that differ in all images of half 2."""
    roots = []
    for name in ("before", "after"):
        folder = simulated(name)
        if name == "after":
            other = rows_of_half(folder, 1)
            images = read_images(folder)
            images[other] = white_noise(2)[other]
            replace_images(folder, images)
        mask = 1.0 - soft_sphere(BOX, 10.0, 4.0)
        write_map(folder / "mask.mrc", mask, PIXEL_A)
        # Unfiltered maps: the prior comes from the FSC, and that is a thing of both halves. So
        # are the first noise spectra, which are measured on few images here, all of half 1.
        own = ("--solvent_mask", "mask.mrc", "--solvent_correct_fsc", "--nr_parts_sigma2noise", 50)
        roots.append(refine(folder, halfmap, "--auto_iter_max", 1, "--norm", *own))
    return roots[0], roots[1]


def test_the_map_of_a_half_does_not_feel_the_images_of_the_other(
    before_and_after: tuple[Path, Path],
) -> None:
    first, second = (
        [
            Path(f"{root}_it001_half{half}_class001_unfil.mrc").read_bytes()
            for root in before_and_after
        ]
        for half in (1, 2)
    )

    assert first[0] == first[1]
    assert second[0] != second[1]


def test_the_poses_of_a_half_do_not_feel_the_images_of_the_other(
    before_and_after: tuple[Path, Path],
) -> None:
    before, after = (particle_rows(root, 0) for root in before_and_after)

    for label, column in before.items():
        np.testing.assert_array_equal(after[label], column, err_msg=label)


def test_the_statistics_of_a_half_do_not_feel_the_images_of_the_other(
    before_and_after: tuple[Path, Path],
) -> None:
    before, after = (read_star(Path(f"{root}_it001_half1_model.star")) for root in before_and_after)

    noise = "model_optics_group_1"
    assert (before.table(noise)["rlnSigma2Noise"] == after.table(noise)["rlnSigma2Noise"]).all()
    for label in ("NormCorrectionAverage", "SigmaOffsetsAngst", "AveragePmax", "LogLikelihood"):
        general = [run.values("model_general")[f"rln{label}"] for run in (before, after)]
        assert general[0] == general[1], label
