"""Where the image stacks of a table are found."""

from pathlib import Path

import numpy as np
import pytest

from halfmap.errors import DataError
from halfmap.io.mrc import write_stack
from halfmap.io.stack_check import check_stacks

from .small_table import read_table


def test_stacks_are_found_beside_the_table(tmp_path: Path) -> None:
    write_stack(tmp_path / "s.mrcs", np.zeros((3, 8, 8)), 1.5)

    particles, _, table = read_table(tmp_path)

    assert particles.stacks == (str(tmp_path / "s.mrcs"), "t.mrcs")
    assert table.particles["rlnImageName"][0] == "2@s.mrcs"


def test_stacks_in_the_working_directory_come_first(tmp_path: Path, monkeypatch) -> None:
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    for folder in (tmp_path, tmp_path / "work"):
        write_stack(folder / "s.mrcs", np.zeros((3, 8, 8)), 1.5)

    assert read_table(tmp_path)[0].stacks == ("s.mrcs", "t.mrcs")


def test_a_missing_box_is_read_from_the_stack(tmp_path: Path) -> None:
    write_stack(tmp_path / "s.mrcs", np.zeros((3, 8, 8)), 1.5)

    particles, _, table = read_table(tmp_path, {"rlnImageSize": None})

    assert particles.optics[0].box == 8
    assert table.optics["rlnImageSize"].tolist() == [8]


def test_other_images_of_the_last_iteration_are_found_and_checked(tmp_path: Path) -> None:
    other = {"rlnReconstructImageName": ["4@u.mrcs", "3@u.mrcs", "2@u.mrcs", "1@u.mrcs"]}

    particles, _, table = read_table(tmp_path, particles=other)

    assert particles.inserted is not None
    assert particles.inserted.stacks == ("u.mrcs",)
    assert particles.inserted.slice.tolist() == [2, 0, 3, 1]  # sorted by micrograph
    assert table.particles["rlnReconstructImageName"].tolist()[0] == "3@u.mrcs"
    with pytest.raises(DataError, match=r"u\.mrcs"):
        check_stacks(particles)
