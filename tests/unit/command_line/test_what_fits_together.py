"""Options that are missing, contradict each other, do nothing, or are of a later version."""

from pathlib import Path

import pytest

from halfmap.config.command_line import parse
from halfmap.config.declare import Status
from halfmap.config.options import declarations

from .words import AUTO, NEW, problems


def test_mandatory_options_are_asked_for_by_name() -> None:
    assert [line.split(":")[0] for line in problems()] == ["--i", "--o"]


@pytest.mark.parametrize(
    ("words", "name"),
    [
        (["--auto_refine"], "--auto_refine"),
        (["--split_random_halves", "--K", "2"], "--split_random_halves"),
        (["--denovo_3dref"], "--denovo_3dref"),
        (["--ctf", "--ctf_phase_flipped", "--only_flip_phases"], "--only_flip_phases"),
        (["--solvent_correct_fsc", "--split_random_halves"], "--solvent_correct_fsc"),
        (["--solvent_correct_fsc", "--solvent_mask", "m.mrc"], "--solvent_correct_fsc"),
        (["--sigma_ang", "3", "--sigma_tilt", "3"], "--sigma_ang"),
    ],
)
def test_options_that_contradict_each_other_stop_the_run(words: list[str], name: str) -> None:
    assert problems(*NEW, *words)[0].startswith(name)


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
    asked = parse([*NEW, "--keep_free_scratch", "10", "--helical_nr_asu", "1"])

    assert asked.notices == ()


def test_gpu_is_known_with_and_without_devices() -> None:
    for words in (["--gpu"], ["--gpu", "0:1", "--ctf"]):
        asked = parse([*NEW, *words])

        assert [n for n in asked.notices if n.startswith("--gpu has no meaning here: No graphics")]


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
        *["--helix", "--nonsense"],
    )

    starts = [
        "--nonsense: no option",
        "bad.yaml, line 1, healpix_ordr: no option",
        "bad.yaml, line 2, offset_step: found a list",
        "--i: missing",
        "--sym: found 'C0'",
        "--auto_refine: found without",
        "--helix: halfmap",
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
        (["--pad_ctf"], "--pad_ctf has no effect without --ctf"),
        (["--keep_scratch"], "--keep_scratch has no effect without --scratch_dir"),
        (["--reuse_scratch"], "--reuse_scratch has no effect without --scratch_dir"),
        (
            ["--keep_free_scratch", "5"],
            "--keep_free_scratch has no effect without --scratch_dir",
        ),
        (
            ["--preread_images", "--scratch_dir", "/tmp"],
            "--scratch_dir does not count: --preread_images copies the images into memory",
        ),
        (["--ctf_uncorrected_ref"], "--ctf_uncorrected_ref has no effect without --ctf"),
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
        ["--tau2_fudge_scheme", "plain"],
        ["--tau2_fudge_scheme", "4.0-step"],
        ["--dont_combine_weights_via_disc"],
        ["--onthefly_shifts"],
        ["--helical_offset_step", "1"],
        ["--free_gpu_memory", "100"],
    ],
)
def test_an_option_without_meaning_is_accepted_and_answered(words: list[str]) -> None:
    (notice,) = parse([*NEW, *words]).notices

    assert notice.startswith(f"{words[0]} has no meaning here: ")
