"""Lenses and detectors that differ, from simulated images to the map."""

from pathlib import Path

import numpy as np
import pytest

from halfmap.io.model_reading import read_model_star
from halfmap.io.star import read_star, write_star
from halfmap.model.mask import soft_circle

from .lens_project import (
    ONE,
    PREMULTIPLIED,
    TILTED,
    TWO_GRIDS,
    columns,
    correlation_with,
    offsets_A,
    particles,
    refine,
    simulate,
    turns_deg,
)

ABERRATIONS = ("rlnBeamTiltX", "rlnBeamTiltY", "rlnEvenZernike")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("lenses")
    kinds = {"plain": ONE, "tilted": TILTED, "done": PREMULTIPLIED, "grids": TWO_GRIDS}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for name, optics in kinds.items():
            simulate(optics, name)
            refine(f"{name}/truth.star", f"of_{name}")
        without = read_star(Path("tilted/truth.star")).tables
        optics = {k: v for k, v in without["optics"].items() if k not in ABERRATIONS}
        write_star(Path("tilted/blind.star"), dict(without) | {"optics": optics})
        refine("tilted/blind.star", "of_blind")
    return folder


def map_of(folder: Path, name: str) -> Path:
    return folder / f"of_{name}" / "run_it001_class001.mrc"


def data_of(folder: Path, name: str) -> Path:
    return folder / f"of_{name}" / "run_it001_data.star"


def test_two_grids_give_the_map_of_one(folder: Path) -> None:
    one, two = (
        correlation_with(folder / name / "truth.mrc", map_of(folder, name))
        for name in ("plain", "grids")
    )

    # To 16 Å; beyond, the map of 100 particles is noise. Their noise is another one.
    assert np.all(two[:10] > one[:10] - 0.06)
    assert one[9] > 0.6


def test_images_of_either_grid_find_their_poses_alike(folder: Path) -> None:
    group = columns(particles(folder / "grids" / "truth.star"), "rlnOpticsGroup")[:, 0]
    truth = folder / "grids" / "truth.star"
    turns, offsets = (f(data_of(folder, "grids"), truth) for f in (turns_deg, offsets_A))
    # Of 50 particles each: the median is known to a sixth.
    assert np.median(turns[group == 2]) < 1.35 * np.median(turns[group == 1])
    assert np.median(offsets[group == 2]) < 1.35 * np.median(offsets[group == 1])


def part_within_the_mask(box: int, pixel_A: float) -> float:
    """Mean square of a masked pixel of white noise: 120 Å, and a soft edge of 5 px."""
    return float(np.mean((1.0 - soft_circle(box, 60.0 / pixel_A, 5.0)) ** 2))


def test_norms_count_all_pixels_of_an_image(folder: Path) -> None:
    """Also those beyond the last shell of the map, of which finer pixels have a fifth."""
    table = particles(data_of(folder, "grids"))
    group, norm = columns(table, "rlnOpticsGroup", "rlnNormCorrection").T

    # All images were normalised to a standard deviation of 1; of the masked ones it is less.
    expected = (part_within_the_mask(40, 4.2) / part_within_the_mask(32, 5.0)) ** 0.5
    found = np.median(norm[group == 2]) / np.median(norm[group == 1])
    # Medians of 50 norms, each of a thousand pixels within the mask, and a little signal.
    assert found == pytest.approx(expected, rel=0.04)


def test_noise_of_the_other_grid_is_that_of_the_same_area(folder: Path) -> None:
    model, _ = read_model_star(folder / "of_grids" / "run_it001_model.star")
    own, other = model.noise_variance[:, 2:14]

    # As many electrons on a square ångström, and a transform is of the integral over what the mask
    # leaves. The norms, which differ by the pixel size, are known.
    left = [
        part_within_the_mask(box, pixel_A) * (box * pixel_A) ** 2
        for box, pixel_A in ((32, 5.0), (40, 4.2))
    ]
    # 50 images and 12 shells of 4 pixels and more.
    assert np.mean(other / own) == pytest.approx(left[1] / left[0], rel=0.05)


def test_a_beam_tilt_that_is_taken_out_does_no_harm(folder: Path) -> None:
    truth = folder / "tilted" / "truth.mrc"
    known, blind = (correlation_with(truth, map_of(folder, n)) for n in ("tilted", "blind"))
    plain = correlation_with(folder / "plain" / "truth.mrc", map_of(folder, "plain"))

    assert np.mean(known[9:14]) > np.mean(plain[9:14]) - 0.06
    assert np.mean(known[9:14]) > np.mean(blind[9:14]) + 0.05


def test_a_beam_tilt_that_nobody_knows_moves_the_particles(folder: Path) -> None:
    truth = folder / "tilted" / "truth.star"
    known, blind = (
        np.median(offsets_A(data_of(folder, name), truth)) for name in ("tilted", "blind")
    )

    assert known < 0.8 * blind


def test_premultiplied_images_carry_as_much_signal_as_the_plain_ones(folder: Path) -> None:
    plain, done = (
        read_model_star(folder / f"of_{name}" / "run_it001_model.star")[0].data_vs_prior[0]
        for name in ("plain", "done")
    )

    # Without the mean CTF² it would be 2 to 10 times as much.
    np.testing.assert_allclose(done[3:11], plain[3:11], rtol=0.3)


def test_premultiplied_images_give_the_map_of_the_plain_ones(folder: Path) -> None:
    plain, done = (
        correlation_with(folder / name / "truth.mrc", map_of(folder, name))
        for name in ("plain", "done")
    )

    assert np.all(done[:10] > plain[:10] - 0.06)


def test_what_the_table_says_of_the_lens_is_written_again(folder: Path) -> None:
    optics = read_star(data_of(folder, "grids")).table("optics")

    for label, values in TWO_GRIDS.items():
        if isinstance(values[0], float):
            assert [float(x) for x in optics[label]] == values
    assert optics["rlnOddZernike"].tolist() == ["[]", "[0,0,300,0,0,200]"]
