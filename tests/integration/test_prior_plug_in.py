"""A plug-in regularises the maps; whatever it does wrong costs a warning, not the run."""

import os
import re
import subprocess
import textwrap
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from halfmap.io.mrc import read_map
from halfmap.io.prior_star import read_verdicts

from .conftest import Launch
from .tiny_project import BOX, STACK, Run, Said, assert_one_message, assert_ran, refine

pytestmark = pytest.mark.usefixtures("tiny_project")

DOCS = Path(__file__).parents[2] / "docs/priors.md"

PLUG_INS = """
import os
import sys
import time

import numpy as np

seen = []

def same(given):
    return given.map

def half_of_it(given):
    return 0.5 * given.map.astype(np.float64)

def raises(given):
    raise ValueError("no such shell")

def listens(given):
    assert sys.stdin.read() == ""
    print("listened")
    return given.map

def leaves(given):
    sys.exit(0)

def dies(given):
    os._exit(3)

def hangs(given):
    print("thinking", flush=True)
    time.sleep(1000)

def nan(given):
    return np.full_like(given.map, np.nan)

def wrong_shape(given):
    return given.map[1:]

def whole_numbers(given):
    return np.ones(given.map.shape, int)

def text(given):
    return "a map"

def inverted(given):
    return -given.map

def blown_up(given):
    return 100 * given.map

def faint(given):
    return 0.01 * given.map

def once(given):
    if given.iteration == 1:
        raise RuntimeError("not yet")
    return given.map

def keeps(given):
    '''Writes down whatever this process has been given.'''
    seen.append(given)
    name = f"seen_{os.getpid()}.npz"
    np.savez(name, *[each.map for each in seen])
    assert not any(name.startswith(("OMPI_", "PMIX_")) for name in os.environ)
    return given.map

not_a_function = 3
"""


@pytest.fixture(autouse=True)
def plug_ins(tiny_project: Path) -> None:
    (tiny_project / "my_priors.py").write_text(PLUG_INS, encoding="utf-8")


def prior(name: str) -> tuple[str, str]:
    return ("--prior", f"my_priors:{name}")


def map_of(root: str, half: int | None = None, iteration: int = 1) -> np.ndarray:
    part = "" if half is None else f"half{half}_"
    return read_map(f"{root}/run_it{iteration:03d}_{part}class001.mrc")[0]


def outcomes(folder: str = "out") -> list[str]:
    return [row[3] for row in read_verdicts(Path(folder, "run_prior.star"))]


def words_of(said: Said) -> str:
    return " ".join(said.out.split())


# --- what it does


@pytest.mark.parametrize("halves", [False, True])
def test_the_map_is_what_the_plug_in_makes_of_the_ordinary_one(run: Run, halves: bool) -> None:
    assert_ran(run(refine("--o", "plain/run", halves=halves)))

    said = run(refine(*prior("half_of_it"), halves=halves))

    assert_ran(said)
    for half in (1, 2) if halves else (None,):
        expected = (0.5 * map_of("plain", half).astype(float)).astype(np.float32)
        np.testing.assert_array_equal(map_of("out", half), expected)
    assert outcomes() == ["used"] * (2 if halves else 1)
    assert "warning" not in said.out


def test_masks_come_after_the_plug_in(run: Run) -> None:
    assert_ran(run(refine("--flatten_solvent", "--o", "plain/run")))

    assert_ran(run(refine("--flatten_solvent", *prior("half_of_it"))))

    np.testing.assert_allclose(map_of("out"), 0.5 * map_of("plain"), rtol=1e-6, atol=1e-12)


def test_the_example_of_the_documentation_runs(run: Run) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", DOCS.read_text(encoding="utf-8"), re.DOTALL)
    Path("my_priors.py").write_text(code, encoding="utf-8")
    assert_ran(run(refine("--o", "plain/run")))

    assert_ran(run(refine(*prior("shrink_noise"))))

    assert outcomes() == ["used"]
    assert np.abs(map_of("out")).sum() < np.abs(map_of("plain")).sum()


