"""Single-precision sums turned into integers."""

import numpy as np
import pytest
from numpy import ndarray as Array

from halfmap.kernels.protocol import GUARD, Grid, Kernels
from halfmap.kernels.registry import BACKENDS, make_kernels
from halfmap.model.padded_sphere import PaddedSphere
from halfmap.model.touched_voxels import n_touched

from .small_problem import REFERENCE, SPHERE, empty_grid


def flushable(rng: np.random.Generator, sphere: PaddedSphere) -> Grid:
    grid = empty_grid(2, sphere)
    grid.values[:, :-GUARD] = rng.normal(size=(2, grid.values.shape[1] - GUARD))
    return grid


def scales() -> Array:
    """A power of two for each squared radius."""
    n = int(SPHERE.squared_radius().max()) + 1
    return np.exp2(np.arange(2 * n).reshape(n, 2) % 30 + 10.0)


def test_flushed_integers_are_the_same_to_the_last_bit(
    kernels: Kernels, sphere: PaddedSphere
) -> None:
    out = np.ones((2, 2, n_touched(sphere), 3), np.int64)
    grids = [flushable(np.random.default_rng(1), sphere) for _ in range(2)]

    assert kernels.flush(grids[0], scales(), 2.0**60, out[0])
    assert REFERENCE.flush(grids[1], scales(), 2.0**60, out[1])

    np.testing.assert_array_equal(out[0], out[1])
    assert not grids[0].values.any()
    assert (out[0] != 1).mean() > 0.9


@pytest.mark.parametrize("name", BACKENDS)
def test_a_number_ends_at_its_voxel_times_its_scale(name: str) -> None:
    grid, out = empty_grid(1, SPHERE), np.zeros((1, n_touched(SPHERE), 3), np.int64)
    row = (SPHERE.half + 3) * SPHERE.shape[1] + SPHERE.half - 2  # z = 3, y = -2
    grid.values[0, 3 * (grid.row_start[row] + 5) : 3 * (grid.row_start[row] + 5) + 3] = 1, -2, 3
    scale = np.stack([np.full(999, 4.0), np.full(999, 8.0)], axis=-1)
    scale[9 + 4 + 25] = 16.0, 32.0

    assert make_kernels(name).flush(grid, scale, 1e6, out)

    assert out[0, grid.row_start[row] + 5].tolist() == [16, -32, 96]
    assert np.count_nonzero(out) == 3


@pytest.mark.parametrize("name", BACKENDS)
@pytest.mark.parametrize("bad", [3e5, np.nan])
def test_a_flush_says_when_a_number_is_too_large(name: str, bad: float) -> None:
    grid, out = empty_grid(1, SPHERE), np.zeros((1, n_touched(SPHERE), 3), np.int64)
    grid.values[0, 1000] = bad

    with np.errstate(invalid="ignore"):
        assert not make_kernels(name).flush(grid, np.full((999, 2), 1024.0), 2.0**28, out)
