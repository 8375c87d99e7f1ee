"""Every option that is implemented changes something: nothing is silently ignored."""

from pathlib import Path

import numpy as np
import pytest

from halfmap.cli.main import main
from halfmap.io.model_reading import read_model_star
from halfmap.io.mrc import read_map, write_map
from halfmap.io.star import TEXT, read_star, write_star
from halfmap.model.fourier import low_pass
from halfmap.steps.solvent import solvent_mask

BASE = {
    "i": "data/particles.star",
    "ref": "data/start.mrc",
    "iter": 1,
    "ini_high": 30,
    "healpix_order": 1,
    "offset_range": 2,
    "offset_step": 2,
    "particle_diameter": 110,
    "random_seed": 3,
    "verb": 0,
    "ctf": True,
    "norm": True,
    "scale": True,
    "zero_mask": True,
}

Words = dict[str, object]

FLAT: Words = {"flatten_solvent": True}

EFFECTS: list[tuple[Words, str, Words]] = [
    ({"tau2_fudge": 4}, "map", {}),
    ({"K": 2}, "map", {}),
    ({"ref": "refs.star"}, "map", {}),
    ({"particle_diameter": 90}, "map", {}),
    ({"zero_mask": False}, "map", {}),
    (FLAT, "map", {}),
    ({"solvent_mask": "mask.mrc"}, "map", FLAT),
    ({"offset": 2}, "map", {}),
    ({"firstiter_cc": True}, "map", {}),
    ({"ini_high": 60}, "map", {}),
    ({"oversampling": 0}, "map", {}),
    ({"healpix_order": 0}, "map", {}),
    ({"psi_step": 20}, "poses", {}),
    ({"limit_tilt": 60}, "poses", {}),
    ({"sym": "C2"}, "map", {}),
    ({"offset_range": 4}, "map", {}),
    ({"offset_step": 1}, "map", {}),
    ({"perturb": 0}, "poses", {}),
    ({"sigma_ang": 10}, "poses", {}),
    ({"ctf": False}, "map", {}),
    ({"ctf_intact_first_peak": True}, "map", {}),
    ({"ctf_phase_flipped": True}, "map", {}),
    ({"only_flip_phases": True}, "map", {}),
    ({"ctf_uncorrected_ref": True}, "poses", {}),
    ({"pad_ctf": True}, "map", {}),
    ({"norm": False}, "norm", {}),
    ({"no_norm": True}, "norm", {}),
    ({"scale": False}, "scale", {}),
    ({"no_scale": True}, "scale", {}),
    ({"maxsig": 2}, "map", {}),
    ({"pad": 1}, "map", {}),
    ({"pad": 3}, "map", {}),
    ({"NN": True}, "map", {}),
    ({"r_min_nn": 3}, "map", {"NN": True}),
    ({"r_min_nn": 0}, "map", {"NN": True}),
    ({"dont_skip_gridding": True}, "map", {}),
    ({"strict_lowres_exp": 70}, "poses", {}),
    ({"fourier_mask": "frequencies.mrc"}, "poses", {}),
    ({"coarse_size": 8}, "significant", {}),
    ({"adaptive_fraction": 0.6}, "map", {}),
    ({"maskedge": 2}, "map", {}),
    ({"fix_sigma_noise": True}, "noise", {}),
    ({"fix_sigma_offset": True}, "offset_sigma", {}),
    ({"incr_size": 4}, "map", {}),
    ({"normalise": True}, "map", {}),
    ({"scratch_float16": True}, "map", {}),
    ({"nr_parts_sigma2noise": 5}, "noise", {}),
]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("options")
    words = "--phantom --n 24 --box 24 --angpix 6 --snr 0.5 --n_micrographs 3 --norm_sigma 0.2"
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        assert main(["simulate", *words.split(), "--seed", "2", "--o", "data"]) == 0
        write_map(Path("mask.mrc"), solvent_mask(24, 6.0, 80.0, 3.0), 6.0)
        start, pixel_A = read_map(Path("data/start.mrc"))
        write_map(Path("other.mrc"), np.ascontiguousarray(start[:, ::-1]), pixel_A)
        maps = np.array(["data/start.mrc", "other.mrc"], TEXT)
        write_star(Path("refs.star"), {"model_classes": {"rlnReferenceImage": maps}})
        frequencies = np.ones((24, 24, 13), np.float32)
        frequencies[:, :, 2] = 0.0
        write_map(Path("frequencies.mrc"), frequencies, 6.0)
        write_map(Path("shell.mrc"), 1.0 - solvent_mask(24, 6.0, 80.0, 3.0), 6.0)
    return folder


def refined(project: Path, name: str, **changes: object) -> Path:
    """Run one iteration with some options changed and return the root of its files."""
    words = ["refine"]
    for option, value in (BASE | changes).items():
        if value is True:
            words.append(f"--{option}")
        elif value is not False:
            words += [f"--{option}", str(value)]
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(project)
        assert main([*words, "--o", f"{name}/run"]) == 0
    return project / name / "run_it001"


