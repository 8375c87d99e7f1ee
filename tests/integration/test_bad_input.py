"""Bad input gets one clear message, before any work.

Every test asks for the exit code (2 for options, 3 for data), for what was found, expected and
to be done, for exactly one message, and for no traceback. One process; what ranks add is in
``test_errors_on_ranks.py``.
"""

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from halfmap.io.mrc import read_map
from halfmap.io.star import read_star, write_star

from .tiny_project import (
    BOX,
    MAP,
    PIXEL_A,
    STACK,
    STAR,
    Run,
    assert_one_message,
    assert_ran,
    edit_star,
    pixels,
    refine,
    set_pixels,
    write,
)

pytestmark = pytest.mark.usefixtures("tiny_project")


# --- options


@pytest.mark.parametrize(
    ("words", "phrases"),
    [
        pytest.param(
            refine("--i", "no.star", "--ref", "no.mrc", "--solvent_mask", "none.mrc"),
            (
                "--i no.star: found no such file, expected the particle table",
                "--ref no.mrc: found no such file, expected the starting map",
                "--solvent_mask none.mrc: found no such file, expected a mask",
                "Check the path; it counts from",
            ),
            id="files that are missing, all of them",
        ),
        pytest.param(refine("--i", "particles"), ("--i particles: found a folder",), id="a folder"),
        pytest.param(
            refine("--partcle_diameter", "120", "--overwrit"),
            (
                "--partcle_diameter: no option is called so; did you mean --particle_diameter?",
                "--overwrit: no option is called so; did you mean --overwrite?",
            ),
            id="unknown options",
        ),
        pytest.param(
            refine("--healpix_order", "x", "--ini_high", "-5"),
            (
                "--healpix_order: found 'x', expected a whole number from 0 to 8",
                "--ini_high: found '-5', expected a number above 0, or -1",
            ),
            id="values that cannot be",
        ),
        pytest.param(
            refine("--auto_refine", "--ctf_phase_flipped", "--only_flip_phases"),
            (
                "--auto_refine: found without --split_random_halves, expected with it",
                "--only_flip_phases: found with --ctf_phase_flipped, expected one of them",
            ),
            id="contradictions",
        ),
        pytest.param(
            refine("--K", "3", halves=True),
            ("--split_random_halves: found with --K above 1", "Leave --K out"),
            id="several classes in halves",
        ),
        pytest.param(
            refine("--o", "out/"),
            ("--o: found 'out/', expected the root of the output names",),
            id="a folder as the root",
        ),
        pytest.param(
            ["refine", "--continue", "out/run_it003_optimiser.star"],
            ("--continue out/run_it003_optimiser.star: expected the _optimiser.star",),
            id="a run that is missing",
        ),
        pytest.param(["refine"], ("--i: missing", "--o: missing", "--ref: missing"), id="nothing"),
    ],
)
def test_bad_options_end_with_one_message(
    run: Run, words: list[str], phrases: tuple[str, ...]
) -> None:
    said = run(words)

    assert_one_message(said, 2, "the options cannot be used:", *phrases)
    assert "All options: halfmap refine --help" in said.err


def test_a_run_that_is_missing_makes_no_option_missing_besides(run: Run) -> None:
    assert "missing" not in run(["refine", "--continue", "out/run_it003_optimiser.star"]).err


# --- data


def without_column(table: str, label: str) -> Callable[[], list[str]]:
    def spoil() -> list[str]:
        edit_star(lambda tables: tables[table].pop(label))
        return refine()

    return spoil


def with_subsets(value: Callable[[int], int]) -> Callable[[], list[str]]:
    def spoil() -> list[str]:
        def change(tables: dict) -> None:
            n = len(tables["particles"]["rlnImageName"])
            tables["particles"]["rlnRandomSubset"] = np.array([value(row) for row in range(n)])

        edit_star(change)
        return refine(halves=True)

    return spoil


def with_column(table: str, label: str, value: str) -> Callable[[], list[str]]:
    def spoil() -> list[str]:
        def change(tables: dict) -> None:
            n = len(next(iter(tables[table].values())))
            tables[table][label] = np.array([value] * n)

        edit_star(change)
        return refine()

    return spoil


def with_value(table: str, label: str, value: str) -> Callable[[], list[str]]:
    def spoil() -> list[str]:
        def change(tables: dict) -> None:
            tables[table][label][0] = value

        edit_star(change)
        return refine()

    return spoil


