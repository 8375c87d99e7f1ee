"""Priors on the orientations, in whole runs."""

from pathlib import Path

import numpy as np
import pytest

from halfmap.io.star import read_star

from .conftest import Launch
from .tiny_project import Refined, Run, assert_one_message, assert_ran, edit_star, refine, results

pytestmark = pytest.mark.usefixtures("tiny_project")

SIGMA = ("--sigma_rot", "--sigma_tilt", "--sigma_psi")


def angles_of(root: Path, iteration: int = 1) -> np.ndarray:
    table = read_star(Path(f"{root}_it{iteration:03d}_data.star")).table("particles")
    labels = ("rlnAngleRot", "rlnAngleTilt", "rlnAnglePsi")
    return np.array([[float(x) for x in table[label]] for label in labels]).T


def set_column(label: str, value: float) -> None:
    def change(tables: dict[str, dict[str, np.ndarray]]) -> None:
        n = len(tables["particles"]["rlnImageName"])
        tables["particles"][label] = np.full(n, f"{value}", dtype=object)

    edit_star(change)


def away(angle: np.ndarray, centre: float) -> np.ndarray:
    turn = np.abs(angle - centre) % 360.0
    return np.minimum(turn, 360.0 - turn)


@pytest.mark.parametrize("axis", [0, 1, 2], ids=["rot", "tilt", "psi"])
def test_one_angle_alone_stays_near_its_prior(refined: Refined, axis: int) -> None:
    """Priors of 5° around the columns; a cell of 30° is wider than they are."""
    for name, value in (("Rot", 45.0), ("Tilt", 90.0), ("Psi", 60.0)):
        set_column(f"rlnAngle{name}Prior", value)

    root = refined("one", SIGMA[axis], "5", "--healpix_order", "1", "--perturb", "0")

    found = angles_of(root)
    near = [
        np.degrees(np.arcsin(np.abs(np.sin(np.radians(found[:, 0] - 45.0))))),
        np.abs(found[:, 1] - 90.0),
        away(found[:, 2], 60.0),
    ]
    sines = np.sin(np.radians(found[:, 1]))
    near[0] = np.degrees(np.arcsin(sines * np.sin(np.radians(near[0]))))
    for other, distance in enumerate(near):
        if other == axis:
            assert distance.max() < 25.0
        else:
            assert distance.max() > 30.0


def test_all_three_widths_search_around_the_present_poses_whatever_the_columns_say(
    refined: Refined,
) -> None:
    widths = [word for sigma in SIGMA for word in (sigma, "5")]
    plain = refined("plain", *widths)
    set_column("rlnAngleTiltPrior", 90.0)

    np.testing.assert_array_equal(angles_of(refined("columns", *widths)), angles_of(plain))


def test_one_width_for_all_angles_is_three_equal_widths(refined: Refined) -> None:
    one = refined("one", "--sigma_ang", "5")
    three = refined("three", *(word for sigma in SIGMA for word in (sigma, "5")))

    assert (
        results(Path("one"))["run_it001_class001.mrc"]
        == (results(Path("three"))["run_it001_class001.mrc"])
    )
    np.testing.assert_array_equal(angles_of(one), angles_of(three))


def test_an_offset_is_near_where_the_table_says_its_prior_is(refined: Refined) -> None:
    narrow = ("--perturb", "0", "--offset", "0.5", "--offset_range", "3", "--offset_step", "1")
    set_column("rlnOriginXPriorAngst", 12.0)

    root = refined("prior", *narrow)

    table = read_star(Path(f"{root}_it001_data.star")).table("particles")
    offsets = np.array([[float(x) for x in table[f"rlnOrigin{axis}Angst"]] for axis in "XY"])
    # the step is 6 Å; the second pass looks 1.5 Å around
    assert np.abs(offsets[0] - 12.0).max() <= 1.5 + 1e-6
    assert np.abs(offsets[1]).max() <= 1.5 + 1e-6


def test_opposite_angles_are_searched_if_they_are_alike(refined: Refined) -> None:
    words = ("--sigma_psi", "5", "--healpix_order", "1", "--perturb", "0")
    set_column("rlnAnglePsiPrior", 60.0)

    plain = angles_of(refined("plain", *words))
    bimodal = angles_of(refined("bimodal", *words, "--bimodal_psi"))

    assert away(plain[:, 2], 60.0).max() < 25.0
    assert away(2.0 * bimodal[:, 2], 120.0).max() < 50.0
    assert (away(bimodal[:, 2], 240.0) < 25.0).any()