def seen(root: Path, what: str) -> np.ndarray:
    """Return the part of a result that an option is to change."""
    if what == "map":
        return read_map(f"{root}_class001.mrc")[0]
    model, _ = read_model_star(Path(f"{root}_model.star"))
    of_model = {
        "noise": model.noise_variance,
        "scale": model.group_scale,
        "offset_sigma": np.array(model.offset_sigma_A),
    }
    if what in of_model:
        return of_model[what]
    labels = {
        "poses": ("rlnAngleRot", "rlnAngleTilt", "rlnAnglePsi"),
        "norm": ("rlnNormCorrection",),
        "significant": ("rlnNrOfSignificantSamples",),
    }
    table = read_star(Path(f"{root}_data.star")).table("particles")
    return np.array([[float(x) for x in table[label]] for label in labels[what]])


@pytest.fixture(scope="module")
def base(project: Path) -> Path:
    return refined(project, "base")


@pytest.mark.parametrize(
    ("changes", "what", "others"),
    EFFECTS,
    ids=[" ".join(f"--{k} {v}" for k, v in (e[2] | e[0]).items()) for e in EFFECTS],
)
def test_an_option_has_its_effect(
    project: Path, base: Path, changes: Words, what: str, others: Words
) -> None:
    """Beside a run that differs in this option alone."""
    number = EFFECTS.index((changes, what, others))
    root = refined(project, f"run{number}", **others | changes)
    without = refined(project, f"without{number}", **others) if others else base

    found, before = seen(root, what), seen(without, what)

    assert found.shape == before.shape
    assert not np.allclose(found, before, rtol=1e-4)


def test_equal_seeds_give_equal_results_and_others_do_not(project: Path, base: Path) -> None:
    again = refined(project, "again")
    other = refined(project, "other", random_seed=4)

    np.testing.assert_array_equal(seen(again, "map"), seen(base, "map"))
    assert not np.allclose(seen(other, "poses"), seen(base, "poses"), rtol=1e-4)


HALVES = {"iter": 2, "split_random_halves": True, "low_resol_join_halves": 40}


def half_model(root: Path, half: int) -> np.ndarray:
    return read_model_star(Path(f"{root}_half{half}_model.star"))[0].fsc


def test_halves_are_joined_up_to_the_limit_and_not_beyond(project: Path) -> None:
    joined = half_model(refined(project, "joined", **HALVES), 1)
    apart = half_model(refined(project, "apart", **HALVES | {"low_resol_join_halves": -1}), 1)
    limit = int(np.ceil(24 * 6.0 / 40))  # shells: box of 144 Å

    np.testing.assert_allclose(joined[:limit], 1.0)
    assert joined[limit + 2] < 0.99
    assert (apart[1:limit] < 1.0).all()


def test_both_halves_are_told_one_fsc(project: Path) -> None:
    root = refined(project, "one_fsc", **HALVES)

    np.testing.assert_array_equal(half_model(root, 1), half_model(root, 2))


def test_the_fsc_is_corrected_for_the_solvent_mask(project: Path) -> None:
    masked = {"solvent_correct_fsc": True, "solvent_mask": "mask.mrc", "flatten_solvent": True}
    plain = half_model(refined(project, "plain", **HALVES), 1)

    root = refined(project, "corrected", **HALVES | masked)

    assert not np.allclose(half_model(root, 1), plain)
    for half in (1, 2):
        assert Path(f"{root}_half{half}_class001_unfil.mrc").is_file()


@pytest.mark.parametrize(
    "changes", [{"solvent_mask2": "shell.mrc"}, {"lowpass_mask": "shell.mrc", "lowpass": 40}]
)
def test_a_region_is_not_simply_flattened(project: Path, changes: dict[str, object]) -> None:
    flattened = {"flatten_solvent": True, "solvent_mask": "mask.mrc"}
    plain = seen(refined(project, f"flat_{len(changes)}", **flattened), "map")

    found = seen(refined(project, f"region_{len(changes)}", **flattened | changes), "map")

    outside = read_map(project / "shell.mrc")[0] == 1.0
    assert not plain[outside].any()
    assert found[outside].any()


@pytest.mark.parametrize("resolution_A", [30.0, 60.0])
def test_a_region_is_kept_at_the_resolution_that_was_said(
    project: Path, base: Path, resolution_A: float
) -> None:
    flattened = {"flatten_solvent": True, "solvent_mask": "mask.mrc"}
    region = {"lowpass_mask": "shell.mrc", "lowpass": resolution_A}

    found = seen(refined(project, f"lowpass_{resolution_A}", **flattened | region), "map")

    shell = read_map(project / "shell.mrc")[0]
    expected = low_pass(seen(base, "map") * shell, 6.0, resolution_A)[shell == 1.0]
    # maps are written in single precision
    np.testing.assert_allclose(
        found[shell == 1.0], expected, rtol=0, atol=1e-5 * np.abs(expected).max()
    )


def test_only_the_starting_map_is_said_to_be_uncorrected(project: Path) -> None:
    root = refined(project, "uncorrected", ctf_uncorrected_ref=True)

    said = [
        read_star(Path(f"{root}".replace("it001", f"it00{i}") + "_optimiser.star")).lists[
            "optimiser_general"
        ]["rlnRefsAreCtfCorrected"]
        for i in (0, 1)
    ]
    assert [int(value) for value in said] == [0, 1]
