"""The expectation alone, beside RELION's: poses, likelihoods, and the sums before any prior.

RELION finds its significance threshold from running sums in single precision. With the exact sums
of halfmap one particle of golden ``em`` gets another pose, with a higher likelihood; with that
rounding imitated everything agrees, and tightly.
"""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mrcfile
import numpy as np
import pytest
import starfile
from numpy import ndarray as Array

from halfmap.io.mrc import read_map
from halfmap.io.particle_table import read_particles
from halfmap.io.stacks import ImageSource
from halfmap.model.exact import decode
from halfmap.model.fourier import low_pass, pixels_per_shell
from halfmap.model.half_model import HalfModel
from halfmap.model.orientations import direction_pixels
from halfmap.model.padded_sphere import PaddedSphere
from halfmap.model.particles import Particles
from halfmap.model.rotations import euler_matrices
from halfmap.model.sampling import Sampling
from halfmap.model.sums import ExpectationSums
from halfmap.steps.complete_sums import hermitian
from halfmap.steps.expectation import UnitResult, Workspace, run_unit
from halfmap.steps.references import fourier_reference
from halfmap.steps.search import Search
from halfmap.steps.search_plan import SearchRules

from .golden_search import BOX, DIAMETER_A, PIXEL_A, golden_search

UNIT = 60


@dataclass(frozen=True)
class Case:
    """What distinguishes the golden runs."""

    folder: str
    particles: str
    low_pass_A: float
    order: int
    prior_sigma_deg: float | None

    @property
    def sampling(self) -> Sampling:
        sigma = self.prior_sigma_deg
        return Sampling(
            healpix_order=self.order,
            psi_step_deg=60.0 / 2**self.order,
            offset_range_A=25.0,
            offset_step_A=10.0,
            oversampling=1,
            symmetry="C1",
            prior_sigma_deg=None if sigma is None else (sigma, sigma, sigma),
        )


EM = Case("em", "p240.star", 30.0, 1, None)
LOCAL = Case("local", "p240_near.star", 25.0, 4, 3.0)


@dataclass(frozen=True)
class Outcome:
    search: Search
    particles: Particles
    rows: UnitResult
    sums: ExpectationSums
    theirs: Any
    """RELION's particle table after the iteration."""

    @property
    def same_pose(self) -> Array:
        names = ["rlnAngleRot", "rlnAngleTilt", "rlnAnglePsi"]
        turned = euler_matrices(self.rows.angles_deg) - euler_matrices(
            self.theirs[names].to_numpy()
        )
        moved = self.rows.offset_A - self.theirs[["rlnOriginXAngst", "rlnOriginYAngst"]].to_numpy()
        # RELION writes six digits
        return (np.abs(turned).max(axis=(1, 2)) < 1e-3) & (np.abs(moved).max(axis=1) < 1e-3)


