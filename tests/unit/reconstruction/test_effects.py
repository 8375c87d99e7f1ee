"""What options do to a map, where the map can be told without the program."""

from pathlib import Path

import numpy as np
import pytest

from halfmap.cli.main import main
from halfmap.io.eman.volumes import read_volume, write_volume

from .tiny_projections import BOX, all_round, blob, made, upright, write_projections

PLAIN = ("--mode", "nearest_neighbor", "--no_wt")
"""Seen along z, samples lie on voxels: the sum of the map along z is the mean of the images."""
CUT = 1e-3
"""What spots lose beyond Nyquist, and where they are cut off, of their height."""


def test_usessnr_weights_each_radius_by_the_curve_of_the_image(tmp_path: Path) -> None:
    one, other = blob(1.0, 0.0), blob(-2.0, 1.0)
    curves = [{"class_ssnr": [1.0] * 9}, {"class_ssnr": [3.0] * 9}, {}]
    source = upright(tmp_path / "p.hdf", one, other, blob(0.0, 3.0), said=curves)

    flat = made(source, *PLAIN, "--usessnr").sum(axis=0)

    assert np.abs(flat - (one + 3.0 * other) / 4.0).max() < CUT

    only = [{"class_ssnr": [1.0] * 3 + [0.0] * 6}, {"class_ssnr": [0.0] * 3 + [1.0] * 6}]
    source = upright(tmp_path / "q.hdf", one, other, said=only)
    transform = np.fft.fft2(made(source, *PLAIN, "--usessnr").sum(axis=0))
    frequency = np.fft.fftfreq(BOX, 1.0 / BOX)
    inner = np.floor(np.hypot(frequency, frequency[:, None]) + 0.5) <= 2
    wanted = np.where(inner, np.fft.fft2(one), np.fft.fft2(other))
    assert np.abs(transform - wanted).max() < CUT * one.sum()


@pytest.mark.parametrize(("range_deg", "z_reached"), [(0.0, 0), (16.0, 1), (30.0, 2)])
def test_fillangle_inserts_a_slice_over_its_range(
    tmp_path: Path, range_deg: float, z_reached: int
) -> None:
    source, weights = upright(tmp_path / "p.hdf", blob(0.0, 0.0)), tmp_path / "w.hdf"

    made(source, *PLAIN, "--fillangle", range_deg, "--savenorm", weights)

    # The rim, 8 voxels from the origin, is turned by half the range: 8 sin 15° = 2.07.
    reached = np.flatnonzero(read_volume(weights)[0].any(axis=(1, 2))) - BOX // 2
    assert reached.tolist() == list(range(-z_reached, z_reached + 1))


def test_weights_of_a_seed_are_those_of_its_map(tmp_path: Path) -> None:
    source, weights = upright(tmp_path / "p.hdf", blob(0.0, 0.0)), tmp_path / "w.hdf"
    rng = np.random.default_rng(1)
    seed = rng.normal(size=(BOX, BOX, BOX)).astype(np.float32)
    own = rng.uniform(0.5, 2.0, (BOX, BOX, BOX // 2 + 1)).astype(np.float32)
    write_volume(tmp_path / "seed.hdf", seed, 2.0, {})
    alone = made(source, *PLAIN, "--savenorm", weights)
    without = read_volume(weights)[0]
    words = (*PLAIN, "--savenorm", weights, "--seedmap", tmp_path / "seed.hdf")

    def seeded(weight: np.ndarray) -> np.ndarray:
        write_volume(tmp_path / "own.hdf", weight, 1.0, {})
        return made(source, *words, "--seedweightmap", tmp_path / "own.hdf")

    seeded(own)
    assert np.allclose(read_volume(weights)[0] - without, own, atol=1e-6)  # single precision
    assert np.array_equal(seeded(0.0 * own), alone)
    # 1e6 particles against two at most: the seed stays, to the noise of the transform.
    heavy = np.full_like(own, 1e6)
    assert np.allclose(seeded(heavy), seed, atol=1e-4)


def test_apix_is_written_and_counts_for_filters(tmp_path: Path) -> None:
    source = all_round(tmp_path / "p.hdf")
    lowpass = "filter.lowpass.gauss:cutoff_freq={}"
    plain = made(source, "--postprocess", lowpass.format(0.1))
    assert read_volume(tmp_path / "map.hdf")[1] == pytest.approx(2.0)

    coarse = made(source, "--postprocess", lowpass.format(0.05), "--apix", "4")

    assert read_volume(tmp_path / "map.hdf")[1] == pytest.approx(4.0)
    assert np.allclose(plain, coarse, atol=1e-6 * np.abs(plain).max())  # single precision
    assert not np.allclose(plain, made(source), atol=0.01 * np.abs(plain).max())


def test_what_the_mask_of_iterations_hides_is_forgotten(tmp_path: Path) -> None:
    source, mask, seed = all_round(tmp_path / "p.hdf"), tmp_path / "m.hdf", tmp_path / "s.hdf"
    cube = np.random.default_rng(2).normal(size=(BOX, BOX, BOX)).astype(np.float32)
    write_volume(seed, cube, 2.0, {})
    words = ("--iterative", "--no_wt", "--itermask", mask)

    write_volume(mask, np.zeros_like(cube), 2.0, {})
    nothing = made(source, *words)
    assert np.array_equal(nothing, made(source, *words, "--seedmap", seed))

    write_volume(mask, np.ones_like(cube), 2.0, {})
    everything = made(source, *words)
    assert not np.allclose(everything, nothing, atol=0.01 * np.abs(nothing).max())


def test_altedgemask_leaves_out_the_edges_of_tilted_images(tmp_path: Path) -> None:
    image = blob(0.0, 0.0) + 0.5 * blob(5.0, 0.0)
    turned = write_projections(tmp_path / "p.hdf", [image], np.array([[0.0, 60.0, 0.0]]))
    # 16 (1 - cos 60°) / 2 = 4 columns on either side.
    cut = image.copy()
    cut[:, :4] = cut[:, -4:] = 0.0
    without = write_projections(tmp_path / "q.hdf", [cut], np.array([[0.0, 60.0, 0.0]]))

    masked = made(turned, *PLAIN, "--altedgemask")

    assert np.array_equal(masked, made(without, *PLAIN))
    assert not np.allclose(masked, made(turned, *PLAIN), atol=0.01 * masked.max())


def test_some_images_of_a_file_are_named_as_in_eman(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    images = [blob(x, 0.0) for x in (-3.0, -1.0, 1.0, 3.0)]
    upright(tmp_path / "p.hdf", *images)

    flat = made(tmp_path / "p.hdf:0,2:^2", *PLAIN).sum(axis=0)

    assert np.abs(flat - (images[0] + images[3]) / 2.0).max() < CUT
    output = ["--output", str(tmp_path / "map.hdf")]
    assert main(["reconstruct", "--input", str(tmp_path / "p.hdf:9"), *output]) == 3
    assert "none of the 4 images" in capsys.readouterr().err
    assert main(["reconstruct", "--input", str(tmp_path / "p.hdf:x"), *output]) == 2
    assert "no number or slice" in capsys.readouterr().err
