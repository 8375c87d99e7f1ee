"""What `halfmap simulate` cannot do is refused before anything is made, with the reason."""

from pathlib import Path

import mrcfile
import numpy as np
import pytest

from halfmap.io.mrc import write_map
from halfmap.io.star import write_star

from .simulated_data import COMMON, LENSES, simulated

pytestmark = pytest.mark.usefixtures("work_folder")


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
