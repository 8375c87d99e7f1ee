"""A bad image costs itself, not the run."""

from pathlib import Path

import numpy as np
import pytest

from halfmap.io.star import read_star

from .conftest import Launch
from .tiny_project import STACK, STAR, Run, assert_ran, edit_star, refine, results, set_pixels

pytestmark = pytest.mark.usefixtures("tiny_project")

NAN, CONSTANT = 3, 16
"""Rows of the two bad images; the table is in the order of the stack."""
NAMES = [f"{row + 1:06d}@{STACK}" for row in (NAN, CONSTANT)]


def spoil() -> None:
    """Spoil two images of known pose."""
    set_pixels(STACK, NAN, np.nan)
    set_pixels(STACK, CONSTANT, 5.0)

    def change(tables: dict) -> None:
        n = len(tables["particles"]["rlnImageName"])
        for label, step in (("rlnAngleRot", 3.0), ("rlnAngleTilt", 2.0), ("rlnAnglePsi", 1.0)):
            tables["particles"][label] = step * np.arange(n)
        tables["particles"]["rlnOriginXAngst"] = 0.25 * np.arange(n)

    edit_star(change)


def test_the_run_goes_on_and_says_who_was_left_out(run: Run) -> None:
    spoil()

    said = run(refine(halves=True))

    assert_ran(said)
    assert "warning: 2 bad particles are left out:" in said.out
    for name, reason in zip(
        NAMES, ("pixels are NaN, infinite", "all pixels are equal"), strict=True
    ):
        assert said.out.count(f"{name}: {reason}") == 1
    assert "left out    out/run_quarantine.star" in said.out
    table = read_star(Path("out/run_quarantine.star")).table("quarantine")
    assert table["rlnImageName"].tolist() == NAMES
    assert table["hlfReason"][1] == "all_pixels_are_equal"


def test_bad_particles_keep_their_old_poses(run: Run) -> None:
    spoil()
    assert_ran(run(refine(halves=True)))

    before, after = (
        read_star(path).table("particles") for path in (STAR, Path("out/run_it001_data.star"))
    )
    assert after["rlnImageName"].tolist() == before["rlnImageName"].tolist()
    for label in ("rlnAngleRot", "rlnAngleTilt", "rlnAnglePsi", "rlnOriginXAngst"):
        same = before[label].astype(float) == after[label].astype(float)
        assert same[[NAN, CONSTANT]].all()
        assert np.count_nonzero(same) < len(same) / 2  # the others were searched


def test_what_is_in_a_bad_image_does_not_matter(run: Run) -> None:
    spoil()
    assert_ran(run(refine(halves=True)))
    Path("out").rename("first")
    for row, value in ((NAN, np.inf), (CONSTANT, -7.0)):
        set_pixels(STACK, row, value)

    assert_ran(run(refine(halves=True)))

    assert results(Path("out")) == results(Path("first"))


def test_bad_particles_do_not_make_results_depend_on_ranks(
    run: Run, halfmap: Launch, tiny_project: Path
) -> None:
    spoil()
    assert_ran(run(refine(halves=True)))
    alone = results(Path("out"))
    Path("out").rename("alone")

    done = halfmap(tiny_project, *refine(halves=True), ranks=3)

    assert done.returncode == 0, done.stderr
    assert done.stdout.count("2 bad particles are left out") == 1
    found = results(Path("out"))
    assert found.keys() == alone.keys()
    assert [name for name in found if found[name] != alone[name]] == []
    assert "run_quarantine.star" in found


def test_one_more_than_allowed_stops_all_ranks_with_one_message(
    halfmap: Launch, tiny_project: Path
) -> None:
    spoil()

    done = halfmap(tiny_project, *refine("--failsafe_threshold", "1", halves=True), ranks=3)

    assert done.returncode == 3
    assert done.stderr.count("halfmap:") == 1
    assert "found 2 bad particles so far, expected at most 1 (--failsafe_threshold)" in done.stderr
    for name in NAMES:
        assert name in done.stderr
    assert "Traceback" not in done.stderr
    assert not Path("out").exists()


def test_a_group_without_a_good_image_does_not_stop_the_others(run: Run) -> None:
    group = read_star(STAR).table("particles")["rlnOpticsGroup"].astype(int)
    for row in np.flatnonzero(group == 2):
        set_pixels(STACK, int(row), 0.0)

    said = run(refine())

    assert_ran(said)
    assert f"{np.count_nonzero(group == 2)} bad particles are left out" in said.out


def test_a_quarantine_that_is_over_leaves_no_table(run: Run) -> None:
    whole = STACK.read_bytes()
    spoil()
    assert_ran(run(refine()))
    assert Path("out/run_quarantine.star").exists()
    STACK.write_bytes(whole)

    assert_ran(run(["refine", "--continue", "out/run_it000_optimiser.star", "--overwrite"]))

    assert not Path("out/run_quarantine.star").exists()