def test_a_plug_in_reads_and_prints_what_it_likes(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PYTHONUNBUFFERED", raising=False)
    assert_ran(run(refine(*prior("listens"))))

    assert outcomes() == ["used"]
    assert Path("out/run_prior.log").read_text(encoding="utf-8") == "listened\n"


def test_a_registered_plug_in_is_found_by_its_name(run: Run) -> None:
    package = Path("some_package-1.0.dist-info")
    package.mkdir()
    (package / "METADATA").write_text("Metadata-Version: 2.1\nName: some_package\nVersion: 1.0\n")
    (package / "entry_points.txt").write_text("[halfmap.priors]\nhalving = my_priors:half_of_it\n")

    assert_ran(run(refine("--prior", "halving")))

    assert outcomes() == ["used"]


def test_no_process_sees_maps_of_two_halves(run: Run) -> None:
    assert_ran(run(refine(*prior("keeps"), "--iter", "2", "--split_random_halves")))

    maps = {half: [map_of("out", half, iteration) for iteration in (1, 2)] for half in (1, 2)}
    found = [list(np.load(path).values()) for path in sorted(Path().glob("seen_*.npz"))]
    assert len(found) == 2
    of_half = [1 if np.array_equal(seen[0], maps[1][0]) else 2 for seen in found]
    assert sorted(of_half) == [1, 2]
    for half, seen in zip(of_half, found, strict=True):
        assert len(seen) == 2
        for given, written in zip(seen, maps[half], strict=True):
            np.testing.assert_array_equal(given, written)


def test_it_is_not_asked_for_the_map_of_both_halves(run: Run) -> None:
    words = ("--auto_refine", "--split_random_halves", "--iter", "9", "--auto_iter_max", "15")
    words += ("--auto_ignore_angles", "--healpix_order", "1", "--low_resol_join_halves", "40")

    assert_ran(run(refine(*prior("same"), *words)))

    assert Path("out/run_class001.mrc").exists()
    rows = read_verdicts(Path("out/run_prior.star"))
    last = max(int(path.name[6:9]) for path in Path("out").glob("run_it*_half1_class001.mrc"))
    assert [row[:2] for row in rows] == [(it, half) for it in range(1, last + 1) for half in (1, 2)]


def test_any_number_of_ranks_gives_the_same_bytes(
    halfmap: Launch, tiny_project: Path, run: Run
) -> None:
    words = (*prior("keeps"), "--verb", "0")
    assert_ran(run(refine(*words, "--o", "alone/run", halves=True)))

    done = halfmap(tiny_project, *refine(*words, "--o", "ranks/run", halves=True), ranks=3)

    assert done.returncode == 0, done.stderr
    assert outcomes("alone") == outcomes("ranks") == ["used", "used"]
    for half in (1, 2):
        np.testing.assert_array_equal(map_of("ranks", half), map_of("alone", half))


# --- what it does wrong

WRONG = {
    "raises": "raised ValueError: no such shell",
    "dies": "its process ended with code 3",
    "leaves": "its process ended with code 0",
    "nan": "voxels are NaN or infinite, expected numbers",
    "wrong_shape": f"returned float32 of shape ({BOX - 1}, {BOX}, {BOX}), expected",
    "whole_numbers": "returned int64 of shape",
    "text": "raised ValueError: could not convert string to float",
    "inverted": "the correlation with the ordinary map is -1.000, expected at least 0.5",
    "blown_up": "expected at most",
    "faint": "the grey scale is 0.01 of that of the ordinary map, expected at least 0.1",
}


@pytest.mark.parametrize("name", WRONG)
def test_a_map_that_is_spoiled_keeps_the_ordinary_prior(run: Run, name: str) -> None:
    assert_ran(run(refine("--o", "plain/run")))

    said = run(refine(*prior(name)))

    assert_ran(said)
    np.testing.assert_array_equal(map_of("out"), map_of("plain"))
    words = words_of(said)
    assert f"warning: the prior my_priors:{name} was not used for 1 of 1 maps in" in words
    assert WRONG[name] in words
    (outcome,) = outcomes()
    assert WRONG[name] in outcome


def test_a_plug_in_that_hangs_is_ended_and_asked_again(run: Run) -> None:
    begun = time.monotonic()

    said = run(refine(*prior("hangs"), "--prior_time_limit", "8", "--iter", "2"))

    assert_ran(said)
    assert outcomes() == ["gave no answer within 8 s and was ended"] * 2
    assert words_of(said).count("warning: the prior my_priors:hangs was not used") == 2
    assert time.monotonic() - begun < 120.0
    assert Path("out/run_prior.log").read_text(encoding="utf-8") == "thinking\n" * 2


def test_a_failure_of_one_iteration_does_not_end_the_use_of_the_plug_in(run: Run) -> None:
    said = run(refine(*prior("once"), "--iter", "2"))

    assert_ran(said)
    assert outcomes() == ["raised RuntimeError: not yet", "used"]
    assert "RuntimeError: not yet" in Path("out/run_prior.log").read_text(encoding="utf-8")


def test_a_continued_run_keeps_the_record_and_the_plug_in(run: Run) -> None:
    assert_ran(run(refine(*prior("half_of_it"), "--iter", "2", "--o", "whole/run")))
    assert_ran(run(refine(*prior("half_of_it"))))

    said = run(["refine", "--continue", "out/run_it001_optimiser.star", "--iter", "2"])

    assert_ran(said)
    assert outcomes() == ["used", "used"]
    np.testing.assert_array_equal(map_of("out", iteration=2), map_of("whole", iteration=2))


# --- options


@pytest.mark.parametrize(
    ("words", "phrases"),
    [
        (("--prior", "no_module:f"), ("--prior no_module:f: loading it raised ModuleNotFound",)),
        (prior("absent"), ("--prior my_priors:absent: loading it raised AttributeError",)),
        (prior("not_a_function"), ("my_priors:not_a_function is int, not a function",)),
        (("--prior", "unknown"), ("no package registers a prior called unknown (registered: ",)),
        (
            (*prior("same"), "--external_reconstruct"),
            ("--prior: found with --external_reconstruct, expected one of them",),
        ),
        (
            (*prior("same"), "--prior_time_limit", "0"),
            ("--prior_time_limit: found '0', expected a number above 0",),
        ),
    ],
)
def test_options_that_cannot_be(run: Run, words: tuple[str, ...], phrases: tuple[str, ...]) -> None:
    assert_one_message(run(refine(*words)), 2, *phrases)


def test_a_module_that_hangs_when_it_is_loaded_is_refused(run: Run) -> None:
    Path("slow.py").write_text(textwrap.dedent("import time\ntime.sleep(1000)"), encoding="utf-8")

    said = run(refine("--prior", "slow:f", "--prior_time_limit", "3"))

    assert_one_message(said, 2, "--prior slow:f: loading it gave no answer within 3 s")


def test_one_message_of_several_ranks(halfmap: Launch, tiny_project: Path) -> None:
    done = halfmap(tiny_project, *refine("--prior", "no_module:f", halves=True), ranks=3)

    assert done.returncode == 2
    assert done.stderr.count("halfmap:") == 1
    assert "Traceback" not in done.stderr


def test_each_class_is_regularised(halfmap: Launch, tiny_project: Path, run: Run) -> None:
    words = ("--K", "3", "--iter", "2")
    assert_ran(run(refine(*words, *prior("half_of_it"), "--o", "alone/run")))

    done = halfmap(tiny_project, *refine(*words, *prior("half_of_it"), "--o", "ranks/run"), ranks=3)

    assert done.returncode == 0, done.stderr
    for k in (1, 2, 3):
        name = f"run_it002_class{k:03d}.mrc"
        np.testing.assert_array_equal(read_map(f"ranks/{name}")[0], read_map(f"alone/{name}")[0])
    rows = read_verdicts(Path("ranks/run_prior.star"))
    assert rows == [(it, 0, k, "used") for it in (1, 2) for k in (1, 2, 3)]


@pytest.mark.parametrize("ranks", [0, 3])
def test_no_process_outlives_the_run(halfmap: Launch, tiny_project: Path, ranks: int) -> None:
    Path("my_priors.py").rename("fleeting_priors.py")
    words = ("--prior", "fleeting_priors:same", "--verb", "0")

    done = halfmap(tiny_project, *refine(*words, halves=True), ranks=ranks)

    assert done.returncode == 0, done.stderr
    listed = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True)
    assert "fleeting_priors" not in listed.stdout


def test_a_run_that_fails_leaves_no_process_either(halfmap: Launch, tiny_project: Path) -> None:
    Path("my_priors.py").rename("fleeting_priors.py")
    words = ("--prior", "fleeting_priors:same", "--verb", "0", "--auto_iter_max", "50")
    halves = ("--auto_refine", "--split_random_halves")

    def shrink_after_1() -> None:
        while not Path(tiny_project, "out/run_it001_optimiser.star").exists():
            time.sleep(0.01)
        os.truncate(tiny_project / STACK, 20_000)

    threading.Thread(target=shrink_after_1, daemon=True).start()
    done = halfmap(tiny_project, *refine(*words, *halves), ranks=3)

    assert done.returncode == 3
    listed = ""
    for _ in range(50):  # a process sees the end of its pipe a moment later
        time.sleep(0.1)
        found = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True)
        listed = found.stdout
        if "fleeting_priors" not in listed:
            break
    assert "fleeting_priors" not in listed