def test_relaxed_symmetry_searches_the_mates_of_the_given_poses(refined: Refined) -> None:
    for label, value in (("rlnAngleRot", 40.0), ("rlnAngleTilt", 50.0), ("rlnAnglePsi", 60.0)):
        set_column(label, value)
    words = ("--healpix_order", "2", "--perturb", "0")

    found = angles_of(refined("relaxed", *words, "--relax_sym", "C4"))

    assert away(4.0 * found[:, 0], 160.0).max() < 4 * 15.0
    assert np.abs(found[:, 1] - 50.0).max() < 15.0
    assert away(found[:, 2], 60.0).max() < 15.0
    assert len(np.unique(np.round((found[:, 0] - 40.0) / 90.0) % 4)) == 4


def test_a_continued_run_takes_other_priors(refined: Refined, run: Run) -> None:
    set_column("rlnAnglePsiPrior", 60.0)
    refined("out", "--sigma_psi", "5", "--healpix_order", "1", "--perturb", "0")

    go_on = ("refine", "--continue", "out/run_it001_optimiser.star", "--iter", "2")
    assert_ran(run([*go_on, "--sigma_psi", "-1", "--verb", "0"]))

    assert away(angles_of(Path("out/run"), 1)[:, 2], 60.0).max() < 25.0
    assert away(angles_of(Path("out/run"), 2)[:, 2], 60.0).max() > 40.0


def test_a_continued_run_takes_other_steps(refined: Refined, run: Run) -> None:
    refined("out", "--healpix_order", "0")

    go_on = ("refine", "--continue", "out/run_it001_optimiser.star", "--iter", "2")
    assert_ran(run([*go_on, "--healpix_order", "1", "--offset_step", "1", "--verb", "0"]))

    general = read_star(Path("out/run_it002_sampling.star")).values("sampling_general")
    assert int(general["rlnHealpixOrder"]) == 1
    assert float(general["rlnOffsetStep"]) == 6.0


@pytest.mark.parametrize(
    "words",
    [("--sigma_tilt", "10", "--bimodal_psi"), ("--relax_sym", "D2", "--sigma_ang", "8")],
    ids=["tilt", "relaxed"],
)
def test_results_do_not_depend_on_the_number_of_ranks(
    words: tuple[str, ...], halfmap: Launch
) -> None:
    for n in (1, 3):
        command = refine(*words, "--iter", "2", "--o", "out/run", "--verb", "0")
        done = halfmap(Path(), *command, ranks=n)
        assert done.returncode == 0, done.stderr
        Path("out").rename(f"ranks{n}")

    alone, three = results(Path("ranks1")), results(Path("ranks3"))
    assert [name for name in alone if alone[name] != three[name]] == []


@pytest.mark.parametrize(
    ("words", "phrase"),
    [
        (("--sigma_ang", "5", "--sigma_tilt", "5"), "--sigma_ang: found with --sigma_rot, --si"),
        (("--sigma_tilt", "0"), "--sigma_tilt: found '0', expected a number above 0"),
        (("--sigma_psi", "200"), "--sigma_psi: found '200', expected a number above 0"),
        (("--relax_sym", "Q3"), "--relax_sym: found 'Q3', expected a point group"),
        (
            ("--relax_sym", "C2", "--sym", "C4"),
            "--relax_sym: found C2 with --sym C4, expected a group with operators that --sym lacks",
        ),
    ],
)
def test_priors_that_cannot_be(run: Run, words: tuple[str, ...], phrase: str) -> None:
    assert_one_message(run(refine(*words)), 2, phrase)


def test_a_prior_that_is_no_number_is_named(run: Run) -> None:
    set_column("rlnAngleTiltPrior", float("nan"))

    assert_one_message(run(refine("--sigma_tilt", "5")), 3, "rlnAngleTiltPrior")


def test_bimodal_angles_without_priors_are_told_to_have_no_effect(run: Run) -> None:
    said = run(refine("--bimodal_psi"))

    assert_ran(said)
    assert "--bimodal_psi has no effect without --sigma_ang or" in said.out


def poses_of(root: Path, iteration: int = 1) -> np.ndarray:
    table = read_star(Path(f"{root}_it{iteration:03d}_data.star")).table("particles")
    labels = ("rlnAngleRot", "rlnAngleTilt", "rlnAnglePsi", "rlnOriginXAngst", "rlnOriginYAngst")
    return np.array([[float(x) for x in table[label]] for label in labels]).T


