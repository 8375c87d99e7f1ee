"""What happens to a map after its reconstruction, in whole runs."""

from pathlib import Path

import numpy as np
import pytest

from halfmap.io.model_reading import read_model_star
from halfmap.io.mrc import read_map, write_map
from halfmap.io.star import write_star
from halfmap.model.fourier import radial_mean, shells_3d, transform_3d
from halfmap.steps.centring import centre_of_mass, centred
from halfmap.steps.local_symmetry import symmetrise_locally
from halfmap.steps.solvent import solvent_mask

from .tiny_project import BOX, PIXEL_A, Refined, Run, assert_one_message, assert_ran, refine

pytestmark = pytest.mark.usefixtures("tiny_project")


def map_of(root: Path, iteration: int = 1, half: int | None = None) -> np.ndarray:
    part = "" if half is None else f"half{half}_"
    return read_map(f"{root}_it{iteration:03d}_{part}class001.mrc")[0]


def model_of(root: Path, iteration: int):
    return read_model_star(Path(f"{root}_it{iteration:03d}_model.star"))[0]


# --- statistics that stay


def test_noise_that_is_fixed_is_that_of_the_start(refined: Refined) -> None:
    fixed = refined("fixed", "--iter", "2", "--fix_sigma_noise")
    free = refined("free", "--iter", "2")

    start = model_of(fixed, 0).noise_variance
    for iteration in (1, 2):
        np.testing.assert_array_equal(model_of(fixed, iteration).noise_variance, start)
    assert (model_of(free, 2).noise_variance != start).any()


def test_the_spread_of_offsets_that_is_fixed_is_that_of_the_option(refined: Refined) -> None:
    fixed = refined("fixed", "--iter", "2", "--fix_sigma_offset", "--offset", "7")
    free = refined("free", "--iter", "2", "--offset", "7")

    assert [model_of(fixed, it).offset_sigma_A for it in (0, 1, 2)] == [7.0, 7.0, 7.0]
    assert model_of(free, 1).offset_sigma_A != pytest.approx(7.0, abs=0.01)


# --- a spectrum of the prior


def tau_file(values: np.ndarray) -> str:
    columns = {"rlnSpectralIndex": np.arange(len(values)), "rlnReferenceTau2": values}
    write_star(Path("tau.star"), {"": columns})
    return "tau.star"


