"""Sums over the hits: what is inserted into the volume, and the shells."""

from itertools import pairwise

import numpy as np
import pytest
from numpy import ndarray as Array

from halfmap.kernels.numba_cpu import accumulate_dense
from halfmap.kernels.protocol import (
    GUARD,
    Grid,
    HitGeometry,
    Kernels,
    Pixels,
    Samples,
    ShellSums,
    Spectra,
)
from halfmap.kernels.registry import BACKENDS, make_kernels
from halfmap.model.padded_sphere import PaddedSphere

from .small_problem import DISC, PLANE, REFERENCE, SPHERE, empty_grid, hits_of, some_axes


def accumulated(
    k: Kernels, samples: Samples, spectra: Spectra, ramps: Array, slices: Array, axes: Array
) -> tuple[Grid, ShellSums]:
    hits, _ = hits_of(REFERENCE, samples, np.random.default_rng(5))
    pixels = Pixels(DISC.kx.astype(np.float32), DISC.ky.astype(np.float32))
    # hits of an image lie on different slices, in rising order; images share slices
    row = np.concatenate([np.arange(m) for m in np.diff(hits.first_hit)])
    geometry = HitGeometry(pixels, DISC.shell.astype(np.int32), axes, np.arange(24) % 2, row)
    grid = empty_grid(2, SPHERE if axes[:, 2].any() else PLANE)
    sums = ShellSums(np.zeros((3, 2, 13)), np.zeros((3, 2, 13)))
    flat = ramps.reshape(20, -1)
    k.accumulate(spectra, flat, hits, slices, geometry, (grid, sums))
    return grid, sums


def assert_sums_agree(found: tuple[Grid, ShellSums], expected: tuple[Grid, ShellSums]) -> None:
    # voxels are sums of up to a hundred terms in single precision
    pairs = zip((found[0].values, *found[1]), (expected[0].values, *expected[1]), strict=True)
    for mine, wanted in pairs:
        np.testing.assert_allclose(mine, wanted, rtol=0, atol=2e-6 * np.abs(wanted).max())


def test_accumulated_sums_agree(
    kernels: Kernels, samples: Samples, spectra: Spectra, ramps: Array, slices: Array, axes: Array
) -> None:
    problem = (samples, spectra, ramps, slices, axes)

    found = accumulated(kernels, *problem)

    assert_sums_agree(found, accumulated(REFERENCE, *problem))


def test_flat_posteriors_are_accumulated_as_peaked_ones(
    monkeypatch: pytest.MonkeyPatch,
    samples: Samples,
    spectra: Spectra,
    ramps: Array,
    sphere: PaddedSphere,
) -> None:
    # as if every posterior were flat, in pieces that do not divide the number of slices
    monkeypatch.setattr(accumulate_dense, "SHIFTS_PER_HIT", 0)
    monkeypatch.setattr(accumulate_dense, "CHUNK", 5)
    axes = some_axes(np.random.default_rng(3), sphere)
    cut = np.empty((24, DISC.width), np.float32)
    cut[:] = np.random.default_rng(4).normal(size=cut.shape)

    found = accumulated(make_kernels("numba"), samples, spectra, ramps, cut, axes)

    assert_sums_agree(found, accumulated(REFERENCE, samples, spectra, ramps, cut, axes))


@pytest.mark.parametrize("name", BACKENDS)
def test_insertion_conserves_the_weight(
    name: str, samples: Samples, spectra: Spectra, ramps: Array, slices: Array, axes: Array
) -> None:
    # The interpolation weights around a point sum to one: nothing is lost at the rim.
    grid, _ = accumulated(make_kernels(name), samples, spectra, ramps, slices, axes)

    hits, _ = hits_of(REFERENCE, samples, np.random.default_rng(5))
    mass = REFERENCE.moments(hits, np.zeros((20, 2)))[:, 0]
    weight = np.array([mass[a:b].sum() for a, b in pairwise(hits.first_hit)])
    # every pixel is spread over eight voxels in single precision
    expected = weight @ spectra.weight.astype(np.float64).sum(axis=1)
    assert grid.values[:, 2:-GUARD:3].sum(dtype=np.float64) == pytest.approx(expected, rel=1e-5)
