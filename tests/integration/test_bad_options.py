"""Options that cannot be used get one clear message, before any work.

Every test asks for the exit code 2, for what was found, expected and to be done, for exactly one
message, and for no traceback. One process; what ranks add is in ``test_errors_on_ranks.py``.
"""

import pytest

from .tiny_project import Run, assert_one_message, refine

pytestmark = pytest.mark.usefixtures("tiny_project")


@pytest.mark.parametrize(
    ("words", "phrases"),
    [
        pytest.param(
            refine("--i", "no.star", "--ref", "no.mrc", "--solvent_mask", "none.mrc"),
            (
                "--i no.star: found no such file, expected the particle table",
                "--ref no.mrc: found no such file, expected the starting map",
                "--solvent_mask none.mrc: found no such file, expected a mask",
                "Check the path; it counts from",
            ),
            id="files that are missing, all of them",
        ),
        pytest.param(refine("--i", "particles"), ("--i particles: found a folder",), id="a folder"),
        pytest.param(
            refine("--partcle_diameter", "120", "--overwrit"),
            (
                "--partcle_diameter: no option is called so; did you mean --particle_diameter?",
                "--overwrit: no option is called so; did you mean --overwrite?",
            ),
            id="unknown options",
        ),
        pytest.param(
            refine("--healpix_order", "x", "--ini_high", "-5"),
            (
                "--healpix_order: found 'x', expected a whole number from 0 to 8",
                "--ini_high: found '-5', expected a number above 0, or -1",
            ),
            id="values that cannot be",
        ),
        pytest.param(
            refine("--tau2_fudge_scheme", "0-step"),
            ("--tau2_fudge_scheme: found '0-step', expected plain, or a number above 0 and -step",),
            id="a scheme that cannot be",
        ),
        pytest.param(
            refine("--auto_refine", "--ctf_phase_flipped", "--only_flip_phases"),
            (
                "--auto_refine: found without --split_random_halves, expected with it",
                "--only_flip_phases: found with --ctf_phase_flipped, expected one of them",
            ),
            id="contradictions",
        ),
        pytest.param(
            refine("--K", "3", halves=True),
            ("--split_random_halves: found with --K above 1", "Leave --K out"),
            id="several classes in halves",
        ),
        pytest.param(
            refine("--o", "out/"),
            ("--o: found 'out/', expected the root of the output names",),
            id="a folder as the root",
        ),
        pytest.param(
            ["refine", "--continue", "out/run_it003_optimiser.star"],
            (
                "--continue out/run_it003_optimiser.star: found no such file, expected the "
                "_optimiser.star of an iteration",
            ),
            id="a run that is missing",
        ),
        pytest.param(
            ["refine", "--continue", "particles/particles.star"],
            ("--continue particles/particles.star: found another file, expected the _optimiser",),
            id="another file of a run",
        ),
        pytest.param(["refine"], ("--i: missing", "--o: missing"), id="nothing"),
    ],
)
def test_bad_options_end_with_one_message(
    run: Run, words: list[str], phrases: tuple[str, ...]
) -> None:
    said = run(words)

    assert_one_message(said, 2, "the options cannot be used:", *phrases)
    assert "All options: halfmap refine --help" in said.err


@pytest.mark.parametrize("name", [["out/run_it003_optimiser.star"], []])
def test_a_run_that_is_missing_makes_no_option_missing_besides(run: Run, name: list[str]) -> None:
    assert ": missing" not in run(["refine", "--continue", *name]).err