def with_stack(change: Callable[[np.ndarray], np.ndarray]) -> Callable[[], list[str]]:
    def spoil() -> list[str]:
        write(STACK, change(pixels(STACK)))
        return refine()

    return spoil


def with_map(*shape: int, pixel_size_A: float = PIXEL_A, kind: type = np.float32) -> Callable:
    def spoil() -> list[str]:
        values = np.random.default_rng(1).normal(size=shape).astype(kind)
        write(MAP, values, pixel_size_A)
        return refine()

    return spoil


def with_mask(value: float) -> Callable[[], list[str]]:
    def spoil() -> list[str]:
        write(Path("mask.mrc"), np.full((BOX,) * 3, value, np.float32))
        return refine("--solvent_mask", "mask.mrc", "--flatten_solvent")

    return spoil


def truncated(path: Path) -> Callable[[], list[str]]:
    def spoil() -> list[str]:
        os.truncate(path, 20_000)
        return refine()

    return spoil


def replaced(path: Path, content: bytes) -> Callable[[], list[str]]:
    def spoil() -> list[str]:
        path.write_bytes(content)
        return refine()

    return spoil


def no_stack() -> list[str]:
    STACK.unlink()
    return refine()


def odd_box() -> list[str]:
    write(STACK, pixels(STACK)[:, 1:, 1:])

    def change(tables: dict) -> None:
        tables["optics"]["rlnImageSize"][:] = str(BOX - 1)

    edit_star(change)
    return refine()


def nan_in_the_map() -> list[str]:
    set_pixels(MAP, 3, np.nan)
    return refine()


def empty_map() -> list[str]:
    set_pixels(MAP, slice(None), 0.0)
    return refine()


def half_map_without_its_twin() -> list[str]:
    MAP.rename("half1.mrc")
    return refine("--ref", "half1.mrc", halves=True)


def no_particles() -> list[str]:
    text = STAR.read_text().splitlines(keepends=True)
    STAR.write_text("".join(line for line in text if "@" not in line or line.startswith("#")))
    return refine()


def short_row() -> list[str]:
    STAR.write_text(STAR.read_text().replace(" mic00001.mrc ", " ", 1))
    return refine()


def too_large_diameter() -> list[str]:
    return refine("--particle_diameter", "200")


def too_many_nan() -> list[str]:
    set_pixels(STACK, slice(0, 3), np.nan)
    return refine("--failsafe_threshold", "2")


def all_constant() -> list[str]:
    set_pixels(STACK, slice(None), 1.0)
    return refine()


