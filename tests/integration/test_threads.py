"""Threads of a rank work at the same time."""

import threading
from typing import Any

import pytest

from halfmap.engine import expectation
from halfmap.steps.expectation import run_unit

from .tiny_project import Run, assert_ran, refine

pytestmark = pytest.mark.usefixtures("tiny_project")


@pytest.mark.parametrize("n", [1, 2])
def test_so_many_threads_compute_units_at_the_same_time(
    run: Run, monkeypatch: pytest.MonkeyPatch, n: int
) -> None:
    """Units wait for each other: if fewer than ``n`` are begun at a time, none is finished."""
    seen: set[int] = set()
    meeting = threading.Barrier(n, timeout=20.0)

    def met(*arguments: Any) -> Any:
        if len(seen) < n:
            seen.add(threading.get_ident())
            meeting.wait()
        else:
            seen.add(threading.get_ident())
        return run_unit(*arguments)

    monkeypatch.setattr(expectation, "run_unit", met)

    assert_ran(run(refine("--j", str(n), "--verb", "0")))

    assert len(seen) == n
