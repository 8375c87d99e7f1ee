"""What a run says of its sampling and of the poses that it starts from."""

import math
from dataclasses import replace

import pytest

from halfmap.engine.starting.first_sampling import NEAREST_ONLY_DEG
from halfmap.engine.telling.sampling_text import (
    absent_poses_text,
    priors_text,
    sampling_text,
    searched_steps,
)
from halfmap.model.sampling import Sampling

STEPS = Sampling(2, 15.0, 20.0, 8.0, 1, "C1")
KEPT = Sampling(2, 15.0, 20.0, 8.0, 0, "C1", fixed_angles=True, fixed_offsets=True)
SHIFTED = Sampling(2, 15.0, 20.0, 8.0, 0, "C1", fixed_angles=True)
NEAR = Sampling(3, 7.5, 20.0, 8.0, 1, "C1", prior_sigma_deg=(0.0, 5.0, 2.5))
POSES = ("rlnAngleRot", "rlnAngleTilt", "rlnAnglePsi")


def test_steps_are_said_only_of_what_is_searched() -> None:
    assert sampling_text(STEPS) == "7.5° and 4 Å within 20 Å"
    assert sampling_text(SHIFTED) == "8 Å within 20 Å; angles stay as they are"
    assert sampling_text(KEPT) == "none: angles and offsets stay as they are"
    assert searched_steps(STEPS) == (7.5, 4.0)
    assert searched_steps(SHIFTED) == (math.inf, 8.0)
    assert searched_steps(KEPT) == (math.inf, math.inf)


def test_priors_are_said_with_their_place_and_the_widths_of_those_that_count() -> None:
    of_table = Sampling(
        3, 7.5, 20.0, 8.0, 1, "C1", prior_sigma_deg=(0.0, 5.0, 2.5), priors_follow_poses=False
    )
    relaxed = Sampling(
        3, 7.5, 20.0, 8.0, 1, "C1", prior_sigma_deg=(3.0, 3.0, 3.0), relaxed_symmetry="D2"
    )

    assert priors_text(STEPS, in_table=True) is None
    at_poses = "around the present poses, sigma of tilt 5°, psi 2.5°"
    assert priors_text(NEAR, in_table=True) == at_poses
    assert priors_text(of_table, in_table=False) == at_poses
    assert priors_text(of_table, in_table=True) == "as in the table, sigma of tilt 5°, psi 2.5°"
    assert priors_text(relaxed, in_table=False) == (
        "around the present poses and their mates in D2, sigma of rot 3°, tilt 3°, psi 3°"
    )
    nearest = replace(relaxed, prior_sigma_deg=(NEAREST_ONLY_DEG,) * 3)
    assert priors_text(nearest, in_table=False) == (
        "around the present poses and their mates in D2 alone"
    )


@pytest.mark.parametrize(
    ("sampling", "columns", "absent"),
    [
        (STEPS, (), ""),
        (KEPT, POSES, ""),
        (KEPT, POSES[1:], "rlnAngleRot"),
        (NEAR, (), "rlnAngleTilt, rlnAnglePsi"),
        (NEAR, ("rlnAngleTilt", "rlnAnglePsiPrior"), "rlnAnglePsi"),
    ],
)
def test_angles_that_a_search_relies_on_and_the_table_lacks_are_named(
    sampling: Sampling, columns: tuple[str, ...], absent: str
) -> None:
    text = absent_poses_text(sampling, columns)

    assert (f"has no {absent}: all count as 0" in text) if absent else text == ""


def test_priors_of_the_table_that_do_not_count_are_pointed_out() -> None:
    near = replace(NEAR, prior_sigma_deg=(3.0, 3.0, 3.0))
    columns = ("rlnAngleRotPrior", "rlnAngleTiltPrior", "rlnAnglePsiPrior")

    assert "Its priors count only while one of --sigma_rot" in absent_poses_text(near, columns)
    assert "priors" not in absent_poses_text(near, ())


def test_priors_of_the_table_and_a_search_in_2d_need_no_poses() -> None:
    of_table = Sampling(
        3, 7.5, 20.0, 8.0, 1, "C1", prior_sigma_deg=(0.0, 5.0, 2.5), priors_follow_poses=False
    )
    flat = Sampling(3, 6.0, 20.0, 8.0, 0, "C1", flat=True, fixed_angles=True)

    assert absent_poses_text(of_table, ("rlnAngleTiltPrior", "rlnAnglePsiPrior")) == ""
    assert absent_poses_text(flat, ("rlnAnglePsi",)) == ""
