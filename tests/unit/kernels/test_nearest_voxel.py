"""Pixels beyond the linear shells take from, and give to, one voxel."""

import numpy as np
import pytest
from numpy import ndarray as Array

from halfmap.kernels.protocol import (
    GUARD,
    HitGeometry,
    Hits,
    Kernels,
    Pixels,
    Samples,
    ShellSums,
    Spectra,
    Volume,
)
from halfmap.kernels.registry import BACKENDS, make_kernels
from halfmap.model.padded_sphere import PaddedSphere

from .small_problem import DISC, REFERENCE, both, empty_grid, hits_of

LINEAR_SQUARE = 5.0**2


@pytest.fixture
def nearest(pixels: Pixels) -> Pixels:
    return pixels._replace(linear_square=LINEAR_SQUARE)


@pytest.mark.parametrize("name", BACKENDS)
def test_beyond_the_linear_shells_a_slice_has_the_values_of_voxels(
    name: str, volume: Volume, axes: Array, nearest: Pixels, sphere: PaddedSphere
) -> None:
    out = np.empty((24, DISC.width), np.float32)

    make_kernels(name).project(volume, axes, nearest, out)

    found = out.view(np.complex64)[:, : len(DISC)]
    point = np.einsum("p,sa->spa", DISC.kx, axes[:, :3].astype(float))
    point += np.einsum("p,sa->spa", DISC.ky, axes[:, 3:].astype(float))
    point *= np.where(point[..., :1] < 0.0, -1.0, 1.0)
    x, y, z = np.moveaxis(np.floor(point + 0.5).astype(int), -1, 0)
    voxels = volume.values.view(np.complex64).reshape(sphere.shape)
    expected = voxels[z + sphere.half_z, y + sphere.half, x]
    beyond = DISC.kx**2 + DISC.ky**2 >= LINEAR_SQUARE
    # single precision may round a coordinate near a half the other way: then it is a neighbour's
    unsure = np.abs(point - np.floor(point) - 0.5).min(axis=-1) < 1e-5
    same = np.abs(found.real - expected.real) < 1e-6
    assert (same | unsure)[:, beyond].all()
    assert not same[:, ~beyond].all()


def test_below_they_are_linear(
    kernels: Kernels, volume: Volume, axes: Array, pixels: Pixels, nearest: Pixels
) -> None:
    plain, found = np.empty((2, 24, DISC.width), np.float32)
    kernels.project(volume, axes, pixels, plain)

    kernels.project(volume, axes, nearest, found)

    within = np.flatnonzero(np.repeat(DISC.kx**2 + DISC.ky**2 < LINEAR_SQUARE, 2))
    np.testing.assert_array_equal(found[:, within], plain[:, within])


def test_scores_of_a_cone_agree(
    kernels: Kernels, volume: Volume, axes: Array, nearest: Pixels, spectra: Spectra, ramps: Array
) -> None:
    copies = np.empty((1, 5, DISC.width), np.float32)
    REFERENCE.shifted(spectra.masked[:1], ramps[:, 0], copies)

    def scores(k: Kernels, out: Array) -> None:
        norms = np.empty(24, np.float32)
        k.cone_scores((volume, nearest), axes, copies[0], spectra.power[0], (out, norms))

    both(kernels, scores, (5, 24))


@pytest.fixture
def inserted(samples: Samples, axes: Array, rng: np.random.Generator) -> tuple[Hits, HitGeometry]:
    """Hits of one pixel, (3, 2), that is not interpolated at all."""
    hits, _ = hits_of(REFERENCE, samples, rng)
    row = np.concatenate([np.arange(m) for m in np.diff(hits.first_hit)])
    pixel = Pixels(np.full(1, 3.0, np.float32), np.full(1, 2.0, np.float32), linear_square=0.0)
    return hits, HitGeometry(pixel, np.zeros(1, np.int32), axes, np.zeros(24, np.int64), row)


@pytest.mark.parametrize("name", BACKENDS)
def test_an_inserted_pixel_goes_to_one_voxel_with_all_its_weight(
    name: str,
    inserted: tuple[Hits, HitGeometry],
    spectra: Spectra,
    ramps: Array,
    sphere: PaddedSphere,
) -> None:
    hits, geometry = inserted
    one = Spectra(*(rows[:, : 2 if i < 2 else 1].copy() for i, rows in enumerate(spectra)))
    grid, sums = empty_grid(1, sphere), ShellSums(*np.zeros((2, 3, 1, 13)))
    flat = np.ascontiguousarray(ramps.reshape(20, -1)[:, :2])
    slices = np.zeros((24, 2), np.float32)

    make_kernels(name).accumulate(one, flat, hits, slices, geometry, (grid, sums))

    weights = grid.values[0, 2:-GUARD:3]
    assert 0 < np.count_nonzero(weights) <= len(np.unique(geometry.slice_row))
    image = np.repeat(np.arange(3), np.diff(hits.first_hit))
    spans = zip(hits.first_shift, hits.end_shift, strict=True)
    mass = [hits.posterior[first:end].sum() for first, end in spans]
    # a few dozen additions in single precision
    assert weights.sum() == pytest.approx(np.sum(mass * one.weight[image, 0]), rel=1e-5)
