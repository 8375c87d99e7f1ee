"""Where memory is short more is done in turn, and the results stay what they are."""

from pathlib import Path

import pytest

from .conftest import Launch
from .test_exactness import alone, assert_equal, of_any_command, project, refined
from .tiny_project import Run, refine

__all__ = ["alone", "project"]


@pytest.mark.parametrize(("ranks", "threads"), [(0, 2), (4, 1), (5, 2)])
def test_the_least_memory_gives_the_same_bytes(
    project: Path, halfmap: Launch, alone: dict[str, bytes], ranks: int, threads: int
) -> None:
    more = ("--memory_GB", 0.001, "--j", threads)

    found = refined(project, halfmap, f"short{ranks}", *more, ranks=ranks)

    assert_equal(of_any_command(found), of_any_command(alone))


@pytest.mark.usefixtures("tiny_project")
def test_what_is_done_for_want_of_memory_is_said(run: Run) -> None:
    said = run(refine("--memory_GB", "0.001", halves=True))

    assert said.code == 0
    text = " ".join(said.out.split())
    for measure in ("16 slabs", "one half goes after the other", "sums are on disc"):
        assert measure in text
    assert "it may not be enough" in text
