"""A launcher that binds a rank to fewer cores than it has threads."""

import os
import sys
from pathlib import Path

import pytest

from halfmap.parallel.launcher import UNBOUND, bound_cores

from .conftest import run_program
from .tiny_project import refine

WARNING = "a rank is bound to 1 core but has --j 2 threads"

needs_two_cores = pytest.mark.skipif(
    not hasattr(os, "sched_setaffinity") or (os.cpu_count() or 1) < 2,
    reason="needs Linux and two cores",
)


@needs_two_cores
@pytest.mark.parametrize(("threads", "warned"), [("2", True), ("1", False)])
def test_more_threads_than_cores_are_warned_of(
    tiny_project: Path, threads: str, warned: bool
) -> None:
    bind = f"import os; os.sched_setaffinity(0, [{min(os.sched_getaffinity(0))}]); "
    start = "import sys; from halfmap.cli.main import main; sys.exit(main(sys.argv[1:]))"

    said = run_program(
        [sys.executable, "-c", bind + start, *refine("--j", threads)], tiny_project, 120.0
    )

    assert said.returncode == 0, said.stderr
    assert (WARNING in said.stdout + said.stderr) == warned


@needs_two_cores
def test_a_process_with_all_cores_is_not_bound() -> None:
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, range(os.cpu_count() or 1))
    try:
        assert bound_cores() == UNBOUND
    finally:
        os.sched_setaffinity(0, before)
