"""`halfmap simulate`, from the command line to the files."""

from pathlib import Path

import mrcfile
import numpy as np
import pytest
from numpy import ndarray as Array

from halfmap.engine.simulation import simulate as engine
from halfmap.io.mrc import read_map, write_map
from halfmap.io.particle_table import read_particles
from halfmap.io.star import read_star, write_star
from halfmap.model.fourier import low_pass
from halfmap.model.image_noise import WHITE, noise_amplitude
from halfmap.model.particles import Particles, Poses
from halfmap.model.spline_projection import spline_transform
from halfmap.steps.simulate_images import (
    ImageFormation,
    background_pixels,
    signal_images,
    signal_variance,
)

from .simulated_data import BOX, COMMON, LENSES, PIXEL_A, SNR, N, simulated

pytestmark = pytest.mark.usefixtures("work_folder")


def truth_of(folder: str) -> tuple[Particles, Poses]:
    particles, poses, _ = read_particles(Path(folder, "truth.star"), ctf=True, half_seed=None)
    return particles, poses


def scale_of(folder: str, particles: Particles) -> Array:
    groups = read_star(Path(folder, "truth.star")).table("model_groups")
    assert list(groups["rlnGroupName"]) == list(particles.scale_groups)
    return groups["rlnGroupScaleCorrection"].astype(float)


def modelled(folder: str, particles: Particles, poses: Poses) -> tuple[Array, ImageFormation]:
    """Images without noise, made of nothing but the files."""
    volume, pixel_A = read_map(Path(folder, "truth.mrc"))
    formation = ImageFormation(
        reference=spline_transform(volume),
        particles=particles,
        poses=poses,
        group_scale=scale_of(folder, particles),
        norm=poses.norm,
        noise_amplitude=noise_amplitude(WHITE, BOX, pixel_A),
        background=background_pixels(BOX, pixel_A, 0.7 * BOX * pixel_A),
        seed=0,
    )
    return signal_images(formation, np.arange(len(particles))), formation


def test_the_true_map_is_on_the_grey_scale_of_the_images() -> None:
    simulated(
        *("--phantom", "--n", N, *COMMON, "--o", "sim", "--noise", "white", "--snr", 3),
        *("--n_optics", 3, "--n_micrographs", 6, "--scale_sigma", 0.3, "--norm_sigma", 0.5),
    )

    images = mrcfile.read("sim/particles.mrcs").astype(np.float64)
    particles, poses = truth_of("sim")
    signal, formation = modelled("sim", particles, poses)
    signal *= poses.norm[:, None, None]
    signal -= signal[:, formation.background].mean(axis=1)[:, None, None]
    slope = (images * signal).sum() / (signal**2).sum()
    # The error of the slope is 1 / sqrt(sum of signal squared), 0.3 % here. The mean of
    # a log-normal norm is 1.13, which must be in the map and not in the norms.
    assert slope == pytest.approx(1.0, abs=4.0 / np.sqrt((signal**2).sum()))
    assert poses.norm.mean() == pytest.approx(1.0, abs=1e-6)
    residual = (images - signal) / poses.norm[:, None, None]
    assert residual.std() == pytest.approx(residual[:, formation.background].std(), rel=0.02)


def test_the_signal_has_the_variance_asked_for() -> None:
    simulated("--phantom", "--n", N, *COMMON, "--o", "sim", "--particle_diameter", 112)

    particles, poses = truth_of("sim")
    signal, formation = modelled("sim", particles, poses)
    inside = signal_variance(signal, formation.background).mean()  # the circle is 112 A too

    # The noise has variance 1 before, and nearly 1 after the fringes outside are counted in.
    assert inside == pytest.approx(SNR, rel=0.05)


def test_the_images_are_normalised_and_the_tables_complete() -> None:
    simulated("--phantom", "--n", N, *COMMON, "--o", "sim", "--split", "--n_optics", 2)

    images = mrcfile.read("sim/particles.mrcs")
    outside = images[:, background_pixels(BOX, PIXEL_A, BOX * PIXEL_A)]
    assert images.shape == (N, BOX, BOX)
    assert outside.mean() == pytest.approx(0.0, abs=0.02)
    assert outside.std() == pytest.approx(1.0, abs=0.02)
    table = read_star(Path("sim/particles.star")).table("particles")
    assert "rlnAngleRot" not in table
    assert set(table["rlnRandomSubset"]) == {"1", "2"}
    assert table["rlnImageName"][N - 1] == f"{N:06d}@sim/particles.mrcs"
    particles, _ = truth_of("sim")
    assert [optics.box for optics in particles.optics] == [BOX, BOX]
    assert Path("sim/truth.star").read_text().startswith("# halfmap simulate --phantom --n 120")


def test_the_starting_map_is_the_truth_at_low_resolution() -> None:
    simulated("--phantom", "--n", 8, *COMMON, "--o", "sim", "--start_lowpass", 50)

    truth, pixel_A = read_map(Path("sim/truth.mrc"))
    start, start_pixel_A = read_map(Path("sim/start.mrc"))
    assert pixel_A == start_pixel_A == pytest.approx(PIXEL_A)
    np.testing.assert_allclose(start, low_pass(truth, PIXEL_A, 50.0), atol=1e-6 * truth.max())