BAD_DATA: dict[str, tuple[Callable[[], list[str]], tuple[str, ...]]] = {
    "no defocus": (
        without_column("particles", "rlnDefocusU"),
        ("data_particles: the column rlnDefocusU is missing", "or leave out --ctf"),
    ),
    "no voltage": (
        without_column("optics", "rlnVoltage"),
        (f"{STAR} cannot be used", "data_optics: the column rlnVoltage is missing"),
    ),
    "no pixel size": (
        without_column("optics", "rlnImagePixelSize"),
        ("data_optics: no pixel size; expected rlnImagePixelSize",),
    ),
    "no image names": (
        without_column("particles", "rlnImageName"),
        ("no rlnImageName in data_particles",),
    ),
    "a word for a number": (
        with_value("optics", "rlnImagePixelSize", "six"),
        ("rlnImagePixelSize is six in row 1; expected a number",),
    ),
    "an image of no stack": (
        with_value("particles", "rlnImageName", "000000@particles/particles.mrcs"),
        ("rlnImageName is 000000@", "expected 000001@stack.mrcs"),
    ),
    "no particles": (no_particles, ("no particles in data_particles; expected at least one",)),
    "a row too short": (short_row, ("row 1 of data_particles has 5 values; the table has 6",)),
    "no STAR file": (replaced(STAR, b"hello\n"), ("this is not a STAR file",)),
    "a binary table": (replaced(STAR, b"\x93NUMPY\r\n" * 99), ("is not a text file",)),
    "no stack": (no_stack, (f"{STACK} cannot be read: No such file", "Check the name")),
    "stack shorter than the table": (
        with_stack(lambda images: images[:20]),
        ("row 24 points to image 24 of particles/particles.mrcs, which has 20",),
    ),
    "complex stack": (
        with_stack(lambda images: images.astype(np.complex64)),
        ("has MRC mode 4 (complex float32); expected mode 2", "Convert it to float32"),
    ),
    "truncated stack": (
        truncated(STACK),
        (f"{STACK} is truncated: it has 20,000 bytes, its header promises 56,320", "Copy it again"),
    ),
    "stack of another box": (
        with_stack(lambda images: images[:, 2:, 2:]),
        (f"holds images of 22 x 22 px; its optics group says {BOX} x {BOX}",),
    ),
    "odd box": (odd_box, ("rlnImageSize is 23 in rows 1, 2; expected an even box",)),
    "diameter beyond the box": (
        too_large_diameter,
        ("--particle_diameter: found 200 Å, expected at most the width of the box, 144 Å",),
    ),
    "mixed subsets": (
        with_subsets(lambda row: row % 3),
        ("rlnRandomSubset is 0 in 8 rows (1, 4, 7, 10, 13, ...); expected 1 or 2 for all",),
    ),
    "an empty half": (
        with_subsets(lambda _: 1),
        ("no particle is in half 2; both halves need some", "Remove the column rlnRandomSubset"),
    ),
    "no MRC file": (replaced(MAP, b"hello" * 999), ("is not an MRC file", "Check the name")),
    "an empty file": (replaced(MAP, b""), ("has 0 bytes; expected an MRC file",)),
    "truncated map": (truncated(MAP), (f"{MAP} is truncated", "Copy it again")),
    "complex map": (with_map(BOX, BOX, BOX, kind=np.complex64), ("has MRC mode 4",)),
    "map that is no cube": (
        with_map(BOX, BOX, BOX - 4),
        ("has 20 x 24 x 24 voxels; expected a cubic map", "Crop or pad it"),
    ),
    "NaN in the map": (nan_in_the_map, ("has 576 voxels that are NaN", "expected numbers")),
    "nothing in the map": (empty_map, ("found 0 in all voxels, expected a map",)),
    "map of another box": (
        with_map(30, 30, 30),
        (
            "found a box of 30 px of 6 Å, expected that of the particles, 24 px of 6 Å",
            "--trust_ref_size",
        ),
    ),
    "map of another pixel size": (
        with_map(BOX, BOX, BOX, pixel_size_A=5.0),
        ("found a box of 24 px of 5 Å", "--ref_angpix"),
    ),
    "map without a pixel size": (
        with_map(BOX, BOX, BOX, pixel_size_A=0.0),
        ("found no pixel size in the header, expected one", "--ref_angpix"),
    ),
    "half map without its twin": (
        half_map_without_its_twin,
        ("--ref half1.mrc is named like a half map: expected half2.mrc", "rename the map"),
    ),
    "mask beyond 1": (with_mask(2.0), ("mask.mrc: found values from 2 to 2, expected a mask",)),
    "mask of nothing": (with_mask(0.0), ("mask.mrc: found values from 0 to 0, expected a mask",)),
    "too many bad images": (
        too_many_nan,
        (
            "found 3 bad particles so far, expected at most 2 (--failsafe_threshold)",
            f"000002@{STACK}: pixels are NaN, infinite",
            "Remove them from the STAR file",
        ),
    ),
    "premultiplied images without halves": (
        with_column("optics", "rlnCtfDataAreCtfPremultiplied", "1"),
        ("found premultiplied images in a run without halves", "expected --split_random_halves"),
    ),
    "no good image": (all_constant, ("found no good particle", "all pixels are equal")),
}


@pytest.mark.parametrize("case", BAD_DATA)
def test_bad_data_end_with_one_message(run: Run, case: str) -> None:
    spoil, phrases = BAD_DATA[case]

    assert_one_message(run(spoil()), 3, *phrases)


def test_problems_of_all_files_are_said_at_once(run: Run) -> None:
    Path("other").mkdir()
    Path("other/run_it001_data.star").touch()
    for case in ("no defocus", "nothing in the map", "mask beyond 1"):
        BAD_DATA[case][0]()

    said = run(refine("--solvent_mask", "mask.mrc", "--flatten_solvent", "--o", "other/run"))

    assert_one_message(
        said,
        3,
        "found 4 problems:",
        "already holds a run called 'run'",
        "rlnDefocusU is missing",
        f"{MAP}: found 0 in all voxels",
        "mask.mrc: found values from 2 to 2",
    )


def test_what_does_not_fit_together_is_said_at_once(run: Run) -> None:
    truncated(STACK)()
    with_map(30, 30, 30)()

    said = run(refine("--particle_diameter", "200"))

    assert_one_message(
        said, 3, "found 3 problems:", "is truncated", "--particle_diameter", "a box of 30 px"
    )


