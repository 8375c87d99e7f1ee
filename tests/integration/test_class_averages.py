"""2D classification: what a run is made from, and what it leaves."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy import ndarray as Array

from halfmap.io.mrc import write_map, write_stack
from halfmap.io.run_folder import RunState, read_run
from halfmap.io.star import TEXT, read_star, write_star
from halfmap.steps.solvent import solvent_mask

from .tiny_project import (
    BOX,
    PIXEL_A,
    REFINE,
    STACK,
    Run,
    assert_one_message,
    assert_ran,
    edit_star,
    pixels,
    refine,
)

pytestmark = pytest.mark.usefixtures("tiny_project")

Classified = Callable[..., Path]
NO_REFERENCE = ("--ref", "None", "--ini_high", "-1")


@pytest.fixture
def classified(run: Run) -> Classified:
    """``classified("name", "--K", "2")``: run without a reference, and return the folder."""

    def call(name: str, *words: str) -> Path:
        given = words if "--ref" in words else (*NO_REFERENCE, *words)
        assert_ran(run(refine(*given, "--psi_step", "30", "--o", f"{name}/run", "--verb", "0")))
        return Path(name)

    return call


def averages(folder: Path, iteration: int = 1) -> Array:
    return pixels(folder / f"run_it{iteration:03d}_classes.mrcs")


def state(folder: Path, iteration: int = 1) -> RunState:
    return read_run(folder / f"run_it{iteration:03d}_optimiser.star")


def two_pictures() -> Array:
    y, x = np.mgrid[:BOX, :BOX] - BOX // 2
    made = [np.exp(-((x - s) ** 2 + (y / 2) ** 2) / 8.0) for s in (-3, 4)]
    return np.array(made, np.float32)


def test_without_a_reference_class_averages_are_made(classified: Classified) -> None:
    folder = classified("flat", "--K", "3", "--flatten_solvent")

    names = {file.name for file in folder.iterdir()}
    assert "run_it001_class001.mrc" not in names
    assert not [name for name in names if name.endswith(".bild")]
    assert averages(folder, 0).shape == averages(folder).shape == (3, BOX, BOX)
    model = read_star(folder / "run_it001_model.star")
    assert model.lists["model_general"]["rlnReferenceDimensionality"] == "2"
    assert (
        model.tables["model_classes"]["rlnReferenceImage"][1]
        == "00000002@flat/run_it001_classes.mrcs"
    )
    assert not [name for name in model.tables if "pdf_orient" in name]
    assert "sampling_directions" not in read_star(folder / "run_it001_sampling.star").tables


def test_the_first_averages_differ_and_are_as_smooth_as_said(classified: Classified) -> None:
    first = averages(classified("flat", "--K", "3", "--no_init_blobs"), 0)
    sharper = averages(
        classified("sharp", "--K", "3", "--no_init_blobs", "--ref", "None", "--ini_high", "24"), 0
    )

    assert len({image.tobytes() for image in first}) == 3
    y, x = np.fft.fftfreq(BOX, 1.0 / BOX)[:, None], np.arange(BOX // 2 + 1)
    powers = [np.abs(np.fft.rfft2(images)) ** 2 for images in (first, sharper)]
    # 0.07 of the box is shell 2, 24 Å are shell 6; the filter ends one shell beyond
    for power, shell in zip(powers, (2, 6), strict=True):
        beyond = np.hypot(x, y) > shell + 1.01
        assert power[:, beyond].sum() < 1e-9 * power.sum()
        assert power[:, np.abs(np.hypot(x, y) - shell) < 0.5].sum() > 1e-5 * power.sum()


def test_unmasked_averages_are_those_before_the_solvent_was_flattened(
    classified: Classified,
) -> None:
    folder = classified("flat", "--K", "2", "--flatten_solvent")

    mask = solvent_mask(BOX, PIXEL_A, 120.0, 5.0, flat=True)
    unmasked = pixels(folder / "run_unmasked_classes.mrcs")
    np.testing.assert_allclose(averages(folder), unmasked * mask, atol=1e-6)
    assert np.abs(unmasked * (mask == 0)).max() > 0.0


def test_rot_and_tilt_of_the_table_stay_as_they_are(classified: Classified) -> None:
    def give_poses(tables: dict[str, dict[str, Array]]) -> None:
        n = len(tables["particles"]["rlnImageName"])
        tables["particles"]["rlnAngleRot"] = np.full(n, 12.0)
        tables["particles"]["rlnAngleTilt"] = np.full(n, 34.0)

    edit_star(give_poses)

    folder = classified("flat", "--K", "2")

    found = read_star(folder / "run_it001_data.star").tables["particles"]
    assert set(found["rlnAngleRot"].astype(float)) == {12.0}
    assert set(found["rlnAngleTilt"].astype(float)) == {34.0}
    assert len(set(found["rlnAnglePsi"])) > 4


def test_a_stack_gives_each_class_its_own_reference(classified: Classified) -> None:
    write_stack(Path("refs.mrcs"), two_pictures(), PIXEL_A)

    folder = classified("stack", "--ref", "refs.mrcs", "--ini_high", "-1")

    np.testing.assert_allclose(averages(folder, 0), two_pictures(), atol=1e-6)
    assert averages(folder).shape == (2, BOX, BOX)


def test_a_list_names_images_of_stacks(classified: Classified) -> None:
    write_stack(Path("refs.mrcs"), two_pictures(), PIXEL_A)
    names = np.array(["000002@refs.mrcs", "000001@refs.mrcs"], TEXT)
    write_star(Path("refs.star"), {"model_classes": {"rlnReferenceImage": names}})

    folder = classified("list", "--ref", "refs.star", "--ini_high", "-1")

    np.testing.assert_allclose(averages(folder, 0), two_pictures()[::-1], atol=1e-6)


def test_one_image_of_a_stack_seeds_all_classes(classified: Classified) -> None:
    write_stack(Path("refs.mrcs"), two_pictures(), PIXEL_A)

    folder = classified("second", "--ref", "2@refs.mrcs", "--K", "2", "--ini_high", "-1")

    first, later = averages(folder, 0), averages(folder)
    np.testing.assert_allclose(first, two_pictures()[[1, 1]], atol=1e-6)
    assert (later[0] != later[1]).any()


def test_a_list_of_one_is_one_class(run: Run) -> None:
    write_stack(Path("one.mrcs"), two_pictures()[:1], PIXEL_A)

    said = run(refine("--ref", "one.mrcs", "--K", "2", "--ini_high", "-1"))

    assert_ran(said)
    assert "--K 2 does not count: one.mrcs lists 1 reference" in said.out
    assert pixels(Path("out/run_it001_classes.mrcs")).reshape(-1, BOX, BOX).shape[0] == 1


def test_one_image_seeds_all_classes(classified: Classified) -> None:
    write_map(Path("one.mrc"), two_pictures()[:1], PIXEL_A)

    folder = classified("one", "--ref", "one.mrc", "--K", "2", "--ini_high", "-1")

    first, later = averages(folder, 0), averages(folder)
    np.testing.assert_array_equal(first[0], first[1])
    assert (later[0] != later[1]).any()


def test_a_finer_psi_step_is_searched(classified: Classified, run: Run) -> None:
    classified("coarse", "--K", "2")
    words = refine(*NO_REFERENCE, "--K", "2", "--psi_step", "10", "--o", "fine/run", "--verb", "0")
    assert_ran(run(words))

    coarse, fine = (state(Path(name)).schedule.sampling for name in ("coarse", "fine"))

    assert (coarse.psi_step_deg, fine.psi_step_deg) == (30.0, 10.0)
    psi = state(Path("fine")).poses.angles_deg[:, 2]
    # the centres of 5 degrees, turned by the perturbation, the same for all
    turned = (psi - psi[0]) / 5.0
    np.testing.assert_allclose(turned, np.round(turned), atol=1e-3)
    assert (np.round(turned) % 2).any()


def test_blobs_can_be_left_out(classified: Classified) -> None:
    blobs = averages(classified("blobs", "--K", "2"), 0)
    plain = averages(classified("plain", "--K", "2", "--no_init_blobs"), 0)

    # an average over random orientations, which is round, has no blobs in it
    assert np.corrcoef(blobs[0].ravel(), plain[0].ravel())[0, 1] < 0.95
    assert plain.std() > 0.0


def test_a_3d_map_can_be_begun_from_random_orientations(classified: Classified) -> None:
    folder = classified("denovo", "--denovo_3dref")

    first, after = (
        pixels(folder / "run_it000_class001.mrc"),
        pixels(folder / "run_it001_class001.mrc"),
    )
    assert first.shape == after.shape == (BOX, BOX, BOX)
    assert first.std() > 0.0
    assert not state(folder).schedule.sampling.flat


def test_classes_expect_their_particles_where_they_were(classified: Classified) -> None:
    folder = classified("flat", "--K", "2")

    found = state(folder)
    model, own = found.halves[0], found.poses
    assert np.abs(model.offset_mean_A).max() > 0.0
    # the mean over best poses is near that over all
    for k in range(2):
        best = own.offset_A[own.class_index == k].mean(axis=0)
        assert np.abs(best - model.offset_mean_A[k]).max() < 2.0 * PIXEL_A


def test_symmetry_is_left_aside(run: Run) -> None:
    without = run(refine(*NO_REFERENCE, "--K", "2", "--sym", "D2", "--o", "sym/run"))
    write_map(Path("one.mrc"), two_pictures()[:1], PIXEL_A)
    given = run(refine("--ref", "one.mrc", "--sym", "D2", "--o", "one/run"))

    assert (without.code, given.code) == (0, 0)
    assert "--sym has no effect without --ref" in without.err + without.out
    assert "--sym D2 has no effect: class averages" in given.err + given.out


# --- bad input


def test_a_map_as_mask_of_class_averages_is_refused(run: Run) -> None:
    write_map(Path("mask.mrc"), np.ones((BOX, BOX, BOX), np.float32), PIXEL_A)

    said = run(refine(*NO_REFERENCE, "--flatten_solvent", "--solvent_mask", "mask.mrc"))

    assert_one_message(said, 3, "mask.mrc: found a map, expected an image", "Make the mask again")


def test_images_among_maps_are_refused(run: Run) -> None:
    write_map(Path("one.mrc"), two_pictures()[:1], PIXEL_A)
    names = np.array(["one.mrc", REFINE["--ref"]], TEXT)
    write_star(Path("refs.star"), {"model_classes": {"rlnReferenceImage": names}})

    said = run(refine("--ref", "refs.star"))

    assert_one_message(said, 3, "found 2D references", "expected either")


def test_an_image_that_a_stack_does_not_have_is_refused(run: Run) -> None:
    write_stack(Path("refs.mrcs"), two_pictures(), PIXEL_A)
    names = np.array(["000003@refs.mrcs"], TEXT)
    write_star(Path("refs.star"), {"model_classes": {"rlnReferenceImage": names}})

    said = run(refine("--ref", "refs.star"))

    assert_one_message(said, 3, "refs.mrcs", "000003")


def test_a_reference_of_another_box_is_refused(run: Run) -> None:
    write_stack(Path("refs.mrcs"), np.pad(two_pictures(), ((0, 0), (2, 2), (2, 2))), PIXEL_A)

    said = run(refine("--ref", "refs.mrcs"))

    assert_one_message(said, 3, "000001@refs.mrcs: found a box of 28 px", "--trust_ref_size")


def test_automatic_refinement_without_a_map_is_refused(run: Run) -> None:
    said = run(refine("--ref", "None", halves=True))

    assert_one_message(said, 2, "--auto_refine: found without --ref", "--denovo_3dref")


def test_two_halves_make_one_class_average_each(run: Run) -> None:
    write_map(Path("one.mrc"), two_pictures()[:1], PIXEL_A)
    words = refine("--ref", "one.mrc", "--psi_step", "30", "--verb", "0", halves=True)

    assert_ran(run(words))

    files = (Path(f"out/run_it001_half{n}_classes.mrcs") for n in (1, 2))
    halves = [pixels(file).reshape(-1, BOX, BOX) for file in files]
    assert halves[0].shape == halves[1].shape == (1, BOX, BOX)
    assert (halves[0] != halves[1]).any()
    fsc = read_star(Path("out/run_it001_half1_model.star")).tables["model_class_1"]
    assert 0.0 < float(fsc["rlnGoldStandardFsc"][3]) < 1.0


def test_the_particles_are_no_references(run: Run) -> None:
    Path("link.mrcs").symlink_to(STACK)
    Path("copy.mrcs").write_bytes(STACK.read_bytes())

    for name in (str(STACK), "link.mrcs"):
        said = run(refine("--ref", name))
        assert_one_message(
            said, 3, f"--ref {name}: found the particles themselves (24 images)", "Leave --ref out"
        )
    copied = run(refine("--ref", "copy.mrcs"))
    assert_one_message(copied, 3, "--ref copy.mrcs: found 24 references for 24 particles")


@pytest.mark.parametrize(
    ("name", "code", "phrase"),
    [
        ("2@gone.mrcs", 2, "--ref 2@gone.mrcs: found no such file"),
        ("9@refs.mrcs", 3, "9@refs.mrcs: found 2 images in refs.mrcs"),
        ("0@refs.mrcs", 3, "0@refs.mrcs: found 2 images in refs.mrcs"),
    ],
)
def test_an_image_that_is_not_there_is_named(run: Run, name: str, code: int, phrase: str) -> None:
    write_stack(Path("refs.mrcs"), two_pictures(), PIXEL_A)

    said = run(refine("--ref", name, "--ini_high", "-1"))

    assert_one_message(said, code, phrase, "expected")
