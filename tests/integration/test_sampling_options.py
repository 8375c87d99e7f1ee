"""Steps that a classification chooses itself, in whole runs."""

from pathlib import Path

import numpy as np
import pytest

from halfmap.io.model_reading import read_model_star
from halfmap.io.mrc import read_map
from halfmap.io.star import read_star

from .conftest import Launch
from .tiny_project import Refined, Run, assert_one_message, assert_ran, refine, results

pytestmark = pytest.mark.usefixtures("tiny_project")


def sampling_of(root: Path, iteration: int) -> tuple[int, float, float]:
    star = read_star(Path(f"{root}_it{iteration:03d}_sampling.star"))
    general = star.values("sampling_general")
    names = ("rlnHealpixOrder", "rlnPsiStep", "rlnOffsetStep")
    order, psi, step = (float(general[name]) for name in names)
    return int(order), psi, step


FINER = ("--auto_sampling", "--auto_ignore_angles", "--auto_resol_angles", "--iter", "3")


def test_automatic_sampling_refines_steps_and_does_not_end_before_its_time(
    refined: Refined,
) -> None:
    root = refined("auto", *FINER)

    orders = [sampling_of(root, iteration)[0] for iteration in (1, 2, 3)]
    assert orders[0] == 0
    assert orders[2] > orders[0]


def test_the_number_of_iterations_is_that_asked_for(refined: Refined) -> None:
    root = refined("auto", *FINER)

    made = sorted(path.name for path in root.parent.glob("*_optimiser.star"))
    assert made == [f"run_it{iteration:03d}_optimiser.star" for iteration in range(4)]


COARSER = ("--allow_coarser_sampling", "--K", "2", "--healpix_order", "2", "--iter", "2")


def test_steps_get_coarser_where_poses_are_not_accurate(refined: Refined) -> None:
    """At 40 Å and 144 Å of box nothing tells turns of 7.5° apart."""
    coarse = refined("coarse", *COARSER)
    usual = refined("usual", *COARSER[1:])

    assert sampling_of(usual, 1) == (2, 15.0, 12.0)
    order, psi, step = sampling_of(coarse, 1)
    assert order < 2
    assert psi == 60.0 / 2**order
    assert step == 12.0  # the range is as small as the step


@pytest.mark.parametrize("words", [FINER, COARSER], ids=["finer", "coarser"])
def test_chosen_steps_give_the_same_on_any_number_of_ranks_and_continued(
    words: tuple[str, ...], halfmap: Launch
) -> None:
    for n in (1, 3):
        command = refine(*words, "--o", "out/run", "--verb", "0")
        done = halfmap(Path(), *command, ranks=n)
        assert done.returncode == 0, done.stderr
        Path("out").rename(f"ranks{n}")
    alone, three = results(Path("ranks1")), results(Path("ranks3"))
    assert [name for name in alone if alone[name] != three[name]] == []

    last = words[-1]
    short = refine(*words[:-1], str(int(last) - 1), "--o", "out/run", "--verb", "0")
    done = halfmap(Path(), *short)
    go_on = f"out/run_it{int(last) - 1:03d}_optimiser.star"
    done = halfmap(Path(), "refine", "--continue", go_on, "--iter", last, "--verb", "0")
    assert done.returncode == 0, done.stderr
    continued = results(Path("out"))
    names = [n for n in alone if f"_it{int(last):03d}" in n and not n.endswith(("h5", "yaml"))]
    assert [name for name in names if alone[name] != continued[name]] == []


@pytest.mark.parametrize(
    ("words", "phrase"),
    [
        (
            ("--allow_coarser_sampling", "--auto_sampling"),
            "--allow_coarser_sampling: found with --auto_sampling, expected one of them",
        ),
        (
            ("--allow_coarser_sampling", "--skip_align"),
            "--allow_coarser_sampling: found with --skip_align or --skip_rotate, expected angles",
        ),
    ],
)
def test_steps_that_cannot_be(run: Run, words: tuple[str, ...], phrase: str) -> None:
    assert_one_message(run(refine(*words)), 2, phrase)


def test_a_single_class_is_told_that_it_keeps_its_steps(run: Run) -> None:
    said = run(refine("--allow_coarser_sampling"))

    assert_ran(said)
    assert "--allow_coarser_sampling has no effect with a single class" in said.out


def test_detail_that_is_too_fine_does_not_count(refined: Refined) -> None:
    """Four shells of a box of 144 Å instead of those of the size."""
    plain = refined("plain", "--sigma_ang", "20", "--ini_high", "20")
    strict = refined(
        "strict", "--sigma_ang", "20", "--ini_high", "20", "--strict_highres_exp", "36"
    )

    def poses(root: Path) -> np.ndarray:
        table = read_star(Path(f"{root}_it001_data.star")).table("particles")
        return np.array([float(x) for x in table["rlnMaxValueProbDistribution"]])

    assert poses(strict).mean() < poses(plain).mean()


def test_correlation_in_all_iterations_gives_each_particle_one_pose_and_keeps_the_noise(
    refined: Refined,
) -> None:
    root = refined("cc", "--always_cc", "--iter", "2")

    start = read_model_star(Path(f"{root}_it000_model.star"))[0]
    for iteration in (1, 2):
        table = read_star(Path(f"{root}_it{iteration:03d}_data.star")).table("particles")
        assert {float(p) for p in table["rlnMaxValueProbDistribution"]} == {1.0}
        assert {int(n) for n in table["rlnNrOfSignificantSamples"]} == {1}
        model = read_model_star(Path(f"{root}_it{iteration:03d}_model.star"))[0]
        np.testing.assert_array_equal(model.noise_variance, start.noise_variance)
        assert np.isfinite(model.data_vs_prior).all()
        assert model.data_vs_prior.any()
        correlations = [float(x) for x in table["rlnLogLikeliContribution"]]
        # the file has six digits
        assert model.log_likelihood == pytest.approx(np.mean(correlations), abs=1e-5)
        assert 0.0 < model.log_likelihood < 1.0


def test_correlation_in_all_iterations_is_that_of_the_first_one_and_does_not_filter_the_map(
    refined: Refined,
) -> None:
    always = refined("always", "--always_cc", "--iter", "1")
    first = refined("first", "--firstiter_cc", "--iter", "1")

    poses, of_first = (Path(f"{root}_it001_data.star").read_text() for root in (always, first))
    assert poses.splitlines()[3:] == of_first.splitlines()[3:]
    maps = [read_map(f"{root}_it001_class001.mrc")[0] for root in (always, first)]
    assert not np.allclose(*maps)


def test_classes_are_seeded_and_told_apart_by_correlation(refined: Refined) -> None:
    root = refined("classes", "--always_cc", "--K", "2", "--iter", "2")

    model = read_model_star(Path(f"{root}_it002_model.star"))[0]
    assert model.class_fraction.min() > 0.0
    assert not np.allclose(model.maps[0], model.maps[1])
