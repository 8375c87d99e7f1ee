"""A kernel problem of 3 images and 24 orientations, and what two backends make of it.

Tolerances: single precision is 6e-8 a number; sums of n random terms lose about sqrt(n) of
that, relative to the sum of magnitudes.
"""

from collections.abc import Callable

import numpy as np
from numpy import ndarray as Array

from halfmap.kernels.protocol import GUARD, Grid, Hits, Kernels, Samples
from halfmap.kernels.reference import ReferenceKernels
from halfmap.model.disc import make_disc
from halfmap.model.padded_sphere import PaddedSphere
from halfmap.model.rotations import euler_matrices
from halfmap.model.touched_voxels import row_starts

REFERENCE = ReferenceKernels()


DISC = make_disc(16, 8)
SPHERE = PaddedSphere(r_max=8, padding=2.0)
PLANE = PaddedSphere(r_max=8, padding=2.0, flat=True)
N = len(DISC)


def some_axes(rng: np.random.Generator, sphere: PaddedSphere) -> Array:
    angles = rng.uniform(-180.0, 180.0, (24, 3))
    if sphere.flat:
        angles[:, :2] = 0.0
    matrices = euler_matrices(angles)
    return (2.0 * matrices[:, :2]).reshape(-1, 6).astype(np.float32)


def both(kernels: Kernels, call: Callable[[Kernels, Array], None], shape: tuple[int, ...]) -> None:
    """Assert that two backends fill all of the same array, to 1e-5 of its largest number."""
    found, expected = np.full((2, *shape), np.nan, np.float32)
    call(kernels, found)
    call(REFERENCE, expected)
    assert np.isfinite(expected).all()
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5 * np.abs(expected).max())


def fine_problem(rng: np.random.Generator) -> tuple[Array, Array, tuple[Array, Array]]:
    """Scores and priors; the three groups are of the classes 0, 1, 0."""
    scores = rng.normal(scale=3.0, size=(6, 8, 4)).astype(np.float32)
    orientation, shift = (rng.normal(size=s).astype(np.float32) for s in (3, (3, 2, 5)))
    return scores, orientation, (shift, np.array([0, 1, 0]))


def hits_of(k: Kernels, samples: Samples, rng: np.random.Generator) -> tuple[Hits, Array]:
    scores, orientation, shift = fine_problem(rng)
    _, totals = REFERENCE.weigh_fine(scores, samples, orientation, shift)
    return k.list_hits(scores, samples, np.array([0.3, 0.0, 0.05], np.float32), totals)


def empty_grid(n_classes: int, sphere: PaddedSphere) -> Grid:
    rows = row_starts(sphere)
    floats = np.zeros((n_classes, 3 * rows[-1] + GUARD), np.float32)
    return Grid(floats, rows, sphere.half, 0, sphere.shape[0])
