"""What is wrong is said, repaired in a copy, and gone from the copy."""

from pathlib import Path

import numpy as np
import pytest

from halfmap.engine.checking.repairs import stacks
from halfmap.io.mrc import write_stack
from halfmap.io.star import write_star
from halfmap.model.rotations import euler_matrices

from .conftest import BOX, OPTICS, PARTICLES, PIXEL_A, N, Project


def numbers(column: np.ndarray) -> list[float]:
    return [float(value) for value in column]


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


def test_a_table_of_relion_3_0_becomes_one_of_3_1(project: Project) -> None:
    old = {k: v for k, v in PARTICLES.items() if k != "rlnOpticsGroup"} | {
        "rlnVoltage": [300, 200] * 3,
        "rlnSphericalAberration": [2.7] * N,
        "rlnAmplitudeContrast": [0.1] * N,
        "rlnDetectorPixelSize": [5.0] * N,
        "rlnMagnification": [25000.0] * N,
        "rlnOriginX": [1.5] * N,
    }
    write_star(project.table, {"": old})

    assert project.check().code == 0
    said, particles, optics = project.fix()

    assert "RELION 3.0 or before" in said.out
    assert numbers(optics["rlnVoltage"]) == [300.0, 200.0]
    assert numbers(optics["rlnImagePixelSize"]) == [2.0, 2.0]
    assert numbers(optics["rlnImageSize"]) == [BOX, BOX]
    assert particles["rlnOpticsGroup"].tolist() == ["1", "2"] * 3
    assert numbers(particles["rlnOriginXAngst"]) == [3.0] * N
    assert "rlnOriginX" not in particles


def test_an_optics_table_that_was_cut_off_is_made_of_what_is_given(project: Project) -> None:
    two = {"rlnOpticsGroup": [4, 7] * 3, "rlnBeamTiltX": [0.5, -0.5] * 3}
    write_star(project.table, {"particles": PARTICLES | two})

    refused = project.check()
    assert refused.code == 3
    assert "rlnOpticsGroup is there, but no table data_optics" in refused.out
    assert "the column rlnVoltage is missing" in refused.out
    _, particles, optics = project.fix("--kv", 300, "--cs", 2.7, "--q0", 0.1)

    assert optics["rlnOpticsGroup"].tolist() == ["4", "7"]
    assert particles["rlnOpticsGroup"].tolist() == ["4", "7"] * 3
    assert numbers(optics["rlnBeamTiltX"]) == [0.5, -0.5]
    assert numbers(optics["rlnVoltage"]) == [300.0, 300.0]
    assert numbers(optics["rlnImagePixelSize"]) == [PIXEL_A, PIXEL_A]  # of the stack


@pytest.mark.parametrize("group", [None, [1, 1, 9, 1, 1, 1]])
def test_particles_without_a_defined_group_get_the_only_one(project: Project, group) -> None:
    project.write({"rlnOpticsGroup": group})

    assert project.check().code == 3
    said, particles, _ = project.fix()

    assert "an optics group that data_optics does not define" in said.out
    assert particles["rlnOpticsGroup"].tolist() == ["1"] * N


def test_particles_without_groups_of_a_set_with_several_have_no_repair(project: Project) -> None:
    two = {k: v * 2 for k, v in OPTICS.items()} | {"rlnOpticsGroup": [1, 2]}
    project.write({"rlnOpticsGroup": None}, two)

    said = project.check("--fix")

    assert said.code == 3
    assert "data_particles: the column rlnOpticsGroup is missing" in said.out
    assert "No copy was written" in said.out


def write_two_pixel_sizes(project: Project, sizes: list[str]) -> None:
    two = {k: v * 2 for k, v in OPTICS.items()} | {"rlnOpticsGroup": [1, 2]}
    project.write({"rlnOpticsGroup": [1, 2] * 3}, two | {"rlnImagePixelSize": sizes})


def test_pixel_sizes_that_differ_by_rounding_become_equal(project: Project) -> None:
    write_two_pixel_sizes(project, ["2.0", "2.00001"])

    said, _, optics = project.fix()

    assert "differs by rounding between optics groups" in said.out
    assert numbers(optics["rlnImagePixelSize"]) == [2.0, 2.0]


def test_pixel_sizes_that_differ_truly_stay(project: Project) -> None:
    write_two_pixel_sizes(project, ["2.0", "2.004"])

    assert "differs by rounding" not in project.check().out


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


