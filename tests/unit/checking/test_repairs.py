"""What is wrong is said, repaired in a copy, and gone from the copy."""

from pathlib import Path

import pytest

from .conftest import PARTICLES, N, Project


def test_a_good_table_is_fine_and_not_copied(project: Project) -> None:
    said = project.check("--deep", "--fix")

    assert said.code == 0
    assert "A run can use this table" in said.out
    assert "Nothing to repair: no copy was written" in said.out
    assert sorted(p.name for p in Path().iterdir()) == ["p.star", "s.mrcs"]


def test_the_summary_counts(project: Project) -> None:
    project.write({"rlnRandomSubset": [1, 2] * 3, "myOwn": [1] * N, "rlnCoordinateX": [1.0] * N})

    out = project.check().out

    assert "particles 6 in 1 stack, 2 micrographs" in out
    assert "300 kV, Cs 2.7 mm, Q0 0.1, 16 px, 2 Å, 6 particles" in out
    assert "halves 3 of 1, 3 of 2" in out
    assert "1 kept as they are: rlnCoordinateX" in out
    assert "1 unknown, kept as they are: myOwn" in out


def test_an_image_that_is_there_twice_is_kept_once(project: Project) -> None:
    names = [*PARTICLES["rlnImageName"][:5], "000002@s.mrcs"]
    project.write({"rlnImageName": names})

    said, particles, _ = project.fix()

    assert "an image is there twice: 000002@s.mrcs in row 6" in said.out
    assert particles["rlnImageName"].tolist() == names[:5]


def test_an_image_in_two_orientations_is_kept(project: Project) -> None:
    angles = {f"rlnAngle{name}": [0.0, 1.0, 2.0, 3.0, 4.0, 5.0] for name in ("Rot", "Tilt", "Psi")}
    names = [*PARTICLES["rlnImageName"][:5], "000002@s.mrcs"]
    project.write({"rlnImageName": names, **angles})

    said = project.check()

    assert "an image is there in several orientations: 000002@s.mrcs in row 6" in said.out
    assert "--fix:" not in said.out


def test_one_micrograph_gets_one_name(project: Project) -> None:
    names = ["MotionCorr/job002/a.mrc", *["Micrographs/a.mrc"] * 4, "b.mrc"]
    project.write({"rlnMicrographName": names})

    said, particles, _ = project.fix()

    assert "micrographs that differ in their folder: MotionCorr/job002/a.mrc" in said.out
    assert particles["rlnMicrographName"].tolist() == ["Micrographs/a.mrc"] * 5 + ["b.mrc"]


def test_incomplete_halves_are_drawn_anew_only_if_asked(project: Project) -> None:
    project.write({"rlnRandomSubset": [1, 2, 0, 1, 2, 1]})

    refused = project.check("--fix")
    assert refused.code == 3
    assert "rlnRandomSubset is 0 in row 3; expected 1 or 2 for all" in refused.out
    assert not Path("p_fixed.star").exists()
    _, particles, _ = project.fix("--redraw_subsets", "--random_seed", 3)

    assert sorted(particles["rlnRandomSubset"].tolist()) == ["1", "1", "1", "2", "2", "2"]


def test_a_set_without_one_half_is_mentioned(project: Project) -> None:
    project.write({"rlnRandomSubset": [1] * N})

    said = project.check()

    assert said.code == 0
    assert "the halves differ in size: 6 and 0 particles" in said.out


@pytest.mark.parametrize(("n_first", "mentioned"), [(210, False), (260, True)])
def test_halves_differ_in_size_if_chance_would_not_do_it(
    project: Project, n_first: int, mentioned: bool
) -> None:
    # Of 400 drawn at random: a difference of 20 on average, of 100 never.
    columns = {k: [v[0]] * 400 for k, v in PARTICLES.items()}
    columns["rlnImageName"] = [f"{k + 1}@s.mrcs" for k in range(400)]
    project.write(columns | {"rlnRandomSubset": [1] * n_first + [2] * (400 - n_first)})

    said = project.check("--no_stacks")

    assert ("the halves differ in size" in said.out) == mentioned


def test_a_set_for_a_run_without_ctf_needs_no_defocus(project: Project) -> None:
    project.write({"rlnDefocusU": None, "rlnDefocusV": None})

    assert project.check().code == 3
    assert project.check("--no_ctf").code == 0


def test_all_is_repaired_at_once_and_other_columns_stay(project: Project) -> None:
    project.write(
        {
            "rlnAnglePsi": ["nan"] + ["1.0"] * 5,
            "myOwn": ["1.50", "x y", "", "4", "5", "6"],
            "rlnImageName": [f"{k + 1}@far/s.mrcs" for k in range(N)],
        },
        {"rlnImageSize": [20]},
    )

    refused = project.check()
    assert "A run refuses this table; --fix repairs all of it." in refused.out
    said, particles, _ = project.fix()

    assert said.code == 0
    assert particles["myOwn"].tolist() == ["1.50", "x y", "", "4", "5", "6"]
