from pathlib import Path

import pytest

from halfmap.errors import DataError
from halfmap.report.run_files import find_run


def touch(folder: Path, *names: str) -> Path:
    folder.mkdir(exist_ok=True)
    for name in names:
        (folder / name).write_text("")
    return folder


@pytest.fixture
def job(tmp_path: Path) -> Path:
    iterations = [f"run_it{i:03d}_{kind}" for i in range(3) for kind in KINDS]
    return touch(tmp_path / "job", *iterations)


KINDS = ("optimiser.star", "data.star", "half1_model.star", "half1_class001.mrc")


@pytest.mark.parametrize(
    "meant", ["run", "", "run_it001_optimiser.star", "run_it002_half1_class001.mrc"]
)
def test_a_run_is_found_by_its_root_its_folder_or_any_of_its_files(job: Path, meant: str) -> None:
    files = find_run(job / meant)

    assert files.root == job / "run"
    assert [state.iteration for state in files.iterations] == [0, 1, 2]
    assert files.end is None


def test_files_without_a_number_are_the_end_of_the_run(job: Path) -> None:
    touch(job, "run_optimiser.star", "run_half2_class001_unfil.mrc", "run_class001.mrc")

    end = find_run(job).end

    assert end is not None
    assert end.maps == {
        "joined": job / "run_class001.mrc",
        "half 2": job / "run_half2_class001_unfil.mrc",
    }


def test_a_root_that_begins_like_another_is_not_mixed_with_it(job: Path) -> None:
    touch(job, "run_two_it005_optimiser.star")

    assert [s.iteration for s in find_run(job / "run").iterations] == [0, 1, 2]
    assert find_run(job / "run_two_it005_optimiser.star").root == job / "run_two"


def test_a_continued_run_has_the_iterations_before_the_continuation_only(job: Path) -> None:
    touch(job, "run_ct1_it001_optimiser.star")

    files = find_run(job)

    # What the first run did after iteration 1 was not continued from.
    assert files.root == job / "run_ct1"
    assert [state.prefix.name for state in files.iterations] == ["run_it000", "run_ct1_it001"]


def test_a_folder_of_several_runs_asks_which(job: Path) -> None:
    touch(job, "other_optimiser.star")

    with pytest.raises(DataError, match=r"2 runs: other, run; expected one"):
        find_run(job)


@pytest.mark.parametrize("meant", ["rnu", "absent/run"])
def test_where_there_is_no_run_the_message_says_what_was_expected(job: Path, meant: str) -> None:
    with pytest.raises(DataError, match=rf"no run found at .*{meant}: expected .*_optimiser\.star"):
        find_run(job / meant)


def test_a_typing_error_is_answered_with_the_runs_nearby(job: Path) -> None:
    with pytest.raises(DataError, match=r"Runs in .*job: run\."):
        find_run(job / "rnu")