def start_at(*pose: float) -> None:
    labels = ("rlnAngleRot", "rlnAngleTilt", "rlnAnglePsi", "rlnOriginXAngst", "rlnOriginYAngst")
    for label, value in zip(labels, pose, strict=True):
        set_column(label, value)


def test_poses_that_are_kept_are_those_of_the_table(refined: Refined) -> None:
    start_at(40.0, 50.0, 60.0, 2.5, -3.25)

    found = poses_of(refined("kept", "--skip_align", "--iter", "2"), 2)

    np.testing.assert_array_equal(found, np.tile([40.0, 50.0, 60.0, 2.5, -3.25], (24, 1)))


def test_angles_that_are_kept_leave_offsets_free(refined: Refined) -> None:
    start_at(40.0, 50.0, 60.0, 2.5, -3.25)

    found = poses_of(refined("kept", "--skip_rotate", "--iter", "2"), 2)

    np.testing.assert_array_equal(found[:, :3], np.tile([40.0, 50.0, 60.0], (24, 1)))
    assert len(np.unique(found[:, 3])) > 1


@pytest.mark.parametrize("flag", ["--skip_align", "--skip_rotate"])
def test_kept_angles_give_the_same_on_any_number_of_ranks(flag: str, halfmap: Launch) -> None:
    start_at(40.0, 50.0, 60.0, 2.5, -3.25)
    for n in (1, 3):
        command = refine(flag, "--K", "2", "--iter", "2", "--o", "out/run", "--verb", "0")
        done = halfmap(Path(), *command, ranks=n)
        assert done.returncode == 0, done.stderr
        Path("out").rename(f"ranks{n}")

    alone, three = results(Path("ranks1")), results(Path("ranks3"))
    assert [name for name in alone if alone[name] != three[name]] == []


def test_a_run_with_kept_poses_can_be_continued(refined: Refined, run: Run) -> None:
    start_at(40.0, 50.0, 60.0, 2.5, -3.25)
    whole = results(refined("whole", "--skip_align", "--iter", "2").parent)
    refined("out", "--skip_align", "--iter", "1")

    assert_ran(run(["refine", "--continue", "out/run_it001_optimiser.star", "--iter", "2"]))

    continued = results(Path("out"))
    assert continued["run_it002_class001.mrc"] == whole["run_it002_class001.mrc"]


@pytest.mark.parametrize(
    "words",
    [
        ("--skip_align", "--sigma_ang", "5"),
        ("--skip_rotate", "--relax_sym", "C2"),
        ("--skip_rotate", "--sigma_psi", "5"),
    ],
)
def test_kept_angles_have_no_priors(run: Run, words: tuple[str, ...]) -> None:
    said = run(refine(*words))

    assert_one_message(said, 2, "--skip_align or --skip_rotate: found with --sigma_ang, --sigma_r")


def test_kept_angles_need_no_finer_steps(run: Run) -> None:
    said = run(refine("--skip_align", halves=True))

    assert_one_message(said, 2, "--skip_align or --skip_rotate: found with --auto_refine or --auto")


LOCAL_SOON = (
    *("--auto_refine", "--split_random_halves", "--auto_iter_max", "3"),
    *("--auto_local_healpix_order", "1"),
)


def test_an_automatic_run_keeps_its_priors_until_searches_are_local(refined: Refined) -> None:
    words = ("--sigma_tilt", "12", "--auto_ignore_angles", "--auto_resol_angles")
    root = refined("auto", *words, *LOCAL_SOON)

    sigmas = []
    for iteration in (1, 2, 3):
        model = read_star(Path(f"{root}_it{iteration:03d}_half1_model.star"))
        general = model.values("model_general")
        labels = [f"rlnSigmaPrior{angle}Angle" for angle in ("Rot", "Tilt", "Psi")]
        sigmas.append(tuple(float(general[label]) for label in labels))
    assert sigmas[0] == (0.0, 12.0, 0.0)
    assert sigmas[-1] == (30.0, 30.0, 30.0)  # two fine steps of 15°


def test_an_automatic_run_relaxes_its_symmetry_when_searches_are_local(refined: Refined) -> None:
    words = ("--sym", "C2", "--relax_sym", "D2", "--auto_ignore_angles", "--auto_resol_angles")
    root = refined("auto", *words, *LOCAL_SOON)

    def n_directions(iteration: int) -> int:
        star = read_star(Path(f"{root}_it{iteration:03d}_sampling.star"))
        return len(star.table("sampling_directions")["rlnAngleRot"])

    assert n_directions(1) == 6  # those of C2 at order 0
    assert n_directions(3) == 48  # all at order 1: the mates are told apart
