"""A particle that cannot be read or computed costs itself."""

import errno
from pathlib import Path

import numpy as np
import pytest

from halfmap.io.stacks import OpenStack
from halfmap.io.star import read_star

from .test_checkpoints import interrupted
from .tiny_project import STACK, Run, assert_one_message, refine, results

pytestmark = pytest.mark.usefixtures("tiny_project")
FAILING = 20
NAMES = [f"{FAILING + 1:06d}@{STACK}", f"{FAILING + 2:06d}@{STACK}"]
ACCIDENT = ("particle", 0, FAILING)


def test_it_is_named_and_left_out_and_results_do_not_depend_on_ranks() -> None:
    words = refine(halves=True)
    alone = interrupted(Path.cwd(), ACCIDENT, *words, ranks=1)
    assert alone.returncode == 0, alone.stderr
    expected = results(Path("out"))
    Path("out").rename("alone")

    ranks = interrupted(Path.cwd(), ACCIDENT, *words, ranks=3)

    assert ranks.returncode == 0, ranks.stderr
    assert ranks.stderr.count(f"{NAMES[0]} is left out, its computation failed: ZeroDivision") == 1
    assert "an accident (run_unit, line " in ranks.stderr
    found = results(Path("out"))
    assert found.keys() == expected.keys()
    assert [name for name in found if found[name] != expected[name]] == []
    table = read_star(Path("out/run_quarantine.star")).table("quarantine")
    assert table["rlnImageName"].tolist() == NAMES
    assert table["hlfReason"].tolist() == ["its_computation_failed", "the_disc_cannot_read_it"]


def test_more_of_them_than_allowed_stop_the_run_by_name() -> None:
    words = refine("--failsafe_threshold", "1", halves=True)

    said = interrupted(Path.cwd(), ACCIDENT, *words, ranks=3)

    assert said.returncode == 3
    assert "found 2 bad particles so far, expected at most 1 (--failsafe_threshold)" in said.stderr
    assert f"{NAMES[0]}: its computation failed" in said.stderr
    assert f"{NAMES[1]}: the disc cannot read it" in said.stderr
    assert "Traceback" not in said.stderr


def test_images_that_the_noise_is_first_estimated_from_count_as_well(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill = OpenStack.fill

    def fail(stack: OpenStack, first: int, raw: np.ndarray) -> None:
        if first <= FAILING + 1 < first + len(raw):
            raise OSError(errno.EIO, "Input/output error")
        fill(stack, first, raw)

    monkeypatch.setattr(OpenStack, "fill", fail)

    said = run(refine("--failsafe_threshold", "0"))

    assert_one_message(
        said, 3, "found 1 bad particles so far, expected at most 0 (--failsafe_threshold)", NAMES[1]
    )


def test_a_stack_that_is_cut_under_a_running_job_is_named() -> None:
    said = interrupted(Path.cwd(), ("truncate", 1, 1), *refine(halves=True), ranks=3)

    assert said.returncode == 3
    # Who fails first had opened it before, or opens it now.
    before = f"@{STACK} cannot be read: the file has become shorter since it was opened"
    assert before in said.stderr or f"{STACK} is truncated: it has 2,000 bytes" in said.stderr
    assert "Put the whole stack back" in said.stderr or "Copy it again" in said.stderr
    assert "Traceback" not in said.stderr