def test_a_given_spectrum_times_the_fudge_is_the_prior_of_every_iteration(
    refined: Refined,
) -> None:
    given = np.linspace(2.0, 0.1, BOX // 2 + 1)
    path = tau_file(given)

    root = refined("tau", "--iter", "2", "--tau", path, "--tau2_fudge", "3")

    for iteration in (1, 2):
        # six digits in the file
        tau2 = model_of(root, iteration).signal_variance[0]
        np.testing.assert_allclose(tau2, 3.0 * given, rtol=1e-5)


def test_the_ratio_of_data_to_prior_grows_with_the_given_power(refined: Refined) -> None:
    weak = refined("weak", "--tau", tau_file(np.full(BOX // 2 + 1, 0.5)))
    strong = refined("strong", "--tau", tau_file(np.full(BOX // 2 + 1, 2.0)))

    ratios = [model_of(root, 1).data_vs_prior[0, 1:10] for root in (weak, strong)]

    np.testing.assert_allclose(ratios[1], 4.0 * ratios[0], rtol=1e-5)  # six digits in the files


def test_a_weaker_prior_spectrum_gives_a_weaker_map(refined: Refined) -> None:
    weak = refined("weak", "--tau", tau_file(np.full(BOX // 2 + 1, 1e-4)))
    strong = refined("strong", "--tau", tau_file(np.full(BOX // 2 + 1, 1e4)))

    shells = shells_3d(BOX)
    fine = [
        radial_mean(np.abs(transform_3d(map_of(root))) ** 2, shells, 12)[6:11]
        for root in (weak, strong)
    ]

    assert (fine[0] < 0.5 * fine[1]).all()


def test_a_spectrum_of_another_box_is_refused(run: Run) -> None:
    path = tau_file(np.ones(BOX))

    said = run(refine("--tau", path))

    assert_one_message(said, 3, f"{path}: found tau2 in the shells 0 to 23, expected 0 to 12")


def test_a_spectrum_beside_halves_is_said_to_have_no_effect(run: Run) -> None:
    said = run(refine("--tau", tau_file(np.ones(BOX // 2 + 1)), halves=True))

    assert_ran(said)
    assert "--tau counts for the first resolution only" in " ".join(said.out.split())


# --- local symmetry


def local_symmetry_file() -> str:
    x = np.arange(BOX) - BOX // 2
    ball = (x[:, None, None] ** 2 + x[:, None] ** 2 + (x - 4) ** 2 <= 9).astype(np.float32)
    write_map(Path("part.mrc"), ball, PIXEL_A)
    zero, angles = np.zeros(2), np.array([0.0, 180.0])
    columns = {f"rlnAngle{name}": zero for name in ("Tilt", "Psi")}
    columns |= {f"rlnOrigin{axis}Angst": zero for axis in "XYZ"}
    rows = {"rlnMaskName": ["part.mrc", "part.mrc"], "rlnAngleRot": angles}
    write_star(Path("local.star"), {"": rows | columns})
    return "local.star"


@pytest.mark.parametrize("halves", [False, True])
def test_parts_that_are_alike_are_averaged(refined: Refined, halves: bool) -> None:
    path, half = local_symmetry_file(), 1 if halves else None
    plain = map_of(refined("plain", halves=halves), half=half)

    found = map_of(refined("local", "--local_symmetry", path, halves=halves), half=half)

    part = read_map("part.mrc")[0] > 0
    copy = np.roll(part[:, ::-1, ::-1], (1, 1), axis=(1, 2))  # half a turn about z
    mean = 0.5 * (plain + np.roll(plain[:, ::-1, ::-1], (1, 1), axis=(1, 2)))
    np.testing.assert_allclose(found[part], mean[part], atol=2e-6 * np.abs(plain).max())
    np.testing.assert_array_equal(found[~(part | copy)], plain[~(part | copy)])
    assert np.abs(found - plain)[part].max() > 0.01 * np.abs(plain).max()


@pytest.mark.parametrize(
    ("spoil", "code", "phrase"),
    [
        (lambda: Path("part.mrc").unlink(), 3, "part.mrc cannot be read"),
        (
            lambda: write_map(Path("part.mrc"), np.ones((10,) * 3), PIXEL_A),
            3,
            "part.mrc: found a box of 10 px, expected that of the map, 24 px",
        ),
        (
            lambda: Path("local.star").unlink(),
            2,
            "--local_symmetry local.star: found no such file, expected masks and operators",
        ),
    ],
)
def test_local_symmetry_that_cannot_be(run: Run, spoil, code: int, phrase: str) -> None:
    path = local_symmetry_file()
    spoil()

    assert_one_message(run(refine("--local_symmetry", path)), code, phrase)


# --- centring


def test_a_map_is_moved_to_its_centre_of_mass(refined: Refined) -> None:
    # The reference lies 2 px from the centre, so the particles are found there too.
    start, _ = read_map("particles/start.mrc")
    write_map(Path("moved.mrc"), np.roll(start, 2, axis=1), PIXEL_A)
    words = ("--ref", "moved.mrc", "--offset_range", "4", "--flatten_solvent", "--iter", "2")

    plain = centre_of_mass(map_of(refined("plain", *words)))
    found = centre_of_mass(map_of(refined("centred", *words, "--center_classes")))

    # Flattening, which comes after it, and linear interpolation leave a part of a px.
    assert np.linalg.norm(found) < 0.4 * np.linalg.norm(plain)


def test_the_last_map_stays_where_its_offsets_are(refined: Refined) -> None:
    plain, last = refined("plain"), refined("last", "--center_classes")

    np.testing.assert_array_equal(map_of(last), map_of(plain))


def test_a_map_is_not_moved_further_than_the_offset_range(refined: Refined) -> None:
    words = ("--iter", "2", "--offset_range", "0.125", "--offset_step", "0.125")
    plain, found = (
        map_of(refined("plain", *words)),
        map_of(refined("c", *words, "--center_classes")),
    )

    np.testing.assert_array_equal(found, centred(plain, 0.125))
    assert np.linalg.norm(centre_of_mass(plain)) > 0.125


def test_steps_come_in_their_order(refined: Refined) -> None:
    """Local symmetry acts on the map before its solvent is flattened."""
    path = local_symmetry_file()
    small = solvent_mask(BOX, PIXEL_A, 40.0, 2.0)
    write_map(Path("mask.mrc"), small, PIXEL_A)
    plain = map_of(refined("plain"))

    words = ("--local_symmetry", path, "--flatten_solvent", "--solvent_mask", "mask.mrc")
    found = map_of(refined("both", *words))

    from halfmap.io.local_symmetry_star import read_local_symmetry, read_region_mask

    regions = [
        (read_region_mask(region.mask_file, BOX), region.operators)
        for region in read_local_symmetry(Path(path))
    ]
    expected = symmetrise_locally(plain, regions, PIXEL_A) * small.astype(np.float32)
    np.testing.assert_allclose(found, expected, atol=1e-6 * np.abs(plain).max())