def test_a_drawn_half_that_is_empty_is_not_blamed_on_the_table(run: Run) -> None:
    edit_star(
        lambda tables: tables.update(
            particles={label: column[:1] for label, column in tables["particles"].items()}
        )
    )

    said = run(refine(halves=True))

    assert_one_message(said, 3, "no particle is in half", "Add particles")
    assert "rlnRandomSubset" not in said.err


# --- what is repaired or accepted, and announced


@pytest.mark.parametrize("halves", [False, True])
def test_a_map_of_another_grid_is_resampled_when_trusted(run: Run, halves: bool) -> None:
    with_map(30, 30, 30, pixel_size_A=5.0)()

    said = run(refine("--trust_ref_size", halves=halves))

    assert_ran(said)
    assert said.out.count(f"{MAP} was resampled from 30 px of 5 Å to 24 px of 6.25 Å") == 1
    first = "out/run_it000_half1_class001.mrc" if halves else "out/run_it000_class001.mrc"
    assert read_map(first)[0].shape == (BOX,) * 3


def test_a_mask_of_another_grid_is_resampled(run: Run) -> None:
    write(Path("mask.mrc"), np.ones((20,) * 3, np.float32), 7.2)

    said = run(refine("--solvent_mask", "mask.mrc", "--flatten_solvent"))

    assert_ran(said)
    assert "mask.mrc was resampled from 20 px of 7.2 Å to 24 px of 6 Å" in said.out


def off_scale() -> None:
    values = pixels(STACK)
    write(STACK, 3.0 * values + 7.0)


def test_images_that_are_not_normalised_are_measured_and_named(run: Run) -> None:
    off_scale()

    said = run(refine())

    assert_ran(said)
    words = " ".join(said.out.split())
    assert "warning: 24 of the first 24 images are not normalised" in words
    assert "7.01 and 3 in the median" in words
    assert "@particles/particles.mrcs; expected 0 and 1" in words
    assert "--normalise repairs the images" in words
    assert "1 warning above" in words


def test_one_image_off_scale_is_found_among_good_ones(run: Run) -> None:
    values = pixels(STACK)
    values[6] *= 1e6
    write(STACK, values)

    words = " ".join(run(refine()).out.split())

    assert "1 of the first 24 images are not normalised" in words
    assert f"in the worst, 000007@{STACK}; expected 0 and 1" in words


def test_an_image_too_bright_for_exact_sums_is_named(run: Run) -> None:
    values = pixels(STACK)
    values[20] *= 1e6
    write(STACK, values)

    # Not among the first images, whose noise would hide it.
    said = run(refine("--nr_parts_sigma2noise", "3", "--verb", "0", "--o", "other/run"))

    assert_one_message(
        said, 3, f"000021@{STACK}, the brightest of 8", "use --normalise, or remove the outliers"
    )


@pytest.mark.parametrize("option", ["--normalise", "--dont_check_norm"])
def test_the_warning_goes_when_images_are_repaired_or_accepted(run: Run, option: str) -> None:
    off_scale()

    said = run(refine(option))

    assert_ran(said)
    assert "warning" not in said.out


def test_normalise_gives_the_poses_of_normalised_images(run: Run) -> None:
    assert_ran(run(refine("--normalise", "--o", "good/run")))
    off_scale()
    assert_ran(run(refine("--normalise", "--o", "repaired/run")))

    labels = ("rlnAngleRot", "rlnAngleTilt", "rlnAnglePsi", "rlnOriginXAngst", "rlnOriginYAngst")
    tables = [
        read_star(Path(run, "run_it001_data.star")).table("particles")
        for run in ("good", "repaired")
    ]
    for label in labels:
        np.testing.assert_array_equal(tables[0][label], tables[1][label])


def test_a_table_of_relion_3_0_is_taken(run: Run) -> None:
    tables = read_star(STAR).tables
    row = np.searchsorted(tables["optics"]["rlnOpticsGroup"], tables["particles"]["rlnOpticsGroup"])
    moved = ("rlnVoltage", "rlnSphericalAberration", "rlnAmplitudeContrast")
    old = {
        label: column for label, column in tables["particles"].items() if label != "rlnOpticsGroup"
    }
    old |= {label: tables["optics"][label][row] for label in moved}
    old |= {
        "rlnDetectorPixelSize": np.full(len(row), 6.0),
        "rlnMagnification": np.full(len(row), 10_000.0),
    }
    write_star(STAR, {"": old})

    said = run(refine())

    assert_ran(said)
    assert "24, 2 optics groups" in said.out
