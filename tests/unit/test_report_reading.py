from pathlib import Path

import numpy as np
import pytest
from written_run import COMMAND, write_run

from halfmap.report.headline import facts, headline, iteration_rows
from halfmap.report.read_run import read_particles, read_run


def test_the_golden_prefix_run_is_read_as_three_iterations_not_converged(shared: Path) -> None:
    record = read_run(shared / "golden/relion/halves/run")

    assert [state.number for state in record.iterated] == [1, 2, 3]
    assert not record.converged
    assert record.missing == []
    assert record.last.value("rlnCurrentResolution") == pytest.approx(35.555556)
    assert set(record.last.models) == {"half 1", "half 2"}
    assert headline(record)[0] == "Stopped at iteration 3, 35.6 Å"
    assert record.program == "RELION optimiser; version 5.0.1-commit-73f0a3"
    assert record.command.startswith("--i p240.star")


def test_the_golden_converged_run_is_read_from_its_final_files_alone(shared: Path) -> None:
    record = read_run(shared / "golden/relion_real_betagal")

    assert record.converged
    assert record.split
    # Without the files of the iterations nobody knows how many there were.
    assert headline(record)[0] == "Converged at 17.0 Å"
    assert dict(facts(record, read_particles(record.last))) == {
        "Particles": "116",
        "Halves": "58 + 58",
        "Box": "80 px",
        "Pixel": "3.404 Å",
        "Symmetry": "D2",
        "Particle diameter": "200 Å",
        "Angular accuracy": "3.90°",
        "Offset accuracy": "2.59 Å",
        "Mean Pmax": "0.293",
    }


def test_the_end_counts_as_one_more_iteration(tmp_path: Path) -> None:
    record = read_run(write_run(tmp_path, iterations=4))

    assert headline(record)[0] == "Converged at 17.8 Å after 5 iterations"
    assert record.command == COMMAND


def test_a_run_that_goes_on_is_not_called_converged(tmp_path: Path) -> None:
    record = read_run(write_run(tmp_path, iterations=2, converged=False))

    assert headline(record) == (
        "At iteration 2, 26.7 Å",
        "The run still goes on, or was interrupted.",
    )


def test_a_run_without_one_iteration_says_so(tmp_path: Path) -> None:
    record = read_run(write_run(tmp_path, iterations=0, converged=False))

    assert headline(record)[0] == "Not one iteration is done yet"
    assert record.missing == []


def test_the_mark_999_is_read_as_unknown(tmp_path: Path) -> None:
    record = read_run(write_run(tmp_path, iterations=1, converged=False))

    assert np.isnan(record.states[0].value("rlnOverallAccuracyRotations"))
    assert np.isnan(record.states[0].value("rlnCurrentResolution"))


def test_the_table_of_iterations_has_the_steps_of_the_second_pass(tmp_path: Path) -> None:
    head, first, *_ = iteration_rows(read_run(write_run(tmp_path)))

    row = dict(zip(head, first, strict=True))
    assert (row["step (°)"], row["step (Å)"]) == ("3.75", "2")
    assert row["resolution (Å)"] == "32.00"


def test_the_columns_of_particles_come_as_numbers(shared: Path) -> None:
    table = read_particles(read_run(shared / "golden/relion_real_betagal").last)

    assert table is not None
    assert table.n == 116
    assert table.rot_deg is not None
    assert table.half is not None
    assert table.rot_deg[0] == pytest.approx(48.799072)
    assert set(table.half) == {1.0, 2.0}


def test_a_truncated_file_is_noted_and_the_rest_is_read(tmp_path: Path) -> None:
    root = write_run(tmp_path)
    model = Path(f"{root}_model.star")
    model.write_text(model.read_text()[:300] + "\nloop_\n_rlnA #1\n_rlnB #2\n1 2 3\n")

    record = read_run(root)

    assert [str(model) in line for line in record.missing] == [True]
    assert record.last.models == {}
    assert record.converged


def test_a_broken_table_of_times_is_noted_with_what_was_expected(tmp_path: Path) -> None:
    root = write_run(tmp_path)
    Path(f"{root}_timing.csv").write_text("iteration,rank\n1,0\n")

    record = read_run(root)

    assert record.timing is None
    assert "expected the columns iteration, rank, phase, seconds" in record.missing[0]


def test_bad_images_are_listed_with_their_reason(tmp_path: Path) -> None:
    head, *rows = read_run(write_run(tmp_path)).quarantine

    assert head == ("ImageName", "hlfReason")
    assert rows == [("000007@stack.mrcs", "all_pixels_<_0")]
