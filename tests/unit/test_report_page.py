import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from written_run import write_run

from halfmap.cli.main import main
from halfmap.io.mrc import write_stack
from halfmap.io.prior_star import write_verdicts
from halfmap.io.star import read_star, write_star
from halfmap.report.page import report_page

SECTIONS = ("Maps", "Resolution", "Search", "Particles", "Signal and noise", "Time", "Iterations")


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_run(tmp_path_factory.mktemp("job"))


@pytest.fixture(scope="module")
def page(root: Path) -> str:
    return report_page(root)


def test_the_page_begins_with_how_the_run_ended(page: str) -> None:
    assert "<h1>Converged at 17.8 Å after 5 iterations</h1>" in page
    assert "<dt>Symmetry</dt><dd>C2</dd>" in page
    assert '<ul class="colours">' in page


def test_the_page_has_every_section_and_every_figure(page: str) -> None:
    headings = re.findall(r"<h2>([^<]+)", page)

    assert [h.strip() for h in headings] == [*SECTIONS, "Command and files"]
    assert 'class="absent"' not in page
    assert page.count('<figure class="card">') == 14
    assert page.count("data:image/svg+xml") == 14
    assert page.count("data:image/png") == 18


def test_every_figure_has_a_sentence_that_says_how_to_read_it(page: str) -> None:
    cards = re.findall(r'<figure class="card">.*?</figure>', page, re.DOTALL)
    sentences = [re.search(r"<figcaption>(.*?)</figcaption>", card, re.DOTALL) for card in cards]

    assert all(s is not None and len(s[1]) > 40 and s[1].endswith(".") for s in sentences)


def test_the_page_loads_nothing_from_anywhere(page: str) -> None:
    targets = re.findall(r'(?:src|href|url)\s*[=(]\s*"?([^")>\s]+)', page)

    assert targets
    assert all(target.startswith(("data:", "#")) for target in targets)
    assert "<script" not in page


def test_bad_images_and_files_are_listed(page: str) -> None:
    assert "<td>000007@stack.mrcs</td><td>all_pixels_&lt;_0</td>" in page, "or not escaped"
    assert "1 image set aside" in page
    assert "<td>run_half1_class001_unfil.mrc</td>" in page


@pytest.mark.parametrize(
    ("case", "says"),
    [
        ("relion/halves", "<h1>Stopped at iteration 3, 35.6 Å</h1>"),
        ("relion_real_betagal", "<h1>Converged at 17.0 Å</h1>"),
        ("relion/class2d", "The run has 4 classes; the spectra are those of class 1."),
    ],
)
def test_pages_of_relion_runs_are_made(shared: Path, case: str, says: str) -> None:
    page = report_page(shared / "golden" / case)

    assert says in page
    assert len(page.encode()) < 3e6


def remove(folder: Path, *patterns: str) -> None:
    for pattern in patterns:
        for file in folder.glob(pattern):
            file.unlink()


def test_what_is_missing_is_named_and_does_not_stop_the_page(tmp_path: Path) -> None:
    root = write_run(tmp_path, iterations=2)
    remove(tmp_path, "*.mrc", "*_data.star", "*_timing.csv", "*_model.star", "run_sampling*")

    page = report_page(root)

    assert "<h1>Converged at unknown resolution after 3 iterations</h1>" in page
    assert "run_it002 has no model STAR file" in page
    assert f"{root}_sampling.star cannot be read" in page
    for absent in ("no maps", "no particles: no data STAR file", "no times", "no spectra"):
        assert absent in page


def test_files_that_are_half_written_do_not_stop_the_page(tmp_path: Path) -> None:
    root = write_run(tmp_path, iterations=2)
    for suffix in ("_it002_half1_model.star", "_data.star", "_sampling.star", "_class001.mrc"):
        file = Path(f"{root}{suffix}")
        file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])

    page = report_page(root)

    assert "<h1>Converged" in page
    assert "run_class001.mrc is truncated" in page


def test_a_run_that_has_just_begun_has_a_page(tmp_path: Path) -> None:
    page = report_page(write_run(tmp_path, iterations=0, converged=False))

    assert "Not one iteration is done yet" in page


def test_the_command_writes_the_same_page_beside_the_run(root: Path, page: str, capsys) -> None:
    assert main(["report", str(root)]) == 0

    target = root.with_name("run_report.html")
    assert target.read_text(encoding="utf-8") == page
    assert str(target) in capsys.readouterr().out


