"""2D classification, one iteration at a time from RELION's own files of the one before.

Posteriors are flat here (the largest is of the order of 0.001), so that the two best poses of many
particles are within a few percent of each other and rounding decides between them.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import starfile
from numpy import ndarray as Array

from halfmap.cli.main import main
from halfmap.io.model_reading import read_model_star
from halfmap.io.run_folder import RunState, read_run
from halfmap.io.stacks import ImageSource
from halfmap.model.exact import decode
from halfmap.model.half_model import HalfModel
from halfmap.model.noise import initial_signal_to_noise
from halfmap.model.particle_totals import ParticleTotals
from halfmap.model.schedule_rules import ScheduleRules
from halfmap.steps.complete_sums import hermitian
from halfmap.steps.expectation import UnitResult, Workspace, run_unit
from halfmap.steps.maximisation import spectra
from halfmap.steps.reconstruction import reconstruct
from halfmap.steps.references import fourier_reference
from halfmap.steps.resolution import image_sizes
from halfmap.steps.search_plan import SearchRules
from halfmap.steps.statistics_update import HalfMaps, HalfStatistics, UpdateRules, updated_model

from .golden_search import BOX, DIAMETER_A, PIXEL_A, golden_search

FUDGE = 2.0
UNIT = 60


@dataclass(frozen=True)
class Outcome:
    size: int
    rows: UnitResult
    model: HalfModel
    theirs: RunState
    table: Any

    @property
    def same_pose(self) -> Array:
        """In the order of RELION's table, which is that of the one read."""
        turned = self.rows.angles_deg[:, 2] - self.table["rlnAnglePsi"].to_numpy()
        names = ["rlnOriginXAngst", "rlnOriginYAngst"]
        moved = np.abs(self.rows.offset_A - self.table[names].to_numpy()).max(axis=1)
        same_class = self.rows.class_index + 1 == self.table["rlnClassNumber"].to_numpy()
        turned = (turned + 180.0) % 360.0 - 180.0
        return same_class & (np.abs(turned) < 1e-3) & (moved < 1e-3)