def test_the_same_seed_gives_the_same_bytes_in_any_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    simulated("--phantom", "--n", 30, *COMMON, "--o", "a")
    monkeypatch.setattr(engine, "BATCH_PIXELS", 7 * BOX**2)
    simulated("--phantom", "--n", 30, *COMMON, "--o", "b")
    simulated("--phantom", "--n", 30, *COMMON, "--seed", 5, "--o", "c")

    a, b, c = (Path(folder, "particles.mrcs").read_bytes() for folder in "abc")
    assert a == b
    assert a != c
    assert Path("a/truth.mrc").read_bytes() == Path("b/truth.mrc").read_bytes()


def test_given_poses_are_used() -> None:
    simulated("--phantom", "--n", 12, *COMMON, "--o", "a")
    simulated("--phantom", *COMMON, "--seed", 9, "--poses", "a/truth.star", "--o", "b")
    simulated("--phantom", *COMMON, "--n", 5, "--poses", "a/truth.star", "--o", "c")

    (_, a), (_, b), (_, c) = (truth_of(folder) for folder in "abc")
    np.testing.assert_array_equal(a.angles_deg, b.angles_deg)
    np.testing.assert_array_equal(a.offset_A, b.offset_A)
    np.testing.assert_array_equal(a.angles_deg[:5], c.angles_deg)


def test_a_map_of_another_pixel_size_is_resampled_and_that_is_said(
    capsys: pytest.CaptureFixture[str],
) -> None:
    axis = np.arange(40) - 20
    blob = np.exp(-(((axis - 5) ** 2) + axis[:, None] ** 2 + axis[:, None, None] ** 2) / 18.0)
    write_map(Path("blob.mrc"), (blob + 3.0).astype(np.float32), 4.0)

    simulated("--map", "blob.mrc", "--n", 4, *COMMON, "--b_factor", 0, "--o", "sim")

    assert "resampled from 40 px of 4.0000 Å to 32 px of 5.0000 Å" in " ".join(
        capsys.readouterr().out.split()
    )
    truth, _ = read_map(Path("sim/truth.mrc"))
    assert np.unravel_index(truth.argmax(), truth.shape) == (16, 16, 20)  # 20 A from the centre
    assert abs(truth[0, 0, 0]) < 1e-6 * truth.max()  # the offset of 3 is gone


def test_the_box_and_pixel_size_of_a_map_are_those_of_the_data_unless_others_are_given(
    rng: np.random.Generator,
) -> None:
    write_map(Path("m.mrc"), rng.normal(size=(24,) * 3).astype(np.float32), 3.0)

    simulated("--map", "m.mrc", "--n", 4, "--o", "sim", "--particle_diameter", 50)

    particles, _ = truth_of("sim")
    assert (particles.optics[0].box, particles.optics[0].pixel_size_A) == (24, 3.0)


@pytest.mark.parametrize(("mode", "unit"), [("float16", 1.0), ("int16", 1000.0)])
def test_other_types_of_values_hold_the_same_images(mode: str, unit: float) -> None:
    simulated("--phantom", "--n", 6, *COMMON, "--o", "a")
    simulated("--phantom", "--n", 6, *COMMON, "--o", "b", "--mode", mode)

    a, b = mrcfile.read("a/particles.mrcs"), mrcfile.read("b/particles.mrcs")
    assert b.dtype == mode
    np.testing.assert_allclose(b / unit, a, rtol=1e-3, atol=1e-3)


def test_atoms_of_the_ribosome_fill_their_box(shared: Path) -> None:
    pdb = shared / "data" / "models" / "grp0.pdb.gz"

    simulated("--pdb", pdb, "--n", 4, "--box", 48, "--angpix", 8, "--o", "sim")

    truth, _ = read_map(Path("sim/truth.mrc"))
    z, y, x = np.indices(truth.shape) - 24
    weight = np.clip(truth, 0, None)
    centre = [(weight * axis).sum() / weight.sum() for axis in (x, y, z)]
    np.testing.assert_allclose(centre, 0.0, atol=0.3)


def test_help_names_every_option(capsys: pytest.CaptureFixture[str]) -> None:
    simulated("--help")

    said = capsys.readouterr().out
    for spelling in ("--map FILE", "--pdb FILE", "--phantom", "--mode float32|float16|int16"):
        assert spelling in said


def test_optics_groups_are_those_of_the_table() -> None:
    write_star(Path("lenses.star"), {"optics": LENSES})

    simulated("--phantom", "--optics", "lenses.star", "--n", 30, "--n_micrographs", 3, "--o", "s")

    particles, _ = truth_of("s")
    assert [(o.box, o.pixel_size_A) for o in particles.optics] == [(24, 5.0), (30, 4.0), (24, 5.0)]
    assert particles.optics[1].aberrations.beam_tilt_mrad == (1.5, 0.0)
    assert particles.optics[1].aberrations.odd[2] == 7.0
    # One stack for each grid; groups a and c share theirs.
    assert particles.stacks == ("s/particles_1.mrcs", "s/particles_2.mrcs")
    assert mrcfile.read("s/particles_1.mrcs").shape == (20, 24, 24)
    assert mrcfile.read("s/particles_2.mrcs").shape == (10, 30, 30)
    assert mrcfile.read("s/truth.mrc").shape == (24, 24, 24)
    images = mrcfile.read("s/particles_2.mrcs")
    outside = images[:, background_pixels(30, 4.0, 30 * 4.0)]
    # Normalised outside a circle that is smaller than the box.
    assert np.all(np.abs(outside.std(axis=1) - 1.0) < 0.2)
