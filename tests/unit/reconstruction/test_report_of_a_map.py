"""The page that `halfmap report MAP` makes of what a reconstruction left beside its map."""

import re
from pathlib import Path

import numpy as np
import pytest
from reconstruction_record import NOTES, example_record

from halfmap.cli.main import main
from halfmap.io.mrc import write_map
from halfmap.io.reconstruction_record import ReconstructionRecord, write_record
from halfmap.report import plots_reconstruction as plots
from halfmap.report.plot_style import Absent
from halfmap.report.reconstruction_page import reconstruction_page

SECTIONS = (
    "Maps",
    "Resolution",
    "Fourier coverage",
    "Views",
    "Slices",
    "What became of the images",
    "Time and memory",
    "Options and files",
)


def left(folder: Path, record: ReconstructionRecord) -> Path:
    """Write a record and its maps, flatter than wide, and return the map."""
    density = np.random.default_rng(3).normal(size=(8, 16, 32)).astype(np.float32)
    for name in ("map", "map_half1", "map_half2"):
        write_map(folder / f"{name}.mrc", density, 2.0)
    write_record(folder / "map_reconstruction.h5", record)
    return folder / "map.mrc"


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> str:
    made = left(tmp_path_factory.mktemp("job"), example_record())
    assert main(["report", str(made)]) == 0
    return made.with_name("map_report.html").read_text(encoding="utf-8")


def test_the_page_has_every_section_and_every_figure(page: str) -> None:
    headings = [h.strip() for h in re.findall(r"<h2>([^<]+)", page)]

    assert headings == list(SECTIONS)
    # All weights are 2 but that of the slice that is left out.
    assert page.count("data:image/svg+xml") == 6
    assert page.count("data:image/png") == 18
    assert 'class="absent"' not in page


def test_the_page_says_what_became_of_the_images_and_why(page: str) -> None:
    rows = re.findall(r"<tr><td>(37|38|39)</td><td>(.*?)</td>", page)

    assert "<h1>37 of 40 images made this map</h1>" in page
    assert rows == [
        ("37", "quality"),
        ("38", "zero weight"),
        ("39", "no transform, or not of those asked for"),
    ]


def test_the_page_says_resolution_options_time_and_memory(page: str) -> None:
    # The FSC falls in a straight line from 1 to 0 over 16 shells of 1/64 per Å: 4 Å / 0.857.
    assert "The halves agree up to 4.67 Å" in page
    assert "<td>keep</td><td>0.9</td>" in page
    assert "<td>inserting slices</td><td>75.0 s</td>" in page
    assert "held 3.22 GB" in page
    assert "<dt>Mode</dt><dd>gauss_5</dd>" in page


def test_missing_parts_say_so(tmp_path: Path) -> None:
    notes = {**NOTES, "largest_quality": None}
    ones, used = np.ones(40), np.zeros(40, int)
    alike = {"quality": ones, "weight": ones, "angles_deg": np.ones((40, 2)), "fate": used}
    record = example_record(fsc=np.empty(0), notes=notes, **alike)
    made = left(tmp_path, record)
    made.unlink()

    page = reconstruction_page(tmp_path / "map_reconstruction.h5")

    assert "No half maps were made" in page
    assert "(--halves makes them)" in page
    assert "all slices have the same quality number" in page
    assert "all slices weigh the same" in page
    assert "No image was left out." in page
    assert "no maps: none of them could be read" in page
    assert "1 file could not be read" in page


def test_without_weights_and_without_slices_there_is_no_coverage() -> None:
    nothing = np.zeros(17)
    empty = example_record(shell_weight=nothing, fate=np.full(40, 1), section_yz=np.zeros((4, 4)))
    for name in ("section_xy", "section_xz"):
        object.__setattr__(empty, name, np.zeros((4, 3)))

    for figure in (plots.shells_figure, plots.sections_figure, plots.views_figure):
        with pytest.raises(Absent, match=r"no (coverage|views)"):
            figure(empty)


def test_a_section_is_completed_by_its_mates() -> None:
    # Row y - 2 and column x; (y, x) and (-y, -x) have one weight.
    half = np.array([[0, 1, 9], [5, 2, 9], [7, 3, 9], [5, 4, 9]])

    whole = plots._whole(half)

    assert whole.tolist() == [[9, 1, 0, 1], [9, 4, 5, 2], [9, 3, 7, 3], [9, 2, 5, 4]]


def test_a_record_that_names_another_folder_leads_nowhere(tmp_path: Path) -> None:
    job = tmp_path / "job"
    job.mkdir()
    left(job, example_record(notes={**NOTES, "map": "../secret.mrc"}))
    (job / "map.mrc").rename(tmp_path / "secret.mrc")

    page = reconstruction_page(job / "map_reconstruction.h5")

    assert "data:image/png" not in page


def test_a_hostile_and_a_missing_record_give_one_clear_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = left(tmp_path, example_record())
    record = tmp_path / "map_reconstruction.h5"
    record.write_bytes(b"\x80\x04cos\nsystem\n" * 100)

    assert main(["report", str(made)]) == 3
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "does not begin with a seal. Expected what halfmap reconstruct leaves" in said

    record.unlink()
    assert main(["report", str(made)]) == 3
    assert "<map>_reconstruction.h5" in capsys.readouterr().err


def test_a_reconstruction_leaves_what_its_page_needs(shared: Path, tmp_path: Path) -> None:
    golden, made = shared / "golden" / "eman2", tmp_path / "map.mrc"
    words = ["--input", str(golden / "tilt.hdf"), "--tlt", str(golden / "tilt.tlt")]

    code = main(["reconstruct", *words, "--mode", "gauss_2", "--halves", "--output", str(made)])
    assert code == 0
    assert main(["report", str(made)]) == 0

    page = made.with_name("map_report.html").read_text(encoding="utf-8")
    assert "<h1>61 of 61 images made this map</h1>" in page
    assert "<dt>Mode</dt><dd>gauss_2</dd>" in page
    assert "The halves agree" in page or "does not fall below 0.143" in page
