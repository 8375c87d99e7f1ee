"""What a user types, and what is said to a mistake."""

import os
import resource
import subprocess
import sys
import types
from pathlib import Path

import pytest

from halfmap.cli.main import launcher_rank, main, message
from halfmap.config.command_line import MissingFileError, Request, parse
from halfmap.config.declare import Status
from halfmap.config.options import declarations
from halfmap.config.saved import options_file, to_yaml
from halfmap.errors import CollectiveError, DataError, OptionError

NEW = ["--i", "p.star", "--ref", "r.mrc", "--o", "run"]
AUTO = [*NEW, "--auto_refine", "--split_random_halves"]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give a folder with the files that ``NEW`` names, outside any launcher."""
    monkeypatch.chdir(tmp_path)
    for name in ("p.star", "r.mrc", "m.mrc"):
        Path(name).touch()
    for name in list(os.environ):
        if name.startswith(("OMPI_", "PMI", "SLURM_", "MPI_")):
            monkeypatch.delenv(name)
    return tmp_path


def problems(*argv: str) -> list[str]:
    """Return the lines of the one error that these words end with."""
    with pytest.raises(OptionError) as caught:
        parse(argv)
    return [line.strip() for line in str(caught.value).splitlines()[1:-1]]


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


def test_mandatory_options_are_asked_for_by_name() -> None:
    assert [line.split(":")[0] for line in problems()] == ["--i", "--o", "--ref"]


@pytest.mark.parametrize(
    ("words", "name"),
    [
        (["--auto_refine"], "--auto_refine"),
        (["--split_random_halves", "--K", "2"], "--split_random_halves"),
        (["--K", "2"], "--K"),
        (["--ctf", "--ctf_phase_flipped", "--only_flip_phases"], "--only_flip_phases"),
        (["--solvent_correct_fsc", "--split_random_halves"], "--solvent_correct_fsc"),
        (["--solvent_correct_fsc", "--solvent_mask", "m.mrc"], "--solvent_correct_fsc"),
        (["--auto_refine", "--split_random_halves", "--sigma_ang", "3"], "--sigma_ang"),
        (["--ref=refs.star"], "--ref"),
    ],
)
def test_options_that_contradict_each_other_stop_the_run(words: list[str], name: str) -> None:
    Path("refs.star").touch()
    rest = [word for word in NEW if not (words[0].startswith("--ref") and word in NEW[2:4])]

    assert problems(*rest, *words)[0].startswith(name)


def test_local_searches_from_the_start_may_set_their_width_in_auto_refinement() -> None:
    asked = parse([*AUTO, "--healpix_order", "4", "--sigma_ang", "3"])

    assert asked.options.sigma_ang_deg == 3.0


LATER = [d for d in declarations() if d.option.status is Status.LATER]


@pytest.mark.parametrize("declaration", LATER, ids=lambda d: d.spelling)
def test_what_this_version_does_not_do_is_an_error_that_names_it(declaration) -> None:
    kind = declaration.field.annotation
    text = "=true" if kind is bool else "=3" if kind in (int, float) else "=x.star"

    (problem,) = problems(*NEW, f"--{declaration.spelling}{text}")

    assert problem.startswith(f"--{declaration.spelling}")
    assert "does not do it yet" in problem


def test_an_option_of_a_later_version_may_be_given_with_its_default() -> None:
    asked = parse([*NEW, "--keep_free_scratch", "10", "--sigma_rot", "-1"])

    assert asked.notices == ()


def test_gpu_is_known_with_and_without_devices() -> None:
    assert problems(*NEW, "--gpu")[0].startswith("--gpu: halfmap")
    assert problems(*NEW, "--gpu", "0:1", "--ctf")[0].startswith("--gpu 0:1: halfmap")


def test_files_that_do_not_exist_are_named_with_the_folder_they_count_from(folder: Path) -> None:
    Path("r.mrc").unlink()
    Path("r.mrc").mkdir()

    lines = problems(
        *["--i", "no.star", "--ref", "r.mrc", "--o", "run", "--flatten_solvent"],
        *["--solvent_mask", "no.mrc"],
    )

    assert lines[0].startswith("--i no.star: found no such file, expected the particle table")
    assert lines[0].endswith(str(folder))
    assert lines[1].startswith("--solvent_mask no.mrc: found no such file")
    assert lines[2].startswith("--ref r.mrc: found a folder")


def test_all_mistakes_are_listed_at_once() -> None:
    Path("bad.yaml").write_text("healpix_ordr: 3\noffset_step: [1, 2]\n")

    lines = problems(
        *["bad.yaml", "--ref", "no.mrc", "--o", "run", "--auto_refine", "--sym", "C0"],
        *["--tau", "t.star", "--nonsense"],
    )

    starts = [
        "--nonsense: no option",
        "bad.yaml, line 1, healpix_ordr: no option",
        "bad.yaml, line 2, offset_step: found a list",
        "--i: missing",
        "--sym: found 'C0'",
        "--auto_refine: found without",
        "--tau t.star: halfmap",
        "--ref no.mrc: found no such file",
    ]
    assert len(lines) == len(starts)
    for line, start in zip(lines, starts, strict=True):
        assert line.startswith(start)


@pytest.mark.parametrize(
    ("words", "notice"),
    [
        (["--norm", "--no_norm"], "--norm is switched off by --no_norm"),
        (["--scale", "--no_scale"], "--scale is switched off by --no_scale"),
        (["--auto_iter_max", "5"], "--auto_iter_max has no effect without --auto_refine"),
        (["--only_flip_phases"], "--only_flip_phases has no effect without --ctf"),
        (
            ["--solvent_mask", "m.mrc"],
            "--solvent_mask has no effect without --flatten_solvent or --solvent_correct_fsc",
        ),
    ],
)
def test_what_has_no_effect_is_said_in_a_line(words: list[str], notice: str) -> None:
    assert parse([*NEW, *words]).notices == (notice,)


def test_a_number_of_iterations_does_not_count_in_auto_refinement() -> None:
    (notice,) = parse([*AUTO, "--iter", "25"]).notices

    assert notice.startswith("--iter does not count")


@pytest.mark.parametrize(
    "words",
    [
        ["--pool", "3"],
        ["--dont_combine_weights_via_disc"],
        ["--preread_images"],
        ["--no_parallel_disc_io"],
        ["--onthefly_shifts"],
        ["--free_gpu_memory", "100"],
        ["--pipeline_control", "Refine3D/job001/"],
    ],
)
def test_an_option_without_meaning_is_accepted_and_answered(words: list[str]) -> None:
    (notice,) = parse([*NEW, *words]).notices

    assert notice.startswith(f"{words[0]} has no meaning here: ")


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
        assert problems("--continue", name)[0].startswith(f"--continue {name}: expected")


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


# --- the program


def test_help_names_every_option(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["refine", "--help"]) == 0

    words = capsys.readouterr().out.replace(",", " ").split()
    assert {f"--{d.spelling}" for d in declarations()} <= set(words)


def test_help_fits_its_width(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    main(["refine", "--help"])

    assert max(len(line) for line in capsys.readouterr().out.splitlines()) <= 100


def test_help_starts_within_half_a_second() -> None:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(
        [sys.executable, "-m", "halfmap.cli.main", "refine", "--help"], check=True, stdout=-3
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)

    # Processor time, which a busy machine does not stretch as it does the wall time.
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 0.5


def test_help_that_is_cut_off_by_its_reader_ends_quietly() -> None:
    run = subprocess.run(
        f"{sys.executable} -m halfmap.cli.main refine --help | true",
        shell=True,
        check=True,
        capture_output=True,
    )

    assert run.stderr == b""


def test_symmetry_operators_are_printed_without_input_files(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["refine", "--print_symmetry_ops", "--sym", "O"]) == 0

    out = capsys.readouterr().out
    assert out.startswith("O: 24 operators")
    assert out.count("R(") == 24


def test_operators_of_an_unknown_group_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["refine", "--print_symmetry_ops", "--sym", "I5"]) == 2
    assert "--sym: found 'I5'" in capsys.readouterr().err


def test_the_version_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert (main(["--version"]), main(["refine", "--version"])) == (0, 0)

    first, second = capsys.readouterr().out.splitlines()
    assert first == second
    assert first.startswith("halfmap ")


@pytest.mark.parametrize("command", ["reconstruct", "check", "doctor", "refin", "--ctf"])
def test_a_command_that_does_not_exist_lists_those_that_do(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([command]) == 2

    error = capsys.readouterr().err
    assert error.startswith("halfmap: found the command")
    assert "refine, simulate, report" in error


def test_a_mistake_ends_with_exit_code_2_and_one_message_without_traceback() -> None:
    run = subprocess.run(
        [sys.executable, "-m", "halfmap.cli.main", "refine", "--print_symmetry_ops", "--sym=X"],
        check=False,
        capture_output=True,
        text=True,
    )

    assert run.returncode == 2
    assert run.stderr.startswith("halfmap: the options cannot be used:\n  --sym: found 'X'")
    assert "Traceback" not in run.stderr


def stand_in(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    """Let ``halfmap report`` end with this error."""

    def run(_: list[str]) -> int:
        raise error

    module = types.ModuleType("halfmap.cli.report")
    module.run = run  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "halfmap.cli.report", module)


def test_an_error_of_ours_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in(monkeypatch, ZeroDivisionError("a mistake in the program"))

    with pytest.raises(ZeroDivisionError):
        main(["report", "RUN"])


def test_an_error_of_the_data_has_its_own_exit_code(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    stand_in(monkeypatch, DataError("run_model.star is empty"))

    assert main(["report", "RUN"]) == 3
    assert capsys.readouterr().err == "halfmap: run_model.star is empty\n"


def test_an_interrupted_command_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    stand_in(monkeypatch, KeyboardInterrupt())

    assert main(["report", "RUN"]) == 130
    assert capsys.readouterr().err == "halfmap: interrupted\n"


# --- under a launcher


@pytest.mark.parametrize("name", ["OMPI_COMM_WORLD_RANK", "PMIX_RANK", "PMI_RANK", "SLURM_PROCID"])
def test_the_rank_is_that_of_the_launcher(name: str) -> None:
    assert launcher_rank({}) == 0
    assert launcher_rank({name: "3"}) == 3


def test_the_launcher_of_the_ranks_counts_before_the_batch_system() -> None:
    assert launcher_rank({"SLURM_PROCID": "0", "OMPI_COMM_WORLD_RANK": "2"}) == 2


def test_what_all_ranks_know_is_said_by_rank_0_alone() -> None:
    for error in (OptionError("x"), CollectiveError("x")):
        assert message(error, {"PMI_RANK": "0"}) == "halfmap: x\n"
        assert message(error, {"PMI_RANK": "1"}) == ""


def test_what_one_rank_knows_is_said_by_it() -> None:
    text = message(DataError("x"), {"PMI_RANK": "1"})

    assert text.startswith("halfmap: rank 1 on ")
    assert text.endswith(": x\n")


def test_a_file_that_one_node_cannot_see_is_named_once_by_that_node() -> None:
    ranks = ({"OMPI_COMM_WORLD_RANK": "4", "OMPI_COMM_WORLD_LOCAL_RANK": n} for n in "01")

    first, second = (message(MissingFileError("x"), rank) for rank in ranks)

    assert first.startswith("halfmap: rank 4 on ")
    assert second == ""


def test_only_missing_files_depend_on_the_node() -> None:
    with pytest.raises(MissingFileError):
        parse(["--i", "no.star", *NEW[2:]])
    with pytest.raises(OptionError) as caught:
        parse(["--i", "no.star", *NEW[2:], "--sym", "C0"])
    assert not isinstance(caught.value, MissingFileError)


def test_help_is_printed_by_rank_0_alone(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("OMPI_COMM_WORLD_RANK", "1")

    assert main(["refine", "--help"]) == 0
    assert capsys.readouterr().out == ""