def test_a_page_never_replaces_a_map(tmp_path: Path, capsys) -> None:
    root = tmp_path / "run"
    map_file = Path(f"{root}_class001.mrc")
    map_file.write_bytes(b"precious")

    assert main(["report", str(root), "--o", str(map_file)]) == 2

    assert "expected a name that ends in .html" in capsys.readouterr().err
    assert map_file.read_bytes() == b"precious"


def test_no_run_is_a_message_and_exit_code_3(tmp_path: Path, capsys) -> None:
    assert main(["report", str(tmp_path / "run")]) == 3

    assert "no run found at" in capsys.readouterr().err


def test_the_page_goes_where_o_says_or_a_message_says_why_not(root: Path, capsys) -> None:
    target = root.parent / "absent" / "page.html"

    assert main(["report", str(root), "--o", str(target)]) == 3

    assert "absent does not exist; create it first" in capsys.readouterr().err


def test_missing_packages_are_named_with_the_remedy(root: Path, monkeypatch) -> None:
    from halfmap.errors import HalfmapError
    from halfmap.report import page as page_module

    monkeypatch.setattr(page_module, "find_spec", lambda _: None)

    with pytest.raises(
        HalfmapError, match=r"matplotlib and jinja2.*pip install 'halfmap\[report\]'"
    ):
        report_page(root)


def test_importing_the_report_loads_no_plot_library() -> None:
    code = (
        "import sys, halfmap.cli.report, halfmap.report.page;"
        "print(sorted({'matplotlib', 'jinja2', 'pandas', 'mpi4py', 'rich'} & set(sys.modules)))"
    )

    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )

    assert result.stdout == "[]\n"


def test_the_use_of_a_prior_plug_in_is_counted(tmp_path: Path) -> None:
    root = write_run(tmp_path)
    why = "gave no answer within 600 s and was ended"
    write_verdicts(
        tmp_path / "run_prior.star",
        [(1, 1, 1, "used"), (1, 2, 1, why), (2, 1, 1, "used"), (2, 2, 1, "used")],
    )

    page = report_page(root)

    assert "<dt>Prior plug-in</dt><dd>used for 3 of 4 maps</dd>" in page
    assert "1 map of 4 kept the ordinary prior" in page


def test_a_run_without_a_plug_in_says_nothing_of_it(page: str) -> None:
    assert "Prior plug-in" not in page
    assert "ordinary prior" not in page


def test_class_averages_are_shown_by_their_share(tmp_path: Path) -> None:
    root = write_run(tmp_path / "flat", converged=False)
    images = np.random.default_rng(1).normal(size=(3, 16, 16)).astype(np.float32)
    write_stack(Path(f"{root}_it004_classes.mrcs"), images, 4.0)
    model = read_star(Path(f"{root}_it004_half1_model.star"))
    classes = {
        "rlnClassDistribution": [0.25, 0.75, 0.0],
        "rlnEstimatedResolution": [20.0, 12.5, 999.0],
    }
    tables = model.lists | model.tables | {"model_classes": classes}
    write_star(Path(f"{root}_it004_model.star"), tables)

    page = report_page(root)

    assert "Class averages" in page
    captions = re.findall(r"<figcaption>(\d[^<]*)</figcaption>", page)
    assert captions == ["2 · 75.0 % · 12.5 Å", "1 · 25.0 % · 20.0 Å", "3 · empty"]


def test_a_classification_shows_every_class(shared: Path) -> None:
    page = report_page(shared / "golden" / "relion" / "k2")

    headings = re.findall(r"<h2>([^<]+)", page)
    assert "Classes" in [h.strip() for h in headings]
    for k, said in ((1, "60.8 % · 29.1 Å"), (2, "39.2 % · 32.0 Å")):
        assert f"Class {k} <small>run_it002_class00{k}.mrc · {said}</small>" in page
    assert page.count("data:image/png") == 12  # three slices and three sums of each
    assert "Classes that differ in the fine grain only are one class." in page
    assert "Fourier shell correlation" not in page  # there are no halves
    assert '<ul class="colours">' not in page
    card = re.search(
        r'<figure class="card">(?:(?!</figure>).)*Shares by iteration.*?</figure>', page, re.S
    )
    assert card is not None
    assert "data:image/svg+xml" in card[0]


def test_an_empty_class_is_named(shared: Path, tmp_path: Path) -> None:
    for file in (shared / "golden" / "relion" / "k2").iterdir():
        text = file.read_bytes()
        if file.name == "run_it002_model.star":
            text = text.replace(b"    0.392341 ", b"    0.000000 ")
        (tmp_path / file.name).write_bytes(text)

    assert "1 class empty: 2." in report_page(tmp_path)