def test_numbers_that_are_none_are_replaced_or_left_out(project: Project) -> None:
    project.write(
        {
            "rlnAnglePsi": ["1.0", "nan", "2.0", "x", "3.0", "4.0"],
            "rlnNormCorrection": [1.0, 1.0, 0.0, 1.0, 1.0, -2.0],
            "rlnDefocusV": ["9000", "9001", "9002", "9003", "inf", "9005"],
        }
    )

    refused = project.check()
    assert refused.code == 3
    assert "rlnAnglePsi is nan in rows 2, 4" in refused.out
    assert "rlnDefocusV is inf in row 5" in refused.out
    assert "rlnNormCorrection is 0 in rows 3, 6" in refused.out
    _, particles, _ = project.fix()

    assert numbers(particles["rlnAnglePsi"]) == [1.0, 0.0, 2.0, 0.0, 4.0]
    assert numbers(particles["rlnNormCorrection"]) == [1.0] * 5
    assert numbers(particles["rlnDefocusV"]) == [9000.0, 9001.0, 9002.0, 9003.0, 9005.0]


def test_angles_come_into_their_range_as_the_same_orientations(project: Project) -> None:
    rot, tilt, psi = [10.0] * N, [350.0, -20.0, 30.0, 30.0, 200.0, 30.0], [5.0] * 5 + [725.0]
    labels = ("rlnAngleRot", "rlnAngleTilt", "rlnAnglePsi")
    project.write(dict(zip(labels, (rot, tilt, psi), strict=True)))

    said, particles, _ = project.fix()

    assert "angles are out of their usual range in rows 1, 2, 5, 6" in said.out
    angles = np.array([numbers(particles[label]) for label in labels]).T
    assert ((angles[:, 1] >= 0) & (angles[:, 1] <= 180)).all()
    expected = euler_matrices(np.array([rot, tilt, psi]).T)
    # Nine digits of 180 degrees.
    np.testing.assert_allclose(euler_matrices(angles), expected, atol=1e-7)
    assert particles["rlnAngleTilt"][2] == "30.000000"


def test_defocus_in_micrometres_is_defocus_in_angstrom(project: Project) -> None:
    columns = {"rlnDefocusU": [1.5] * N, "rlnDefocusV": [1.4] * N}
    project.write(columns)

    said, particles, _ = project.fix()

    assert "it seems to be in µm" in said.out
    assert numbers(particles["rlnDefocusU"]) == [15000.0] * N
    assert numbers(particles["rlnDefocusV"]) == [14000.0] * N


def test_a_defocus_that_is_negative_throughout_is_turned(project: Project) -> None:
    project.write({"rlnDefocusU": [-15000.0] * N, "rlnDefocusV": [-14000.0] * N})

    said, particles, _ = project.fix()

    assert "the defocus of all particles is negative" in said.out
    assert numbers(particles["rlnDefocusU"]) == [15000.0] * N


def test_some_negative_defoci_are_mentioned_and_zeros_left_out(project: Project) -> None:
    project.write(
        {
            "rlnDefocusU": [1e4, -1e4, 1e4, 0.0, 1e4, 1e4],
            "rlnDefocusV": [1e4, -1e4, 1e4, 0.0, 1e4, 1e4],
        }
    )

    said, particles, _ = project.fix()

    assert "the defocus is negative (overfocus) in row 2" in said.out
    assert "rlnDefocusU is 0 in row 4" in said.out
    assert numbers(particles["rlnDefocusU"]) == [1e4, -1e4, 1e4, 1e4, 1e4]


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


def test_columns_of_the_optics_are_removed_from_the_particles(project: Project) -> None:
    project.write({"rlnVoltage": [200.0] * N})

    said, particles, optics = project.fix()

    assert "rlnVoltage: also in the table of particles, where nobody reads it" in said.out
    assert "rlnVoltage" not in particles
    assert numbers(optics["rlnVoltage"]) == [300.0]


def test_what_no_repair_can_guess_is_taken_from_the_options(project: Project) -> None:
    project.write(optics={"rlnVoltage": None, "rlnImagePixelSize": None})
    write_stack(Path("s.mrcs"), project.images, 1.0)

    assert project.check("--angpix", 3, "--kv", 200).code == 3
    _, _, optics = project.fix("--angpix", 3, "--kv", 200)

    assert numbers(optics["rlnVoltage"]) == [200.0]
    assert numbers(optics["rlnImagePixelSize"]) == [3.0]


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
