from pathlib import Path

import pytest

from halfmap.config.reconstruction.options import RECONSTRUCT, parse_reconstruct
from halfmap.engine.reconstruction.judging import judged
from halfmap.errors import OptionError


@pytest.fixture
def projections(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "p.hdf"
    path.touch()
    return path


def refusal(*words: str) -> str:
    with pytest.raises(OptionError) as caught:
        parse_reconstruct(words, judged)
    return str(caught.value)


def test_all_that_is_wrong_is_said_at_once(projections: Path) -> None:
    text = refusal(
        *("--input", str(projections), "--mode", "gauss_9", "--sym", "x3", "--pad", "63"),
        *("--preprocess", "filter.nothing", "--seedmap", "none_such.mrc", "--keeep", "0.5"),
        *("--tlt", "none.tlt", "--output", "map.png", "--threads", "0"),
    )

    for found in (
        *("gauss_9", "gauss_var", "x3", "icos", "'63'", "filter.nothing", "none_such.mrc"),
        *("did you mean --keep", "none.tlt", "map.png", "--threads"),
    ):
        assert found in text, found


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (("--halves", "--subset", "1"), "a half has no halves"),
        (("--subset", "1"), "expected a .star table"),
        (("--ctf",), "expected a .star table"),
        (("--itermask", "p.hdf"), "found without --iterative"),
        (("--halves", "--iterative"), "found with --iterative"),
        (("--seedweightmap", "p.hdf"), "found without --seedmap"),
        (("--compressbits", "1"), "from 2 to 16"),
        (("--parallel", "threads"), "expected thread:N, or mpi:N:FOLDER"),
    ],
)
def test_what_does_not_go_together_is_refused(
    projections: Path, words: tuple[str, ...], found: str
) -> None:
    assert found in refusal("--input", str(projections), *words)


@pytest.mark.parametrize(
    "words",
    [
        *(("--fillangle", "5"), ("--noradcor",), ("--savenorm", "norm.hdf")),
        *(("--seedmap", "p.hdf"), ("--iterative",), ("--compat", "eman2")),
    ],
)
def test_what_has_no_meaning_for_a_map_that_is_fitted_is_refused(
    projections: Path, words: tuple[str, ...]
) -> None:
    text = refusal("--input", str(projections), "--mode", "least_squares", *words)

    assert f"{words[0]}: found with --mode least_squares" in text


def test_eman_spellings_mean_what_they_say(projections: Path) -> None:
    words = ["--input", str(projections), "-v", "2", "--pad=-1", "--padvol", "96,96,64"]
    words += ["--preprocess", "normalize", "--preprocess=mask.sharp:outer_radius=8", "--ppid=7"]

    request = parse_reconstruct(words, judged)

    assert request.options.verbosity == 2
    assert request.options.padded == (-1,)
    assert request.options.volume == (96, 96, 64)
    assert request.options.preprocess == ("normalize", "mask.sharp:outer_radius=8")
    assert "--ppid has no meaning here" in request.notices[0]


def test_eman_may_say_where_to_run(projections: Path) -> None:
    threads, ranks = (
        parse_reconstruct(["--input", str(projections), "--parallel", where])
        for where in ("thread:3", "mpi:5:/scratch")
    )

    assert threads.options.n_threads == 3
    assert threads.notices == ()
    assert "mpirun -n 5" in ranks.notices[0]


def test_a_padding_of_zero_is_none(projections: Path) -> None:
    assert parse_reconstruct(["--input", str(projections), "--pad", "0"]).options.padded == ()


def test_every_option_of_e2make3dpar_is_known(shared: Path) -> None:
    rows = [line.split("||") for line in _rows(shared)]
    spellings = {row[2].strip() or row[1].strip().lstrip("-") for row in rows}

    assert spellings - RECONSTRUCT.by_spelling.keys() == set()


def _rows(shared: Path) -> list[str]:
    text = (shared / "options" / "e2make3dpar.txt").read_text()
    return [line for line in text.splitlines() if line.startswith("||")]
