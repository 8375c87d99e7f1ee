"""Packing what insertion can touch."""

import numpy as np
import pytest
from numpy import ndarray as Array
from small_search import GLOBAL, density, model

from halfmap.model.exact import scales_of_square, sum_scales
from halfmap.model.padded_sphere import PaddedSphere
from halfmap.model.touched_voxels import (
    inner_voxels,
    n_touched,
    packed,
    planes,
    row_starts,
)

SPHERE = PaddedSphere(r_max=8, padding=2.0)
PLANE = PaddedSphere(r_max=8, padding=2.0, flat=True)
either = pytest.mark.parametrize("sphere", [SPHERE, PLANE], ids=["sphere", "plane"])


def touched(sphere: PaddedSphere) -> Array:
    return planes(np.ones(n_touched(sphere), bool), sphere)


@either
def test_rows_number_exactly_the_voxels_that_have_a_scale(sphere: PaddedSphere) -> None:
    known = model(density()[None], GLOBAL, noise=1.0)
    n_squares = len(scales_of_square(sum_scales(known, 10), sphere))

    rows = row_starts(sphere)

    inside = sphere.squared_radius() < n_squares
    np.testing.assert_array_equal(np.diff(rows), inside.sum(axis=2).ravel())
    assert (np.diff(inside.astype(int), axis=2) <= 0).all()  # from x = 0 on, without a gap


def test_half_of_the_box_around_a_large_sphere_is_left_out() -> None:
    sphere = PaddedSphere(r_max=64, padding=2.0)

    # a sphere fills pi / 6 of the cube around it; the rim and the plane x = 0 add a little
    assert 0.52 < n_touched(sphere) / np.prod(sphere.shape) < 0.55


@either
def test_what_is_packed_comes_back_at_its_place(
    sphere: PaddedSphere, rng: np.random.Generator
) -> None:
    dense = rng.normal(size=sphere.shape) * touched(sphere)

    values = packed(dense, sphere)

    row = np.flatnonzero(np.diff(row_starts(sphere)) > 4)[-1]
    z, y = np.divmod(row, sphere.shape[1])
    assert values[row_starts(sphere)[row] + 3] == dense[z, y, 3]
    np.testing.assert_array_equal(planes(values, sphere), dense)


@either
def test_slabs_are_parts_of_the_whole(sphere: PaddedSphere, rng: np.random.Generator) -> None:
    values = rng.normal(size=n_touched(sphere))
    whole = planes(values, sphere)

    for part in (slice(0, 1), slice(5, 9), slice(16, 40)):
        np.testing.assert_array_equal(planes(values, sphere, part), whole[part])


@either
def test_the_voxels_of_a_smaller_sphere_are_found(
    sphere: PaddedSphere, rng: np.random.Generator
) -> None:
    inner = PaddedSphere(3, 2.0, sphere.flat)
    values = rng.normal(size=n_touched(sphere))
    margin_z, margin = sphere.half_z - inner.half_z, sphere.half - inner.half

    found = planes(values[inner_voxels(sphere, inner)], inner)

    central = planes(values, sphere)[margin_z:, margin:, : inner.shape[2]]
    central = central[: inner.shape[0], : inner.shape[1]]
    np.testing.assert_array_equal(found, central * touched(inner))
