"""Options about the map: what is wrong with their files and values is said before any work."""

from pathlib import Path

import numpy as np
import pytest

from halfmap.io.mrc import read_map
from halfmap.steps.solvent import solvent_mask

from .conftest import Launch
from .tiny_project import BOX, PIXEL_A, Run, assert_one_message, assert_ran, refine, write

pytestmark = pytest.mark.usefixtures("tiny_project")

FLAT = "--flatten_solvent"


@pytest.mark.parametrize(
    ("words", "phrase"),
    [
        (("--lowpass_mask", "mask.mrc"), "--lowpass_mask: found without --lowpass, expected the"),
        (("--lowpass", "-3"), "--lowpass: found '-3', expected a number 0 or more"),
        (("--solvent_mask2", "no.mrc"), "--solvent_mask2 no.mrc: found no such file, expected a"),
        (("--lowpass_mask", "no.mrc"), "--lowpass_mask no.mrc: found no such file, expected a"),
    ],
)
def test_options_that_cannot_be(run: Run, words: tuple[str, ...], phrase: str) -> None:
    write(Path("mask.mrc"), np.ones((BOX,) * 3, np.float32))

    assert_one_message(run(refine(FLAT, *words)), 2, phrase)


@pytest.mark.parametrize("words", [("--solvent_mask2",), ("--lowpass", "30", "--lowpass_mask")])
def test_a_mask_that_is_none(run: Run, words: tuple[str, ...]) -> None:
    write(Path("mask.mrc"), np.full((BOX,) * 3, 2.0, np.float32))

    said = run(refine(FLAT, *words, "mask.mrc"))

    assert_one_message(said, 3, "mask.mrc: found values from 2 to 2, expected a mask with values")


@pytest.mark.parametrize(
    ("words", "phrase"),
    [
        (
            ("--solvent_mask2", "mask.mrc"),
            "--solvent_mask2 has no effect without --flatten_solvent",
        ),
        (
            ("--lowpass", "30", "--lowpass_mask", "mask.mrc"),
            "--lowpass_mask has no effect without --flatten_solvent",
        ),
        (("--lowpass", "30"), "--lowpass has no effect without --lowpass_mask"),
    ],
)
def test_what_has_no_effect_is_said(run: Run, words: tuple[str, ...], phrase: str) -> None:
    write(Path("mask.mrc"), np.ones((BOX,) * 3, np.float32))

    said = run(refine(*words))

    assert_ran(said)
    assert phrase in " ".join(said.out.split())


def test_a_mask_of_another_grid_is_written_as_it_is_used(run: Run) -> None:
    write(Path("mask.mrc"), np.ones((20,) * 3, np.float32), 7.2)

    said = run(refine(FLAT, "--solvent_mask2", "mask.mrc"))

    assert_ran(said)
    assert "mask.mrc was resampled from 20 px of 7.2 Å to 24 px of 6 Å" in said.out
    volume, pixel_size_A = read_map("out/run_solvent2.mrc")
    assert volume.shape == (BOX,) * 3
    assert pixel_size_A == pytest.approx(PIXEL_A)
    assert not Path("out/run_solvent_mask.mrc").exists()
    assert "already holds" in run(refine(FLAT)).err


def test_a_fourier_mask_of_another_shape(run: Run) -> None:
    write(Path("mask.mrc"), np.ones((BOX,) * 3, np.float32))

    said = run(refine("--fourier_mask", "mask.mrc"))

    assert_one_message(said, 3, "mask.mrc has 24 x 24 x 24 voxels; expected half a transform")


def test_a_fourier_mask_of_another_box(run: Run) -> None:
    write(Path("mask.mrc"), np.ones((32, 32, 17), np.float32))

    said = run(refine("--fourier_mask", "mask.mrc"))

    assert_one_message(said, 3, "mask.mrc is for maps of 32 px; expected 24 px. Make it again")


def test_the_linear_shells_alone_have_no_effect(run: Run) -> None:
    said = run(refine("--r_min_nn", "3"))

    assert_ran(said)
    assert "--r_min_nn has no effect without --NN" in said.out


def test_masks_reach_the_ranks_that_make_maps(
    halfmap: Launch, tiny_project: Path, run: Run
) -> None:
    """And the one that writes them is not the leader."""
    write(Path("mask.mrc"), solvent_mask(20, 7.2, 90.0, 3.0).astype(np.float32), 7.2)
    words = (FLAT, "--solvent_mask", "mask.mrc", "--K", "2", "--verb", "0")
    assert_ran(run(refine(*words, "--o", "alone/run")))

    done = halfmap(tiny_project, *refine(*words), ranks=4)

    assert done.returncode == 0, done.stderr
    for name in ("run_it001_class001.mrc", "run_it001_class002.mrc", "run_solvent_mask.mrc"):
        np.testing.assert_array_equal(read_map(f"out/{name}")[0], read_map(f"alone/{name}")[0])
