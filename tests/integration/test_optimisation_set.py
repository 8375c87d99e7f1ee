"""``--ios``: particles, map and mask are named by one file, and one names the results."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from halfmap.io.mrc import write_map
from halfmap.io.star import read_star, write_star
from halfmap.steps.solvent import solvent_mask

from .tiny_project import (
    BOX,
    MAP,
    PIXEL_A,
    STAR,
    Run,
    assert_one_message,
    assert_ran,
    edit_star,
    refine,
    results,
)

pytestmark = pytest.mark.usefixtures("tiny_project")

SET = Path("set.star")
ENTRIES = {
    "rlnTomoParticlesFile": "particles/particles.star",
    "rlnTomoReferenceMap1File": "half1_map.mrc",
    "rlnTomoReferenceMap2File": "half2_map.mrc",
    "rlnTomoReferenceMaskFile": "mask.mrc",
    "rlnTomoReferenceFscFile": "fsc.star",
    "rlnTomoManifoldsFile": "manifolds.star",
}


@pytest.fixture(autouse=True)
def files(tiny_project: Path) -> None:
    del tiny_project  # the working folder
    for name in ("half1_map.mrc", "half2_map.mrc"):
        shutil.copy(MAP, name)
    write_map(Path("mask.mrc"), solvent_mask(BOX, PIXEL_A, 80.0, 3.0), PIXEL_A)
    write_star(SET, {"": ENTRIES})


def with_set(*more: str, halves: bool = False) -> list[str]:
    """Return the words of a run that names nothing but the set."""
    words = refine("--ios", str(SET), "--flatten_solvent", *more, halves=halves)
    for name, value in (("--i", str(STAR)), ("--ref", str(MAP))):
        if name not in more:
            at = words.index(name)
            assert words[at + 1] == value
            del words[at : at + 2]
    return words


def entries(path: str) -> dict[str, str]:
    return read_star(Path(path)).values("")


def without_options(folder: str) -> dict[str, bytes]:
    """Return the results less what knows the options and the set itself."""
    ends = ("_halfmap.h5", "_options.yaml", "_optimisation_set.star")
    return {n: text for n, text in results(Path(folder)).items() if not n.endswith(ends)}


def test_a_set_stands_for_particles_map_and_mask(run: Run) -> None:
    usual = ("--ref", "half1_map.mrc", "--solvent_mask", "mask.mrc", "--flatten_solvent")
    assert_ran(run(refine(*usual)))
    Path("out").rename("named")

    said = run(with_set())

    assert_ran(said)
    assert "--ios set.star stands for --i particles/particles.star" in said.out
    assert without_options("out") == without_options("named")


def test_options_that_are_given_count_more_than_the_set(run: Run) -> None:
    write_star(SET, {"": {label: f"no_{name}" for label, name in ENTRIES.items()}})
    words = with_set("--i", str(STAR), "--ref", str(MAP), "--solvent_mask", "mask.mrc")

    assert_ran(run(words))

    found = entries("out/run_it001_optimisation_set.star")
    assert found["rlnTomoReferenceMaskFile"] == "mask.mrc"
    assert found["rlnTomoReferenceMap1File"] == "no_half1_map.mrc"


def test_each_iteration_names_its_particles_and_keeps_the_other_entries(run: Run) -> None:
    assert_ran(run(with_set()))

    found = entries("out/run_it001_optimisation_set.star")
    assert found == ENTRIES | {"rlnTomoParticlesFile": "out/run_it001_data.star"}


def test_joined_halves_are_named_by_their_maps_without_prior(run: Run) -> None:
    assert_ran(run(with_set(halves=True)))
    words = ["refine", "--continue", "out/run_it001_optimiser.star", "--force_converge"]
    words += ["--auto_iter_max", "2"]

    assert_ran(run(words))

    found = entries("out/run_optimisation_set.star")
    assert found["rlnTomoParticlesFile"] == "out/run_data.star"
    assert found["rlnTomoReferenceMap1File"] == "out/run_half1_class001_unfil.mrc"
    assert found["rlnTomoReferenceMap2File"] == "out/run_half2_class001_unfil.mrc"
    assert "rlnTomoReferenceFscFile" not in found
    assert found["rlnTomoManifoldsFile"] == "manifolds.star"
    for label in ("ParticlesFile", "ReferenceMap1File", "ReferenceMap2File"):
        assert Path(found[f"rlnTomo{label}"]).is_file()


def test_a_set_named_anew_for_a_run_that_goes_on_serves_the_results_only(run: Run) -> None:
    assert_ran(run(refine()))
    write_star(SET, {"": {"rlnTomoManifoldsFile": "other.star"}})
    go_on = ["refine", "--continue", "out/run_it001_optimiser.star", "--iter", "2"]

    assert_ran(run([*go_on, "--ios", str(SET)]))

    assert entries("out/run_it002_optimisation_set.star") == {
        "rlnTomoParticlesFile": "out/run_it002_data.star",
        "rlnTomoManifoldsFile": "other.star",
    }


@pytest.mark.parametrize(
    ("blocks", "phrases"),
    [
        pytest.param(
            {"": ENTRIES | {"rlnTomoTomogramsFile": "tomograms.star"}},
            (
                "set.star: found rlnTomoTomogramsFile (tomograms.star), expected a set of single "
                "particles: subtomogram averaging is not in this version",
            ),
            id="tilt series",
        ),
        pytest.param(
            {"": {"rlnTomoManifoldsFile": "m.star"}},
            ("set.star: found no rlnTomoParticlesFile, expected the particle table there or",),
            id="no particles",
        ),
        pytest.param(
            {"": ENTRIES | {"rlnTomoParticlesFile": "gone.star"}},
            ("--i gone.star: found no such file",),
            id="particles that are not there",
        ),
        pytest.param(
            {"a": ENTRIES, "b": ENTRIES},
            ("set.star: found 2 blocks (data_a, data_b), expected one",),
            id="another file",
        ),
    ],
)
def test_a_set_that_cannot_be_used_ends_with_one_message(
    run: Run, blocks: dict[str, dict[str, str]], phrases: tuple[str, ...]
) -> None:
    write_star(SET, blocks)

    said = run(with_set())

    assert_one_message(said, 2, *phrases)
    assert "--i: missing" not in said.err


def test_a_set_that_is_not_there_is_all_that_is_missing(run: Run) -> None:
    SET.unlink()

    said = run(with_set())

    assert_one_message(said, 2, "--ios set.star: found no such file, expected an optimisation set")
    assert "--i: missing" not in said.err


def test_a_set_of_particles_that_are_tilt_series_is_refused(run: Run) -> None:
    def tilt(tables: dict[str, dict[str, np.ndarray]]) -> None:
        frames = np.array(["[1,1,1]"] * len(tables["particles"]["rlnImageName"]))
        tables["particles"]["rlnTomoVisibleFrames"] = frames

    edit_star(tilt)

    said = run(with_set())

    assert_one_message(
        said,
        3,
        "rlnTomoVisibleFrames is present: each row is a tilt series, expected one image a row: "
        "subtomogram averaging is not in this version",
    )
