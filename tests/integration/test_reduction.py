"""``--reduction scratch``: the sums of the ranks come together in files."""

from collections.abc import Callable
from pathlib import Path

import pytest

from .conftest import Launch
from .test_checkpoints import COMMON, KINDS, data, interrupted, of_last, own_folder, undisturbed
from .test_exactness import assert_equal
from .tiny_project import Run, assert_one_message, refine

__all__ = ["data", "undisturbed"]
SCRATCH = ("--reduction", "scratch")


@pytest.mark.parametrize(("kind", "ranks"), [("halves", 4), ("classes", 3)])
def test_sums_that_come_together_through_files_give_the_same_bytes(
    data: Path,
    halfmap: Launch,
    undisturbed: Callable[[str], dict[str, bytes]],
    kind: str,
    ranks: int,
) -> None:
    folder = own_folder(data, f"scratch_{kind}")
    words = (*COMMON, *KINDS[kind], *SCRATCH)

    # That the files were used is seen where one is spoilt, below.
    done = halfmap(folder, *words, ranks=ranks)

    assert done.returncode == 0, done.stderr
    assert_equal(of_last(folder), undisturbed(kind))
    assert not (folder / "out" / "run_parts").exists()


def test_a_part_that_is_spoilt_before_it_is_added_stops_the_run_and_is_computed_again(
    data: Path, halfmap: Launch, undisturbed: Callable[[str], dict[str, bytes]]
) -> None:
    folder = own_folder(data, "spoilt")
    words = (*COMMON, *KINDS["classes"], *SCRATCH)

    ended = interrupted(folder, ("spoil", 2, 0), *words, ranks=3)

    assert ended.returncode == 3
    assert "rank002_1_sums.h5 is damaged: the checksum of piece 1 of class" in ended.stderr
    assert "--continue" in ended.stderr
    assert "Traceback" not in ended.stderr
    words = ("refine", "--continue", "out/run_it001_optimiser.star", "--verb", 1)
    done = halfmap(folder, *words)
    assert done.returncode == 0, done.stderr
    assert "is damaged" in done.stdout
    assert_equal(of_last(folder), undisturbed("classes"))


@pytest.mark.usefixtures("tiny_project")
def test_files_and_network_exclude_each_other(run: Run) -> None:
    said = run(refine(*SCRATCH, "--dont_combine_weights_via_disc"))

    assert_one_message(said, 2, "found with --reduction scratch, expected one of them")
