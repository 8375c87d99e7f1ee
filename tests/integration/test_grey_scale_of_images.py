"""Images that are not normalised: measured and named, repaired or accepted."""

from pathlib import Path

import numpy as np
import pytest

from halfmap.io.star import read_star

from .tiny_project import STACK, Run, assert_one_message, assert_ran, pixels, refine, write

pytestmark = pytest.mark.usefixtures("tiny_project")


def off_scale() -> None:
    values = pixels(STACK)
    write(STACK, 3.0 * values + 7.0)


def test_images_that_are_not_normalised_are_measured_and_named(run: Run) -> None:
    off_scale()

    said = run(refine())

    assert_ran(said)
    words = " ".join(said.out.split())
    assert "warning: 24 of the first 24 images are not normalised" in words
    assert "7.01 and 3 in the median" in words
    assert "@particles/particles.mrcs; expected 0 and 1" in words
    assert "--normalise repairs the images" in words
    assert "1 warning above" in words


def test_one_image_off_scale_is_found_among_good_ones(run: Run) -> None:
    values = pixels(STACK)
    values[6] *= 1e6
    write(STACK, values)

    said = run(refine())

    assert_ran(said)
    words = " ".join(said.out.split())
    assert "warning: 1 of the first 24 images are not normalised" in words
    assert f"in the worst, 000007@{STACK}; expected 0 and 1" in words


def test_an_image_too_bright_for_exact_sums_is_named(run: Run) -> None:
    values = pixels(STACK)
    values[20] *= 1e6
    write(STACK, values)

    # Not among the first images, whose noise would hide it.
    said = run(refine("--nr_parts_sigma2noise", "3", "--verb", "0", "--o", "other/run"))

    assert_one_message(
        said, 3, f"000021@{STACK}, the brightest of 8", "use --normalise, or remove the outliers"
    )


@pytest.mark.parametrize("option", ["--normalise", "--dont_check_norm"])
def test_the_warning_goes_when_images_are_repaired_or_accepted(run: Run, option: str) -> None:
    off_scale()

    said = run(refine(option))

    assert_ran(said)
    assert "warning" not in said.out


def test_normalise_gives_the_poses_of_normalised_images(run: Run) -> None:
    assert_ran(run(refine("--normalise", "--o", "good/run")))
    off_scale()
    assert_ran(run(refine("--normalise", "--o", "repaired/run")))

    labels = ("rlnAngleRot", "rlnAngleTilt", "rlnAnglePsi", "rlnOriginXAngst", "rlnOriginYAngst")
    tables = [
        read_star(Path(run, "run_it001_data.star")).table("particles")
        for run in ("good", "repaired")
    ]
    for label in labels:
        np.testing.assert_array_equal(tables[0][label], tables[1][label])
