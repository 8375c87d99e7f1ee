"""Another program makes the maps: what it is told, what it may say, and all it can do wrong."""

import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import starfile

from halfmap.io.model_reading import read_model_star
from halfmap.io.mrc import read_map

from .conftest import Launch
from .tiny_project import BOX, Run, Said, assert_ran, refine

pytestmark = pytest.mark.usefixtures("tiny_project")

PROGRAM = Path(__file__).with_name("external_program.py")
VARIABLE = "RELION_EXTERNAL_RECONSTRUCT_EXECUTABLE"
EXTERNAL = "--external_reconstruct"

Mode = Callable[[str], None]


@pytest.fixture
def program(monkeypatch: pytest.MonkeyPatch) -> Mode:
    """``program("nan")``: let the program of the test behave so."""

    def choose(mode: str) -> None:
        monkeypatch.setenv(VARIABLE, shlex.join([sys.executable, str(PROGRAM), mode]))

    return choose


def relative_difference(found: np.ndarray, wanted: np.ndarray) -> float:
    return float(np.linalg.norm(found - wanted) / np.linalg.norm(wanted))


def maps(root: str) -> dict[str, np.ndarray]:
    return {
        path.name: read_map(path)[0]
        for path in sorted(Path(root).glob("run_*class001.mrc"))
        if "it000" not in path.name
    }


@pytest.mark.parametrize("halves", [False, True])
@pytest.mark.parametrize("more", [(), ("--flatten_solvent", "--tau2_fudge", "2", "--pad", "1")])
def test_a_program_that_does_as_we_do_gives_our_maps(
    run: Run, program: Mode, halves: bool, more: tuple[str, ...]
) -> None:
    program("map")
    assert_ran(run(refine("--o", "own/run", *more, halves=halves)))

    assert_ran(run(refine(EXTERNAL, *more, halves=halves)))

    own, found = maps("own"), maps("out")
    assert len(own) == (2 if halves else 1)
    assert found.keys() == own.keys()
    for name, volume in own.items():
        # tau2 travels with six decimals: 3e-4 of a power of 0.002, which decides a part.
        assert relative_difference(found[name], volume) < 5e-5


def test_the_last_iteration_of_halves_asks_for_one_map_of_all_particles(
    run: Run, program: Mode
) -> None:
    program("map")
    words = ("--auto_refine", "--split_random_halves", "--auto_iter_max", "15")
    words += ("--auto_ignore_angles", "--healpix_order", "1", "--low_resol_join_halves", "40")
    assert_ran(run(refine(EXTERNAL, *words, "--iter", "15")))

    assert Path("out/run_class001.mrc").exists(), "the run did not converge"
    last = max(int(p.name[6:9]) for p in Path("out").glob("run_it*_external_reconstruct.mrc"))
    request = Path(f"out/run_it{last:03d}_class001_external_reconstruct.star")
    asked = starfile.read(request, always_dict=True)["external_reconstruct_general"]
    assert int(asked["rlnCurrentImageSize"]) == BOX
    assert not Path(f"out/run_it{last:03d}_half1_class001_external_reconstruct.star").exists()
    np.testing.assert_array_equal(
        read_map("out/run_class001.mrc")[0], read_map(asked["rlnExtReconsResult"])[0]
    )


