"""Voxels that only tails of kernels reach have the range of floating point."""

import numpy as np
import pytest

from halfmap.kernels.reference_insertion import ReferenceInsertion
from halfmap.model.faint_sums import (
    FAINT,
    LEVELS,
    FaintSums,
    FixedPoint,
    faint_limits,
    resolved,
)
from halfmap.model.insertion_kernel import InsertionKernel
from halfmap.model.insertion_modes import MODES
from halfmap.model.reconstruction_sizes import resolved_sizes

KERNEL = InsertionKernel(MODES["gauss_var"], resolved_sizes((8, 8), (8,), (), ()))
N_VOXELS = 8 * 8 * 5
SCALE = 2.0**38


def fixed(n_units: int) -> FixedPoint:
    return FixedPoint((SCALE, SCALE), 2.0**61, faint_limits(n_units, positive=True))


@pytest.mark.parametrize("weight", [1e-4, 1e-11, 1e-20, 1e-30, 1e-37])
def test_the_mean_at_a_voxel_does_not_depend_on_how_small_its_weight_is(weight: float) -> None:
    grid = ReferenceInsertion().empty_grid(KERNEL)
    grid.reshape(-1, 3)[7] = 3.0 * weight, -2.0 * weight, weight
    sums = np.zeros((N_VOXELS, 3), np.int64)

    fits, faint = ReferenceInsertion().flush(grid, KERNEL, fixed(16), sums)

    voxel, total = resolved(faint, fixed(16).faint.bits)
    assert fits
    assert voxel.tolist() == ([7] if weight * SCALE < FAINT else [])
    if len(voxel):
        np.testing.assert_allclose(total[0, :2] / total[0, 2], [3.0, -2.0], rtol=1e-6)
        np.testing.assert_allclose(total[0, 2] / SCALE, weight, rtol=1e-6)


def test_units_add_up_to_the_same_in_any_order(rng: np.random.Generator) -> None:
    pieces = []
    for _ in range(6):
        key = np.sort(rng.choice(200, 30, replace=False))
        pieces.append(FaintSums(key, rng.integers(-(2**40), 2**40, (30, 3))))

    forth, back = sum(pieces, FaintSums.none()), sum(pieces[::-1], FaintSums.none())

    np.testing.assert_array_equal(forth.key, back.key)
    np.testing.assert_array_equal(forth.values, back.values)


def test_a_voxel_that_the_integers_resolve_needs_no_list() -> None:
    faint = FaintSums(np.array([1, 2]) * LEVELS + 1, np.ones((2, 3), np.int64))
    volume = np.zeros((4, 3), np.int64)
    volume[2, 2] = int(FAINT)

    assert faint.without_bright(volume).key.tolist() == [LEVELS + 1]
