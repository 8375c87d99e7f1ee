"""Input that is repaired or accepted, and announced."""

from pathlib import Path

import numpy as np
import pytest

from halfmap.io.mrc import read_map
from halfmap.io.star import read_star, write_star

from .spoilt_project import with_map
from .tiny_project import (
    BOX,
    MAP,
    PIXEL_A,
    STAR,
    Run,
    assert_one_message,
    assert_ran,
    pixels,
    refine,
    write,
)

pytestmark = pytest.mark.usefixtures("tiny_project")


@pytest.mark.parametrize("halves", [False, True])
def test_a_map_of_another_grid_is_resampled_when_trusted(run: Run, halves: bool) -> None:
    with_map(30, 30, 30, pixel_size_A=5.0)()

    said = run(refine("--trust_ref_size", halves=halves))

    assert_ran(said)
    assert said.out.count(f"{MAP} was resampled from 30 px of 5 Å to 24 px of 6.25 Å") == 1
    first = "out/run_it000_half1_class001.mrc" if halves else "out/run_it000_class001.mrc"
    assert read_map(first)[0].shape == (BOX,) * 3


def test_a_mask_of_another_grid_is_resampled(run: Run) -> None:
    write(Path("mask.mrc"), np.ones((20,) * 3, np.float32), 7.2)

    said = run(refine("--solvent_mask", "mask.mrc", "--flatten_solvent"))

    assert_ran(said)
    assert "mask.mrc was resampled from 20 px of 7.2 Å to 24 px of 6 Å" in said.out


def test_a_table_of_relion_3_0_is_taken(run: Run) -> None:
    tables = read_star(STAR).tables
    row = np.searchsorted(tables["optics"]["rlnOpticsGroup"], tables["particles"]["rlnOpticsGroup"])
    moved = ("rlnVoltage", "rlnSphericalAberration", "rlnAmplitudeContrast")
    old = {
        label: column for label, column in tables["particles"].items() if label != "rlnOpticsGroup"
    }
    old |= {label: tables["optics"][label][row] for label in moved}
    old |= {
        "rlnDetectorPixelSize": np.full(len(row), 6.0),
        "rlnMagnification": np.full(len(row), 10_000.0),
    }
    write_star(STAR, {"": old})

    said = run(refine())

    assert_ran(said)
    assert "24, 2 optics groups" in said.out


def test_a_pixel_size_that_is_given_stands_for_that_of_the_header(run: Run) -> None:
    volume = pixels(MAP)
    write(Path("wrong.mrc"), volume, 7.0)

    assert_one_message(run(refine("--ref", "wrong.mrc")), 3, "wrong.mrc")
    assert_ran(run(refine("--ref", "wrong.mrc", "--ref_angpix", str(PIXEL_A), "--o", "given/run")))
    assert_ran(run(refine("--o", "right/run")))

    given, right = (pixels(Path(f"{name}/run_it001_class001.mrc")) for name in ("given", "right"))
    np.testing.assert_array_equal(given, right)
