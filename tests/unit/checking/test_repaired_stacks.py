"""Stacks that are elsewhere, wrongly called, counted from zero: repaired; short ones are not."""

from pathlib import Path

import pytest

from halfmap.engine.checking.repairs import stacks
from halfmap.io.mrc import write_stack

from .conftest import BOX, PARTICLES, N, Project, numbers


def test_the_box_of_the_stack_wins(project: Project) -> None:
    project.write(optics={"rlnImageSize": [20]})

    refused = project.check()
    assert refused.code == 3
    assert "rlnImageSize of optics group 1 is 20, its stacks have 16" in refused.out
    _, _, optics = project.fix()

    assert numbers(optics["rlnImageSize"]) == [BOX]


def test_a_pixel_size_that_the_header_contradicts_is_mentioned(project: Project) -> None:
    project.write(optics={"rlnImagePixelSize": [2.5]})

    said = project.check()

    assert said.code == 0
    assert "rlnImagePixelSize of optics group 1 is 2.5 Å, headers of its stacks say 2 Å" in said.out


def test_a_header_of_1_angstrom_says_nothing(project: Project) -> None:
    write_stack(Path("s.mrcs"), project.images, 1.0)

    assert "headers of its stacks" not in project.check().out


@pytest.mark.parametrize(
    ("name", "place", "more"),
    [
        ("Extract/job012/s.mrcs", "p/s.mrcs", ("--relative_to", "p")),
        ("/gone/Extract/job012/s.mrcs", "p/job012/s.mrcs", ("--relative-to", "p")),
        ("s.mrc", "s.mrcs", ()),
        ("Extract/job012/s.mrcs", "s.mrcs", ()),
    ],
)
def test_a_stack_that_was_moved_is_found(project: Project, name: str, place: str, more) -> None:
    Path(place).parent.mkdir(parents=True, exist_ok=True)
    Path("s.mrcs").rename(place)
    project.write({"rlnImageName": [f"{k + 1}@{name}" for k in range(N)]})

    refused = project.check(*more)
    assert refused.code == 3
    assert f"not where the table says, but found: {name} in 6 rows" in refused.out
    _, particles, _ = project.fix(*more)

    assert particles["rlnImageName"].tolist() == [f"{k + 1}@{place}" for k in range(N)]


def test_a_stack_that_is_nowhere_is_a_problem_without_repair(project: Project) -> None:
    Path("s.mrcs").unlink()

    said = project.check("--fix")

    assert said.code == 3
    assert "1 of 1 stacks is absent: s.mrcs in 6 rows" in said.out
    assert "No copy was written: some problems have no repair" in said.out
    assert "cannot be read" not in said.out  # the same, once more
    assert project.check("--no_stacks").code == 0


def test_a_set_whose_stacks_are_all_absent_is_not_sought_for_ever(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.write({"rlnImageName": [f"1@far/{k}.mrcs" for k in range(N)]})
    monkeypatch.setattr(stacks, "_TRIES", 2)
    sought: list[str] = []
    monkeypatch.setattr(stacks, "_elsewhere", lambda name, _: sought.append(name))

    assert "6 of 6 stacks are absent" in project.check().out
    assert sought == ["far/0.mrcs", "far/1.mrcs"]


def test_a_stack_that_relion_would_take_for_an_image_is_marked(project: Project) -> None:
    Path("s.mrcs").rename("s.mrc")
    project.write({"rlnImageName": [f"{k + 1:06d}@s.mrc" for k in range(N)]})

    said, particles, _ = project.fix()

    assert "s.mrc is a stack and not called .mrcs" in said.out
    assert particles["rlnImageName"][0] == "000001@s.mrc:mrcs"


def test_images_counted_from_zero_are_counted_from_one(project: Project) -> None:
    project.write({"rlnImageName": [f"{k}@s.mrcs" for k in range(N)]})

    refused = project.check()
    assert refused.code == 3
    assert "images of s.mrcs are counted from 0" in refused.out
    _, particles, _ = project.fix()

    assert particles["rlnImageName"].tolist() == PARTICLES["rlnImageName"]


def test_a_truncated_stack_has_no_repair(project: Project) -> None:
    whole = Path("s.mrcs").read_bytes()
    Path("s.mrcs").write_bytes(whole[:-10])

    said = project.check("--deep", "--fix")

    assert said.code == 3
    assert "s.mrcs is truncated" in said.out
    assert "the images were not read" in said.out


def test_a_number_0_alone_does_not_make_a_stack_count_from_zero(project: Project) -> None:
    project.write({"rlnImageName": [f"{k}@s.mrcs" for k in (0, 1, 2, 3, 4, 6)]})

    said = project.check()

    assert said.code == 3
    assert "counted from 0" not in said.out
    assert "rlnImageName is 0@s.mrcs in row 1; expected 000001@stack.mrcs" in said.out


def test_an_image_beyond_the_end_of_its_stack_has_no_repair(project: Project) -> None:
    project.write({"rlnImageName": [f"{k + 4}@s.mrcs" for k in range(N)]})

    said = project.check("--fix")

    assert said.code == 3
    assert "points to image 9 of s.mrcs, which has 6" in said.out
    assert not Path("p_fixed.star").exists()
