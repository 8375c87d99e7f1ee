from pathlib import Path

import pytest

from halfmap.cli.main import main


def test_a_dry_run_checks_the_files_and_writes_nothing(
    shared: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    golden, output = shared / "golden" / "eman2", tmp_path / "map.mrc"
    words = ["--input", str(golden / "tilt.hdf"), "--tlt", str(golden / "tilt.tlt"), "--pad", "96"]

    assert main(["reconstruct", *words, "--output", str(output), "--dry_run"]) == 0

    said = capsys.readouterr().out
    # 96 x 96 x 49 voxels: 24 bytes of sums and four grids of 12 are 0.03 GiB.
    assert "memory of a rank" in said
    assert "0.03 GiB" in said
    assert list(tmp_path.iterdir()) == []


def test_a_dry_run_knows_that_a_map_that_is_fitted_needs_more_memory(
    shared: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    golden, output = shared / "golden" / "eman2", tmp_path / "map.mrc"
    words = ["--input", str(golden / "tilt.hdf"), "--tlt", str(golden / "tilt.tlt")]
    words += ["--mode", "least_squares", "--threads", "2", "--output", str(output)]

    assert main(["reconstruct", *words, "--dry_run"]) == 0

    # 64 x 64 x 33 voxels: 144 bytes of sums and 2 x 1200 of threads are 0.32 GiB.
    assert "0.32 GiB" in capsys.readouterr().out


def test_a_tilt_file_of_another_length_is_refused(
    shared: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    golden, angles = shared / "golden" / "eman2", tmp_path / "short.tlt"
    angles.write_text("0.0\n2.0\n")
    words = ["--input", str(golden / "tilt.hdf"), "--tlt", str(angles)]

    assert main(["reconstruct", *words, "--output", str(tmp_path / "map.mrc")]) == 3

    assert "2 angles" in capsys.readouterr().err


def test_a_padding_below_the_box_and_headers_without_orientation_are_refused(
    shared: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    golden, output = shared / "golden" / "eman2", ["--output", str(tmp_path / "map.mrc")]
    words = ["--input", str(golden / "tilt.hdf")]

    assert main(["reconstruct", *words, *output]) == 3
    assert "no xform.projection" in capsys.readouterr().err
    tilted = [*words, "--tlt", str(golden / "tilt.tlt"), "--pad", "48"]
    assert main(["reconstruct", *tilted, *output]) == 3
    assert "expected at least the 64 px" in capsys.readouterr().err
