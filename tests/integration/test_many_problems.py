"""Problems of several files get one message that lists them all."""

from pathlib import Path

import pytest

from .spoilt_project import nothing_in_the_map, truncated, with_map, with_mask, without_column
from .tiny_project import MAP, STACK, Run, assert_one_message, refine

pytestmark = pytest.mark.usefixtures("tiny_project")


def test_problems_of_all_files_are_said_at_once(run: Run) -> None:
    Path("other").mkdir()
    Path("other/run_it001_data.star").touch()
    without_column("particles", "rlnDefocusU")()
    nothing_in_the_map()
    with_mask(2.0)()

    said = run(refine("--solvent_mask", "mask.mrc", "--flatten_solvent", "--o", "other/run"))

    assert_one_message(
        said,
        3,
        "found 4 problems:",
        "already holds a run called 'run'",
        "rlnDefocusU is missing",
        f"{MAP}: found 0 in all voxels",
        "mask.mrc: found values from 2 to 2",
    )


def test_what_does_not_fit_together_is_said_at_once(run: Run) -> None:
    truncated(STACK)()
    with_map(30, 30, 30)()

    said = run(refine("--particle_diameter", "200"))

    assert_one_message(
        said, 3, "found 3 problems:", "is truncated", "--particle_diameter", "a box of 30 px"
    )
