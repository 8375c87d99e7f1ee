"""How words become values."""

from pathlib import Path

import pytest

from halfmap.config.command_line import parse

from .words import NEW, problems


def test_values_are_read_by_relion_s_spelling() -> None:
    asked = parse([*NEW, "--ini_high", "30", "--sym", "d7", "--perturb=0", "--zero_mask"])

    assert asked.options.particles_file == Path("p.star")
    assert asked.options.initial_lowpass_A == 30.0
    assert asked.options.symmetry == "D7"
    assert asked.options.perturbation == 0.0
    assert asked.options.zero_mask
    assert asked.given == {"i", "ref", "o", "ini_high", "sym", "perturb", "zero_mask"}
    assert asked.notices == ()


def test_a_negative_number_is_a_value_and_not_an_option() -> None:
    assert parse([*NEW, "--limit_tilt", "-30"]).options.limit_tilt_deg == -30.0


def test_a_hyphen_counts_as_an_underscore() -> None:
    assert parse([*NEW, "--zero-mask"]).options.zero_mask


def test_relion_s_word_for_no_file_is_understood() -> None:
    assert parse([*NEW, "--solvent_mask", "None"]).options.solvent_mask_file is None


def test_nothing_is_abbreviated() -> None:
    assert problems(*NEW, "--flatten") == [
        "--flatten: no option is called so; see halfmap refine --help"
    ]


def test_a_misspelt_option_gets_a_suggestion_and_its_value_no_second_message() -> None:
    assert problems(*NEW, "--healpix_ordr", "3") == [
        "--healpix_ordr: no option is called so; did you mean --healpix_order?"
    ]
    assert problems(*NEW, "--k", "1") == ["--k: no option is called so; did you mean --K?"]


def test_a_flag_takes_no_word_after_it() -> None:
    assert problems(*NEW, "--zero_mask", "true")[0].startswith("true: expected an option")


def test_a_flag_can_be_taken_back_with_an_equals_sign() -> None:
    assert not parse([*NEW, "--zero_mask=false"]).options.zero_mask


def test_a_value_that_is_absent_is_missed() -> None:
    assert problems(*NEW, "--pad") == ["--pad: found no value after it, expected one"]
    assert problems(*NEW, "--pad", "--ctf") == ["--pad: found no value after it, expected one"]


def test_an_option_given_twice_must_have_one_value() -> None:
    assert parse([*NEW, "--j", "2", "--j", "2"]).options.n_threads == 2
    assert problems(*NEW, "--j", "2", "--j", "3") == [
        "--j: found twice, '2' and '3'; expected once. Keep one of them"
    ]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--oversampling", "4"], "expected a whole number from 0 to 3"),
        (["--oversampling", "1.5"], "expected a whole number from 0 to 3"),
        (["--perturb", "1.1"], "expected a number from 0 to 1"),
        (["--ini_high", "nan"], "expected a number above 0, or -1"),
        (["--offset", "inf"], "expected a number 0 or more"),
        (["--ini_high", "high"], "expected a number above 0, or -1"),
        (["--adaptive_fraction", "0"], "expected a number above 0 and at most 1"),
        (["--sym", "I5"], "expected a point group: C1, C2"),
        (["--j", "0"], "expected a whole number 1 or more"),
        (["--random_seed", "-2"], "expected a whole number from 0 to 2147483647, or -1"),
        (["--ctf=maybe"], "expected true or false"),
    ],
)
def test_a_value_out_of_range_is_shown_beside_what_was_expected(
    words: list[str], expected: str
) -> None:
    (problem,) = problems(*NEW, *words)

    assert f"found {words[-1].split('=')[-1]!r}, {expected}" in problem
