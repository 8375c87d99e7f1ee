"""Values that come from files: presets, the options of a run to be continued, RELION's too."""

from pathlib import Path

import pytest

from halfmap.config.command_line import Request, parse
from halfmap.config.saved import options_file, to_yaml

from .words import AUTO, NEW, problems


def test_the_command_line_wins_over_presets_and_a_later_preset_over_an_earlier() -> None:
    Path("a.yaml").write_text("sym: C2\nhealpix_order: 3\npad: 1\nctf: true\nini_high: 50\n")
    Path("b.yaml").write_text("sym: C3\nhealpix_order: 1\nini_high:\n")

    asked = parse(["a.yaml", "b.yaml", *NEW, "--sym", "C4", "--ctf=false"])

    assert asked.options.symmetry == "C4"
    assert asked.options.healpix_order == 1
    assert asked.options.padding == 1
    assert not asked.options.correct_ctf
    assert asked.options.initial_lowpass_A == -1.0  # an empty value is the default
    assert "healpix_order" in asked.given


def test_a_preset_with_a_name_twice_is_refused() -> None:
    Path("a.yaml").write_text("sym: C2\nsym: C3\n")

    assert problems("a.yaml", *NEW)[0].startswith("a.yaml, line 2, sym: found twice, 'C2' and 'C3'")


@pytest.mark.parametrize("text", ["- sym\n", "just words\n", "sym: [C1\n", "sym: {a: 1}\n"])
def test_a_preset_that_is_not_a_list_of_values_is_refused(text: str) -> None:
    Path("a.yaml").write_text(text)

    (problem,) = problems("a.yaml", *NEW)

    assert problem.startswith("a.yaml")


def test_a_preset_that_does_not_exist_is_refused() -> None:
    assert problems("no.yaml", *NEW)[0].startswith("no.yaml: No such file")


def saved_run(*argv: str) -> Request:
    """Leave the options of a run beside its iteration 7."""
    request = parse(argv)
    Path("run_it007_optimiser.star").touch()
    options_file(Path("run_it007_optimiser.star")).write_text(to_yaml(request.options))
    return request


CONTINUE = ["--continue", "run_it007_optimiser.star"]


def test_a_run_is_continued_with_its_own_options() -> None:
    before = saved_run(*AUTO, "--sym", "D2", "--solvent_mask", "m.mrc", "--overwrite").options

    after = parse(CONTINUE)

    assert after.given == {"continue"}
    assert after.options.continue_from == Path("run_it007_optimiser.star")
    assert not after.options.overwrite  # it was said of the first command, not of this one
    of_one_command = {"continue_from": None, "overwrite": True}
    assert after.options.model_copy(update=of_one_command) == before


def test_a_continued_run_may_change_some_options() -> None:
    saved_run(*AUTO)

    asked = parse([*CONTINUE, "--j", "4", "--particle_diameter", "200", "--sym", "C1"]).options

    assert (asked.n_threads, asked.particle_diameter_A) == (4, 200.0)


def test_a_continued_run_may_not_become_another() -> None:
    saved_run(*AUTO)

    lines = problems(*CONTINUE, "--sym", "D2", "--healpix_order", "3", "--ini_high", "20")

    assert [line.split(":")[0] for line in lines] == ["--ini_high", "--healpix_order", "--sym"]
    assert "found D2, expected C1 as the run began" in lines[2]


def test_a_value_that_makes_no_sense_is_one_mistake_also_when_a_run_is_continued() -> None:
    saved_run(*NEW, "--sym", "D2")

    (problem,) = problems(*CONTINUE, "--sym", "C0")

    assert problem.startswith("--sym: found 'C0'")


def test_steps_may_be_changed_where_the_run_does_not_choose_them() -> None:
    saved_run(*NEW)

    assert parse([*CONTINUE, "--healpix_order", "3"]).options.healpix_order == 3


def test_only_an_iteration_of_ours_can_be_continued() -> None:
    Path("theirs_it001_optimiser.star").touch()
    saved_run(*NEW)

    for name in ("theirs_it001_optimiser.star", "run_it007", "p.star", "nothing"):
        assert problems("--continue", name)[0].startswith(f"--continue {name}: found ")


RELION_OPTIMISER = """# RELION optimiser; version 5.0.1
# --i p.star --o job/run --ref r.mrc --auto_refine --split_random_halves --sym D2 --blush --j 4

# version 50001
"""


def test_a_run_of_relions_goes_on_beside_its_own_files() -> None:
    Path("run_it007_optimiser.star").write_text(RELION_OPTIMISER)

    request = parse(["--continue", "run_it007_optimiser.star", "--j", "2"])

    assert request.options.symmetry == "D2"
    assert request.options.n_threads == 2
    assert request.options.output_root == Path("job/run_ct7")


def test_what_relion_knows_and_we_do_not_is_said() -> None:
    Path("run_it007_optimiser.star").write_text(RELION_OPTIMISER)

    request = parse(["--continue", "run_it007_optimiser.star"])

    assert any("--blush" in notice for notice in request.notices)


def test_a_saved_file_starts_another_run_as_a_preset() -> None:
    before = saved_run(*AUTO, "--sym", "D2")

    after = parse(["run_it007_options.yaml", "--o", "again"])

    assert after.options == before.options.model_copy(update={"output_root": Path("again")})