def half_model(golden: Path, case: Case) -> HalfModel:
    """State before the first iteration, with RELION's own first noise spectra."""
    tables = starfile.read(golden / case.folder / "run_it000_model.star", always_dict=True)
    noise = [
        tables[f"model_optics_group_{g}"]["rlnSigma2Noise"].to_numpy()[: BOX // 2 + 1]
        for g in (1, 2)
    ]
    volume, _ = read_map(golden / "ref.mrc")
    n_directions = len(direction_pixels(case.sampling)[0])
    return HalfModel.untrained(
        maps=low_pass(volume, PIXEL_A, case.low_pass_A)[None],
        noise_variance=np.array(noise),
        data_vs_prior=tables["model_class_1"]["rlnSsnrMap"].to_numpy()[None, : BOX // 2 + 1],
        offset_sigma_A=1e5,
        counts=(n_directions, len(tables["model_groups"])),
    )


def search_of(golden: Path, case: Case, particles: Particles, rules: SearchRules) -> Search:
    model = half_model(golden, case)
    size = 2 * (round(BOX * PIXEL_A / case.low_pass_A) + 10)
    step_A = math.pi * DIAMETER_A * case.sampling.angular_step_deg / 360.0
    coarse_size = min(size, 2 * math.ceil(1.2 * BOX * PIXEL_A / step_A))
    references = (fourier_reference(model.maps[0], size, 2.0),)
    how = (case.sampling, rules)
    return golden_search(model, references, particles, (size, coarse_size), how)


def expectation(golden: Path, case: Case, rules: SearchRules) -> Outcome:
    """Run one iteration over all particles."""
    particles, poses, _ = read_particles(golden / case.particles, ctf=True, half_seed=None)
    source = ImageSource(particles.stacks)
    search = search_of(golden, case, particles, rules)
    workspace, sums = Workspace(search), search.zero_sums()
    found = UnitResult.empty(len(particles), 1)
    for first in range(0, len(particles), UNIT):
        unit = np.arange(first, min(first + UNIT, len(particles)))
        images = source.read(particles.stack[unit], particles.slice[unit], BOX)
        rows = run_unit(images, unit, particles, poses[unit], search, workspace)
        workspace.add_to(sums)
        for name in UnitResult.__slots__:
            getattr(found, name)[unit] = getattr(rows, name)
    theirs = starfile.read(golden / case.folder / "run_it001_data.star", always_dict=True)
    names = [particles.name(row).split("@")[0] for row in range(len(particles))]
    table = theirs["particles"].set_index(theirs["particles"]["rlnImageName"].str[:6]).loc[names]
    return Outcome(search, particles, found, sums, table)


@pytest.fixture(scope="module")
def golden(shared: Path) -> Path:
    return shared / "golden" / "relion"


@pytest.fixture(scope="module")
def exact(golden: Path) -> Outcome:
    return expectation(golden, EM, SearchRules())


@pytest.fixture(scope="module")
def imitated(golden: Path) -> Outcome:
    return expectation(golden, EM, SearchRules(single_precision_sums=True))


@pytest.fixture(scope="module")
def local(golden: Path) -> Outcome:
    return expectation(golden, LOCAL, SearchRules())


def test_poses_are_relions_or_more_likely(exact: Outcome) -> None:
    same = exact.same_pose
    gain = exact.rows.log_likelihood - exact.theirs["rlnLogLikeliContribution"].to_numpy()

    assert same.sum() >= 237
    assert (gain[~same] > -0.15).all()


def test_with_relions_rounding_every_pose_is_relions(imitated: Outcome) -> None:
    assert imitated.same_pose.all()
    ours = imitated.rows.n_significant
    theirs = imitated.theirs["rlnNrOfSignificantSamples"].to_numpy()
    # the order of its additions decides the last few
    assert np.abs(ours - theirs).max() <= 4
    assert (ours == theirs).mean() > 0.6


def test_every_pose_of_a_local_search_is_relions(local: Outcome) -> None:
    assert local.same_pose.all()
    ours = local.rows.n_significant
    theirs = local.theirs["rlnNrOfSignificantSamples"].to_numpy()
    assert np.abs(ours - theirs).max() <= 2


@pytest.mark.parametrize("name", ["exact", "imitated", "local"])
def test_likelihoods_posteriors_and_norms_agree(name: str, request: pytest.FixtureRequest) -> None:
    run: Outcome = request.getfixturevalue(name)
    same, theirs = run.same_pose, run.theirs
    likelihood = run.rows.log_likelihood - theirs["rlnLogLikeliContribution"].to_numpy()
    posterior = run.rows.max_probability - theirs["rlnMaxValueProbDistribution"].to_numpy()
    norm = run.rows.norm / theirs["rlnNormCorrection"].to_numpy() - 1.0

    # bounds for a single-precision implementation with exact sums
    assert np.abs(likelihood[same]).max() <= 0.15
    assert np.median(np.abs(posterior[same])) <= 5e-4
    assert np.quantile(np.abs(posterior[same]), 0.99) <= 0.03
    assert np.abs(norm[same]).max() <= 2e-3


def golden_sums(golden: Path) -> tuple[Array, Array]:
    """Numerator and weight that RELION wrote, in our layout."""
    real, imaginary, weight = (
        mrcfile.read(golden / f"sums/run_it001_class001_external_reconstruct_{part}.mrc")
        for part in ("data_real", "data_imag", "weight")
    )
    half = PaddedSphere(21, 2.0).half
    k = np.arange(-half, half + 1) % len(weight)
    where = np.ix_(k, k, np.arange(half + 1))
    return (real + 1j * imaginary)[where].astype(complex), weight[where].astype(float)


def relative_rms(found: Array, expected: Array) -> float:
    return float(np.linalg.norm(found - expected) / np.linalg.norm(expected))


def test_with_relions_rounding_the_sums_are_relions(imitated: Outcome, golden: Path) -> None:
    search = imitated.search
    (sums,), noise, directions = decode(imitated.sums, search.scales, search.sphere)
    signal, weight = golden_sums(golden)
    # RELION keeps or drops pixels of the outermost shell by rounding
    inside = search.sphere.squared_radius() < (2 * 20 - 1) ** 2

    complete = hermitian(sums)

    assert relative_rms(complete.weight[inside], weight[inside]) < 4e-4
    assert relative_rms(complete.signal[inside], signal[inside]) < 1e-3
    tables = starfile.read(golden / "em/run_it001_model.star", always_dict=True)
    per_group = np.bincount(imitated.particles.optics_group, imitated.rows.weight)
    variance = noise / (2.0 * per_group[:, None] * pixels_per_shell(BOX))
    for g in (0, 1):
        expected = tables[f"model_optics_group_{g + 1}"]["rlnSigma2Noise"].to_numpy()
        np.testing.assert_allclose(variance[g], expected, rtol=7e-5)
    occupied = tables["model_pdf_orient_class_1"]["rlnOrientationDistribution"].to_numpy()
    np.testing.assert_allclose(directions[0] / directions.sum(), occupied, atol=5e-5)
