"""One unit of particles through the whole expectation, on a density of 24 px."""

from dataclasses import fields, replace

import numpy as np
from numpy import ndarray as Array
from small_search import GLOBAL, density, images, model, particles, plan, search

from halfmap.kernels.protocol import Kernels
from halfmap.model.orientations import (
    child_angles_deg,
    child_translations_A,
    direction_pixels,
    psi_angles_deg,
)
from halfmap.model.particles import Particles, Poses
from halfmap.model.rotations import angular_distance_deg, euler_matrices
from halfmap.model.sampling import Sampling
from halfmap.model.sums import ExpectationSums
from halfmap.steps.expectation import UnitResult, Workspace, run_unit
from halfmap.steps.search import Search
from halfmap.steps.search_plan import SearchRules

NOISE = 0.3
"""Of the images. The search assumes more, or coarse states would be out of reach of the best."""


ASSUMED = 4.0


N = 6


EXHAUSTIVE = replace(GLOBAL, oversampling=0)
"""One pass, so that nothing can be missed."""


def true_poses(sampling: Sampling, n: int = N) -> tuple[Array, Array]:
    """Poses that the fine grid holds."""
    rng = np.random.default_rng(4)
    pixel, _ = direction_pixels(sampling)
    psi = psi_angles_deg(sampling)
    rows = rng.integers(0, len(pixel), n), rng.integers(0, len(psi), n)
    angles = child_angles_deg(sampling, pixel[rows[0]], psi[rows[1]])
    offsets = child_translations_A(sampling).reshape(-1, 2)
    some = rng.integers(0, len(offsets), n)
    return angles[np.arange(n), rng.integers(0, angles.shape[1], n)], offsets[some]


def data(
    sampling: Sampling, noise: float = NOISE, those: Particles | None = None
) -> tuple[Array, Particles, Array, Array]:
    those = those or particles(N)
    angles, offsets = true_poses(sampling, len(those))
    return images(density(), those, angles, offsets, noise), those, angles, offsets


def global_search_of(those: Particles, kernels: Kernels, **rules: object) -> Search:
    known = model(density()[None], GLOBAL, ASSUMED, len(those.optics))
    return search(known, plan(those, GLOBAL, SearchRules(**rules)), kernels)  # type: ignore[arg-type]


def exhaustive_search_of(those: Particles, kernels: Kernels, **rules: object) -> Search:
    known = model(density()[None], EXHAUSTIVE, ASSUMED)
    return search(known, plan(those, EXHAUSTIVE, SearchRules(**rules)), kernels)  # type: ignore[arg-type]


def run(
    pictures: Array, those: Particles, made: Search, poses: Poses | None = None
) -> tuple[UnitResult, ExpectationSums]:
    rows = np.arange(len(pictures))
    workspace, sums = Workspace(made), made.zero_sums()
    found = run_unit(pictures, rows, those, poses or Poses.unknown(len(rows)), made, workspace)
    workspace.add_to(sums)
    return found, sums


def distance_deg(found: UnitResult, angles: Array) -> Array:
    """From the true poses; an arc cosine, so equal poses are up to 1e-6° apart."""
    none = np.zeros((0, 3, 3))
    return angular_distance_deg(euler_matrices(found.angles_deg), euler_matrices(angles), none)


def assert_same(
    a: tuple[UnitResult, ExpectationSums], b: tuple[UnitResult, ExpectationSums]
) -> None:
    """To the last bit."""
    for field in fields(UnitResult):
        np.testing.assert_array_equal(getattr(a[0], field.name), getattr(b[0], field.name))
    for mine, other in zip(a[1].arrays(), b[1].arrays(), strict=True):
        np.testing.assert_array_equal(mine, other)


def relative_difference(found: Array, expected: Array) -> float:
    """Length of the difference of two integer sums, in units of that of the expected one."""
    difference = np.linalg.norm((found - expected).astype(float))
    return float(difference / np.linalg.norm(expected.astype(float)))