def test_the_program_is_told_names_sizes_and_spectra(run: Run, program: Mode) -> None:
    program("map")
    words = (EXTERNAL, "--split_random_halves", "--iter", "1", "--tau2_fudge", "1.5")
    words += ("--ini_high", "60", "--incr_size", "4")  # shells 2 + 4

    assert_ran(run(refine(*words)))

    root = "out/run_it001_half2_class001_external_reconstruct"
    blocks = starfile.read(f"{root}.star", always_dict=True)
    assert dict(blocks["external_reconstruct_general"]) == {
        "rlnExtReconsDataReal": f"{root}_data_real.mrc",
        "rlnExtReconsDataImag": f"{root}_data_imag.mrc",
        "rlnExtReconsWeight": f"{root}_weight.mrc",
        "rlnExtReconsResult": f"{root}.mrc",
        "rlnExtReconsResultStarfile": f"{root}_out.star",
        "rlnTau2FudgeFactor": 1.5,
        "rlnPaddingFactor": 2.0,
        "rlnReferenceDimensionality": 3,
        "rlnOriginalImageSize": BOX,
        "rlnCurrentImageSize": 12,
        "rlnPixelSize": 6.0,
        "rlnParticleDiameter": 120.0,
    }
    model, _ = read_model_star(Path("out/run_it001_half2_model.star"))
    spectra = blocks["external_reconstruct_tau2"]
    assert spectra["rlnSpectralIndex"].tolist() == list(range(BOX // 2 + 1))
    np.testing.assert_allclose(spectra["rlnReferenceTau2"], model.signal_variance[0], rtol=1e-6)
    np.testing.assert_allclose(spectra["rlnGoldStandardFsc"], model.fsc, rtol=1e-6)
    assert Path(f"{root}.log").read_text(encoding="utf-8") == "mode map\n"


def test_a_power_from_the_program_is_the_signal(run: Run, program: Mode) -> None:
    program("tau2")

    assert_ran(run(refine(EXTERNAL)))

    root = "out/run_it001_class001_external_reconstruct"
    told = starfile.read(f"{root}.star", always_dict=True)["external_reconstruct_tau2"]
    model, _ = read_model_star(Path("out/run_it001_model.star"))
    tau2, sigma2 = model.signal_variance[0], model.map_variance[0]
    np.testing.assert_allclose(tau2, 2.0 * told["rlnReferenceTau2"], rtol=1e-5)
    known = sigma2 > 0.0
    # both have six decimals in the file
    np.testing.assert_allclose(model.data_vs_prior[0][known], (tau2 / sigma2)[known], rtol=1e-3)
    assert not model.data_vs_prior[0][~known].any()


@pytest.mark.parametrize("halves", [False, True])
def test_a_correlation_from_the_program_is_the_fsc(run: Run, program: Mode, halves: bool) -> None:
    program("fsc")

    assert_ran(run(refine(EXTERNAL, "--tau2_fudge", "3", halves=halves)))

    name = "run_it001_half1_model.star" if halves else "run_it001_model.star"
    model, _ = read_model_star(Path("out") / name)
    fsc = np.linspace(1.0, 0.0, BOX)[: BOX // 2 + 1]  # rows beyond are passed over
    np.testing.assert_allclose(model.fsc, fsc, atol=1e-6)
    f = np.maximum(0.001, fsc)
    f = np.minimum(0.999, f if halves else np.sqrt(2.0 * f / (1.0 + f)))
    np.testing.assert_allclose(model.data_vs_prior[0], 3.0 * f / (1.0 - f), rtol=1e-3)


BROKEN = {
    "fail": (5, "ended with exit code 7, expected 0", "  mode fail", "  no licence"),
    "none": (3, "ended well, but found no out/run_it001_class001_external_reconstruct.mrc"),
    "wrong_box": (3, "found 26 x 26 x 26 px, expected 24 x 24 x 24 px"),
    "nan": (3, "has 1 voxels that are NaN or infinite"),
    "bad_spectrum": (3, "_out.star: found no rlnSpectralIndex with rlnReferenceTau2 or"),
}


def assert_stopped(said: Said | subprocess.CompletedProcess[str], code: int, *phrases: str) -> None:
    err = said.err if isinstance(said, Said) else said.stderr
    assert (said.code if isinstance(said, Said) else said.returncode) == code, err
    for phrase in phrases:
        assert phrase in err
    assert err.count("halfmap:") == 1
    assert "Traceback" not in err
    assert not Path("out/run_it001_optimiser.star").exists()


@pytest.mark.parametrize("mode", BROKEN)
def test_a_program_that_breaks_the_protocol_stops_the_run(
    run: Run, program: Mode, mode: str
) -> None:
    program(mode)

    assert_stopped(run(refine(EXTERNAL)), *BROKEN[mode])


def test_a_result_of_an_older_run_is_not_taken_for_a_new_one(run: Run, program: Mode) -> None:
    program("map")
    assert_ran(run(refine(EXTERNAL)))
    program("none")
    Path("out/run_it001_optimiser.star").unlink()

    said = run(refine(EXTERNAL, "--overwrite"))

    assert_stopped(said, 3, "ended well, but found no")


def test_a_program_that_hangs_is_ended_after_its_time(run: Run, program: Mode) -> None:
    program("hang")
    begun = time.monotonic()

    said = run(refine(EXTERNAL, "--external_time_limit", "3"))

    assert_stopped(said, 5, "did not end within 3 s", "Raise --external_time_limit")
    assert time.monotonic() - begun < 60.0
    listed = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True)
    assert f"{PROGRAM} hang" not in listed.stdout


@pytest.mark.parametrize(
    ("mode", "phrase"),
    [("fail", "failed on rank 1: `"), ("fail_half2", "failed on rank 2: `")],
)
def test_on_several_ranks_one_message_ends_all(
    halfmap: Launch, tiny_project: Path, program: Mode, mode: str, phrase: str
) -> None:
    program(mode)

    done = halfmap(tiny_project, *refine(EXTERNAL, "--verb", "0", halves=True), ranks=3)

    assert_stopped(done, 5, f"making the maps {phrase}", "ended with exit code 7")


def test_any_number_of_ranks_gives_the_same_maps(
    halfmap: Launch, tiny_project: Path, run: Run, program: Mode
) -> None:
    program("map")
    assert_ran(run(refine(EXTERNAL, "--o", "alone/run", halves=True)))

    done = halfmap(tiny_project, *refine(EXTERNAL, "--o", "ranks/run", halves=True), ranks=3)

    assert done.returncode == 0, done.stderr
    alone, ranks = maps("alone"), maps("ranks")
    assert alone.keys() == ranks.keys()
    for name, volume in alone.items():
        np.testing.assert_array_equal(ranks[name], volume)


def test_a_program_that_is_not_there_is_missed_before_any_work(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, "no_such_program --fast")

    said = run(refine(EXTERNAL))

    assert_stopped(said, 2, "--external_reconstruct: found no program no_such_program", VARIABLE)
    assert not Path("out").exists()


def test_each_class_is_asked_for(
    halfmap: Launch, tiny_project: Path, run: Run, program: Mode
) -> None:
    program("map")
    words = ("--K", "2", "--iter", "2")
    assert_ran(run(refine(*words, "--o", "own/run")))

    done = halfmap(tiny_project, *refine(EXTERNAL, *words), ranks=3)

    assert done.returncode == 0, done.stderr
    for k in (1, 2):
        name = f"run_it002_class{k:03d}.mrc"
        own, found = read_map(f"own/{name}")[0], read_map(f"out/{name}")[0]
        assert relative_difference(found, own) < 5e-5


def test_the_sums_must_fit_on_the_disc(
    run: Run, program: Mode, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What an external program is given is larger than all that a run writes otherwise."""
    program("map")
    room = 4 * 2**20
    usage = shutil.disk_usage(".")._replace(free=room)
    monkeypatch.setattr("halfmap.io.output.shutil.disk_usage", lambda _: usage)

    assert_ran(run(refine("--o", "own/run")))
    said = run(refine(EXTERNAL))

    assert said.code == 3
    assert "4.0 MiB left; the run needs about" in said.err


def test_a_correlation_of_the_program_does_not_widen_the_window(run: Run, program: Mode) -> None:
    """The margin beyond the resolution comes from what the halves have in common."""
    words = ("--split_random_halves", "--iter", "2", "--ini_high", "60", "--incr_size", "1")
    program("map")
    assert_ran(run(refine(EXTERNAL, *words)))
    program("fsc")
    assert_ran(run(refine(EXTERNAL, *words, "--o", "told/run")))

    own, told = (
        starfile.read(f"{folder}/run_it001_optimiser.star", always_dict=True)["optimiser_general"]
        for folder in ("out", "told")
    )

    assert told["rlnIncrementImageSize"] == own["rlnIncrementImageSize"]