def iterate(golden: Path, begin: int, rules: SearchRules) -> Outcome:
    """Do what RELION did in the iteration after ``begin``."""
    folder = golden / "class2d"
    state = read_run(folder / f"run_it{begin:03d}_optimiser.star")
    theirs = read_run(folder / f"run_it{begin + 1:03d}_optimiser.star")
    old, sampling, particles = state.halves[0], state.schedule.sampling, state.particles
    limits = ScheduleRules(
        box=BOX, pixel_size_A=PIXEL_A, particle_diameter_A=DIAMETER_A, automatic=False, split=False
    )
    size, coarse_size = image_sizes(state.schedule, limits)
    references = tuple(fourier_reference(volume, size, 2.0) for volume in old.maps)
    old = replace(old, signal_variance=np.stack([r.power for r in references]))
    search = golden_search(old, references, particles, (size, coarse_size), (sampling, rules))
    source = ImageSource((str(golden / "p240.mrcs"),))
    workspace, sums = Workspace(search), search.zero_sums()
    found = UnitResult.empty(len(particles), len(references))
    for first in range(0, len(particles), UNIT):
        unit = np.arange(first, min(first + UNIT, len(particles)))
        pictures = source.read(particles.stack[unit], particles.slice[unit], BOX)
        rows = run_unit(pictures, unit, particles, state.poses[unit], search, workspace)
        workspace.add_to(sums)
        for name in UnitResult.__slots__:
            getattr(found, name)[unit] = getattr(rows, name)
    fourier, noise, directions = decode(sums, search.scales, search.sphere)
    estimates = tuple(
        spectra(hermitian(volume), BOX, power, FUDGE)
        for volume, power in zip(fourier, old.signal_variance, strict=True)
    )
    maps = np.stack(
        [
            reconstruct(volume, BOX, estimate.signal_variance, FUDGE)
            for volume, estimate in zip(fourier, estimates, strict=True)
        ]
    )
    totals = ParticleTotals.of_rows(found, particles, np.arange(len(particles)))
    counts = search.plan.images.geometry.pixels_per_shell()[None]
    model = updated_model(
        old,
        HalfStatistics(noise, counts, directions, totals),
        HalfMaps(maps, estimates, np.zeros(BOX // 2 + 1)),
        UpdateRules(offset_sigma=False, offset_mean=True),
    )
    table = starfile.read(folder / f"run_it{begin + 1:03d}_data.star", always_dict=True)
    return Outcome(size, found, model, theirs, table["particles"])


@pytest.fixture(scope="module", params=[1, 3], ids=["iteration2", "iteration4"])
def begin(request: pytest.FixtureRequest) -> int:
    return int(request.param)


@pytest.fixture(scope="module", params=[False, True], ids=["exact", "imitated"])
def run(shared: Path, begin: int, request: pytest.FixtureRequest) -> Outcome:
    """With exact sums, and with RELION's rounding of the significance threshold."""
    rules = SearchRules(single_precision_sums=request.param)
    return iterate(shared / "golden" / "relion", begin, rules)


def relative(found: Array, expected: Array) -> float:
    """Largest deviation where RELION has something."""
    known = expected != 0.0
    return float(np.abs(found[known] / expected[known] - 1.0).max())


def test_poses_and_classes_are_relions(run: Outcome) -> None:
    theirs = run.table["rlnMaxValueProbDistribution"].to_numpy()

    # All agree here. On another machine rounding may decide otherwise between two poses as good.
    assert run.same_pose.sum() >= 230
    np.testing.assert_allclose(run.rows.max_probability, theirs, rtol=0.02)


def test_likelihoods_norms_and_counts_agree(run: Outcome) -> None:
    likelihood = run.table["rlnLogLikeliContribution"].to_numpy()
    n_significant = run.table["rlnNrOfSignificantSamples"].to_numpy()
    norm = run.table["rlnNormCorrection"].to_numpy()

    np.testing.assert_allclose(run.rows.log_likelihood, likelihood, rtol=0, atol=0.15)
    np.testing.assert_allclose(run.rows.n_significant, n_significant, rtol=0.02)
    # RELION adds thousands of tiny terms in single precision: its norms are low
    np.testing.assert_allclose(run.rows.norm, norm, rtol=5e-3)
    assert run.size == run.theirs.schedule.current_size


def test_class_averages_and_their_spectra_agree(run: Outcome) -> None:
    ours, theirs, last = run.model, run.theirs.halves[0], run.size // 2

    for mine, wanted in zip(ours.maps, theirs.maps, strict=True):
        # with other poses for a few particles 1e-3; all are the same here: 5e-5
        assert np.linalg.norm(mine - wanted) < 1e-3 * np.linalg.norm(wanted)
    for field in ("map_variance", "signal_variance", "data_vs_prior"):
        mine, wanted = getattr(ours, field)[:, :last], getattr(theirs, field)[:, :last]
        assert relative(mine, wanted) < 3e-3, field
    assert relative(ours.noise_variance, theirs.noise_variance) < 1e-3
    assert relative(ours.group_scale, theirs.group_scale) < 4e-3


def test_class_fractions_and_offsets_agree(run: Outcome) -> None:
    ours, theirs = run.model, run.theirs.halves[0]

    np.testing.assert_allclose(ours.class_fraction, theirs.class_fraction, atol=1e-4)
    # RELION divides by the weight of all classes, so that rare classes seem centred
    as_relion = ours.offset_mean_A * ours.class_fraction[:, None]
    np.testing.assert_allclose(as_relion, theirs.offset_mean_A, atol=1e-3)


def test_the_first_guess_of_signal_and_resolution_is_relions(shared: Path) -> None:
    folder = shared / "golden" / "relion" / "class2d"
    theirs, _ = read_model_star(folder / "run_it000_model.star")

    found = [
        initial_signal_to_noise(volume, theirs.noise_variance, 240 / 4, FUDGE)
        for volume in theirs.maps
    ]

    # the references were filtered to shell 4: what is beyond is rounding
    for (signal, ratio), tau2, dvp in zip(
        found, theirs.signal_variance, theirs.data_vs_prior, strict=True
    ):
        # six decimals
        np.testing.assert_allclose(signal[:5], tau2[:5], rtol=1e-5, atol=6e-7)
        np.testing.assert_allclose(ratio[:5], dvp[:5], rtol=1e-5, atol=6e-7)


def test_from_random_seeds_as_much_is_learnt_as_by_relion(
    shared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # RELION's own command; chance seeds other classes, so only totals can be compared
    golden = shared / "golden" / "relion"
    monkeypatch.chdir(golden)
    words = (golden / "class2d" / "command.txt").read_text().split()[1:]
    words[words.index("--o") + 1] = str(tmp_path / "run")
    words[words.index("--verb") + 1] = "0"

    assert main(["refine", *words]) == 0

    for iteration in (1, 2, 3, 4):
        name = f"run_it{iteration:03d}_optimiser.star"
        ours, theirs = read_run(tmp_path / name), read_run(golden / "class2d" / name)
        mine, wanted = ours.halves[0], theirs.halves[0]
        # runs of other seeds of ours differ by as much
        assert mine.log_likelihood == pytest.approx(wanted.log_likelihood, rel=3e-3)
        assert mine.mean_norm == pytest.approx(wanted.mean_norm, rel=1e-2)
        assert abs(ours.schedule.current_size - theirs.schedule.current_size) <= 2
        assert (mine.class_fraction > 0.02).all()
    for image in mine.maps:  # each is a particle on flat ground, as RELION's are
        assert image[0, 24:40, 24:40].mean() > 3.0 * np.abs(image[0, :6].mean())


def test_a_run_of_relion_goes_on_as_relion_went_on(
    shared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    golden = shared / "golden" / "relion"
    monkeypatch.chdir(golden)  # its files name the images from here
    words = ["refine", "--continue", "class2d/run_it003_optimiser.star", "--iter", "4"]

    assert main([*words, "--o", str(tmp_path / "run"), "--verb", "0"]) == 0

    ours = read_run(tmp_path / "run_it004_optimiser.star").halves[0]
    theirs = read_run(golden / "class2d" / "run_it004_optimiser.star").halves[0]
    for mine, wanted in zip(ours.maps, theirs.maps, strict=True):
        # from the six digits of its tables; 6e-5 here, where all poses are the same
        assert np.linalg.norm(mine - wanted) < 1e-3 * np.linalg.norm(wanted)
