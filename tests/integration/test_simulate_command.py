"""`halfmap simulate`, from the command line to the files."""

from pathlib import Path

import mrcfile
import numpy as np
import pytest
from numpy import ndarray as Array

from halfmap.cli.main import main
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

BOX, PIXEL_A, N, SNR = 32, 5.0, 120, 0.2
COMMON = ("--box", BOX, "--angpix", PIXEL_A, "--snr", SNR, "--seed", 4)


def simulated(*words: object, code: int = 0) -> None:
    assert main(["simulate", *map(str, words)]) == code


@pytest.fixture(autouse=True)
def work_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


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


def test_an_existing_simulation_is_kept_unless_it_may_be_replaced(
    capsys: pytest.CaptureFixture[str],
) -> None:
    simulated("--phantom", "--n", 4, *COMMON, "--o", "sim")
    before = Path("sim/particles.mrcs").read_bytes()

    simulated("--phantom", "--n", 8, *COMMON, "--o", "sim", code=3)

    assert "sim already holds particles.mrcs" in capsys.readouterr().err
    assert Path("sim/particles.mrcs").read_bytes() == before
    simulated("--phantom", "--n", 8, *COMMON, "--o", "sim", "--overwrite")
    assert len(mrcfile.read("sim/particles.mrcs")) == 8


def test_all_that_is_wrong_with_the_options_is_said_at_once(
    capsys: pytest.CaptureFixture[str],
) -> None:
    simulated(
        *("--box", 63, "--snr", -1, "--phanton", "--mode", "int8", "--n_optics", "x"),
        *("--pdb", "nothere.pdb", "--cs", "--n_micrographs", 1, "--defocus_min", "nan"),
        *("--q0", 2, "--noise_knee", 0),
        code=2,
    )

    said = capsys.readouterr().err
    for expected in (
        "--box: found 63, expected an even number",
        "--snr: found -1.0, expected more than 0",
        "--phanton: no option is called so; did you mean --phantom?",
        "--mode: found int8, expected one of float32, float16, int16",
        "--n_optics: found 'x', expected a whole number",
        "--pdb nothere.pdb: found no such file",
        "--cs: found no value after it, expected a number",
        "--defocus_min: found 'nan', expected a number",
        "--q0: found 2.0, expected at least 0 and at most 1",
        "--noise_knee: found 0.0, expected more than 0",
        "--o: missing",
    ):
        assert expected in said
    assert "Traceback" not in said


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("--phantom", "--map", "m.mrc"), "found --map and --phantom, expected one of them"),
        ((), "found none, expected one of them"),
        (("--phantom", "extra"), "extra: expected an option"),
        (("--phantom", "--defocus_min", 9, "--defocus_max", 8), "--defocus_min: found 9"),
        (("--phantom", "--n_optics", 3, "--n_micrographs", 2), "expected at least --n_optics, 3"),
        (("--phantom", "--particle_diameter", 400), "leaves 0 of 1024 pixels as background"),
        (("--phantom", "--phantom_diameter", 180), "180 Å across and the box 160 Å"),
    ],
)
def test_impossible_combinations_are_explained(
    capsys: pytest.CaptureFixture[str], words: tuple[object, ...], expected: str
) -> None:
    write_map(Path("m.mrc"), np.zeros((16,) * 3, np.float32), 3.0)

    simulated(*words, *COMMON, "--o", "sim", code=2)

    assert expected in capsys.readouterr().err
    assert not Path("sim/particles.mrcs").exists()


@pytest.mark.parametrize(
    ("shape", "pixel_A", "words", "expected"),
    [
        (17, 3.0, (), "odd box of 17 px"),
        (16, 0.0, (), "does not say its pixel size"),
        (16, 3.0, ("--particle_diameter", 30), "the same everywhere"),
    ],
)
def test_a_map_that_cannot_be_used_is_explained(
    capsys: pytest.CaptureFixture[str],
    shape: int,
    pixel_A: float,
    words: tuple[object, ...],
    expected: str,
) -> None:
    write_map(Path("m.mrc"), np.ones((shape,) * 3, np.float32), pixel_A)

    simulated("--map", "m.mrc", "--o", "sim", *words, code=3)

    assert expected in capsys.readouterr().err


@pytest.mark.parametrize(
    ("table", "code", "expected"),
    [
        ("_rlnAngleRot #1\n_rlnAngleTilt #2\n1 2\n", 3, "column rlnAnglePsi is missing"),
        ("_rlnAngleRot #1\n_rlnAngleTilt #2\n_rlnAnglePsi #3\n1 x 3\n", 3, "expected a number"),
        (
            "_rlnAngleRot #1\n_rlnAngleTilt #2\n_rlnAnglePsi #3\n_rlnOriginX #4\n1 2 3 4\n",
            3,
            "offsets are in pixels",
        ),
        ("_rlnAngleRot #1\n_rlnAngleTilt #2\n_rlnAnglePsi #3\n1 2 3\n", 2, "has 1 poses"),
    ],
)
def test_a_table_of_poses_that_cannot_be_used_is_explained(
    capsys: pytest.CaptureFixture[str], table: str, code: int, expected: str
) -> None:
    Path("poses.star").write_text(f"data_particles\n\nloop_\n{table}\n")

    simulated("--phantom", *COMMON, "--n", 7, "--poses", "poses.star", "--o", "sim", code=code)

    assert expected in capsys.readouterr().err


def test_help_names_every_option(capsys: pytest.CaptureFixture[str]) -> None:
    simulated("--help")

    said = capsys.readouterr().out
    for spelling in ("--map FILE", "--pdb FILE", "--phantom", "--mode float32|float16|int16"):
        assert spelling in said


LENSES = {
    "rlnOpticsGroup": [1, 2, 3],
    "rlnOpticsGroupName": ["a", "b", "c"],
    "rlnVoltage": [300.0, 300.0, 200.0],
    "rlnSphericalAberration": [2.7, 2.7, 2.0],
    "rlnAmplitudeContrast": [0.1, 0.1, 0.07],
    "rlnImagePixelSize": [5.0, 4.0, 5.0],
    "rlnImageSize": [24, 30, 24],
    "rlnImageDimensionality": [2, 2, 2],
    "rlnBeamTiltX": [0.0, 1.5, 0.0],
    "rlnOddZernike": ["[]", "[0,0,7,0,0,0]", "[]"],
}


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


def test_the_grid_of_the_map_is_said_once(capsys: pytest.CaptureFixture[str]) -> None:
    write_star(Path("lenses.star"), {"optics": LENSES})

    simulated("--phantom", "--optics", "lenses.star", "--box", 24, "--o", "s", code=2)

    assert "--box: found with --optics, whose first group says it. Leave it out" in (
        capsys.readouterr().err
    )


def test_an_optics_table_that_cannot_be_used_is_explained(
    capsys: pytest.CaptureFixture[str],
) -> None:
    write_star(Path("lenses.star"), {"optics": LENSES | {"rlnVoltage": [300.0, -1.0, 200.0]}})

    simulated("--phantom", "--optics", "lenses.star", "--o", "s", code=3)

    assert "rlnVoltage is -1.00000 in row 2; expected kV above 0" in capsys.readouterr().err
