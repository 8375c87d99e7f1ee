from pathlib import Path

from halfmap.io.prior_star import read_verdicts, write_verdicts

ROWS = [(1, 1, 1, "used"), (1, 2, 1, "raised ValueError: two words")]


def test_rows_come_back_as_they_were(tmp_path: Path) -> None:
    write_verdicts(tmp_path / "run_prior.star", ROWS)

    assert read_verdicts(tmp_path / "run_prior.star") == ROWS


def test_reasons_of_several_lines_and_quotes_fit_in_one_field(tmp_path: Path) -> None:
    write_verdicts(tmp_path / "run_prior.star", [(1, 0, 1, "raised \"x\"\n  of 'y'")])

    assert read_verdicts(tmp_path / "run_prior.star") == [(1, 0, 1, "raised x of y")]


def test_no_rows_are_no_file(tmp_path: Path) -> None:
    path = tmp_path / "run_prior.star"
    write_verdicts(path, ROWS)

    write_verdicts(path, [])

    assert not path.exists()
    assert read_verdicts(path) == []
