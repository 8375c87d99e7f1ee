"""Class averages are maps of one plane: what is done to maps is done to them too."""

from pathlib import Path

import numpy as np
import pytest

from halfmap.io.mrc import write_map
from halfmap.io.prior_star import read_verdicts
from halfmap.steps.centring import centre_of_mass, centred
from halfmap.steps.solvent import flatten_but_low_pass, level, solvent_mask

from .test_external_reconstruct import EXTERNAL, Mode, program, relative_difference
from .tiny_project import BOX, PIXEL_A, Run, assert_one_message, assert_ran, pixels, refine

pytestmark = pytest.mark.usefixtures("tiny_project")

__all__ = ["program"]

NO_REFERENCE = ("--ref", "None", "--ini_high", "-1", "--K", "2", "--psi_step", "30")


def averages(run: Run, name: str, *words: str, iteration: int = 1) -> np.ndarray:
    """Run a 2D classification and return its averages (class, 1, y, x)."""
    assert_ran(run(refine(*NO_REFERENCE, *words, "--o", f"{name}/run", "--verb", "0")))
    return pixels(Path(f"{name}/run_it{iteration:03d}_classes.mrcs"))[:, None]


def test_an_external_program_makes_averages(run: Run, program: Mode) -> None:
    program("map")
    own = averages(run, "own")

    found = averages(run, "found", EXTERNAL)

    # tau2 travels with six decimals
    assert relative_difference(found, own) < 5e-5


def test_a_plug_in_regularises_averages(run: Run) -> None:
    text = "def half_of_it(given):\n    assert len(given.map) == 1\n    return 0.5 * given.map\n"
    Path("my_priors.py").write_text(text, encoding="utf-8")
    own = averages(run, "own")

    found = averages(run, "found", "--prior", "my_priors:half_of_it")

    np.testing.assert_allclose(found, 0.5 * own, rtol=1e-6)
    assert [row[3] for row in read_verdicts(Path("found/run_prior.star"))] == ["used", "used"]


def test_averages_are_centred(run: Run) -> None:
    own = averages(run, "own", "--iter", "2")

    found = averages(run, "found", "--iter", "2", "--center_classes")

    assert max(np.linalg.norm(centre_of_mass(average)) for average in own) > 0.3
    for average, before in zip(found, own, strict=True):
        np.testing.assert_array_equal(average, centred(before, 2.0))


def test_masks_are_images(run: Run) -> None:
    disc = solvent_mask(BOX, PIXEL_A, 90.0, 3.0, flat=True).astype(np.float32)
    small = solvent_mask(BOX, PIXEL_A, 30.0, 2.0, flat=True).astype(np.float32)
    for name, mask in (("disc", disc), ("small", small), ("ring", 1.0 - disc)):
        write_map(Path(f"{name}.mrc"), mask, PIXEL_A)
    own = averages(run, "own")

    words = ("--flatten_solvent", "--solvent_mask", "disc.mrc", "--solvent_mask2", "small.mrc")
    words += ("--lowpass_mask", "ring.mrc", "--lowpass", "40")
    found = averages(run, "found", *words)

    for average, before in zip(found, own, strict=True):
        kept = flatten_but_low_pass(before, disc, 1.0 - disc, PIXEL_A, 40.0)
        np.testing.assert_allclose(average, level(kept, small), atol=1e-7)


def test_local_symmetry_of_images_is_refused(run: Run) -> None:
    write_map(Path("part.mrc"), np.ones((BOX,) * 3), PIXEL_A)
    Path("local.star").write_text(
        "data_\n\nloop_\n_rlnMaskName\n_rlnAngleRot\n_rlnAngleTilt\n_rlnAnglePsi\n"
        "_rlnOriginXAngst\n_rlnOriginYAngst\n_rlnOriginZAngst\npart.mrc 90 0 0 0 0 0\n",
        encoding="utf-8",
    )

    said = run(refine(*NO_REFERENCE, "--local_symmetry", "local.star"))

    assert_one_message(said, 3, "--local_symmetry: found 2D references, expected maps")
