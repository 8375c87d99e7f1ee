"""Operators that map voxels to voxels are applied to the sums instead of being inserted."""

import numpy as np
import pytest
from numpy import ndarray as Array

from halfmap.kernels.numba_cpu.insertion_backend import NumbaInsertion
from halfmap.kernels.numba_lattice import sum_over_lattice
from halfmap.model.compat import EMAN2, HALFMAP
from halfmap.model.insertion_kernel import InsertionKernel
from halfmap.model.insertion_modes import MODES
from halfmap.model.lattice_symmetry import split_group
from halfmap.model.reconstruction_sizes import Sizes
from halfmap.model.symmetry import point_group

from .small_slices import completed, small_slices, summed

CUBE = Sizes((10, 10), (12, 12), (12, 12, 12), (10, 10, 10))
SLAB = Sizes((10, 10), (12, 12), (12, 12, 8), (10, 10, 10))
SINGLE = 1e-5
"""Rounding of coordinates that are turned before, or after, they are rounded."""


def operators(name: str) -> Array:
    return np.concatenate([np.eye(3)[None], point_group(name).right])


@pytest.mark.parametrize(
    ("name", "n_inserted"), [("C3", 3), ("C4", 1), ("D3", 3), ("O", 1), ("I1", 5), ("I4", 30)]
)
def test_a_group_summed_over_its_lattice_operators_is_the_group_inserted_one_by_one(
    name: str, n_inserted: int
) -> None:
    kernel, backend = InsertionKernel(MODES["gauss_var"], CUBE), NumbaInsertion()
    slices, split = small_slices(kernel, n=1), split_group(operators(name), kernel)
    one_by_one = summed(backend, kernel, slices, operators(name))

    together = sum_over_lattice(summed(backend, kernel, slices, split.inserted), split.lattice)

    assert len(split.inserted) == n_inserted
    np.testing.assert_allclose(together, one_by_one, atol=SINGLE * np.abs(one_by_one).max())


def test_axes_of_different_size_are_not_exchanged() -> None:
    kernel, backend = InsertionKernel(MODES["gauss_var"], SLAB), NumbaInsertion()
    slices, split = small_slices(kernel, n=1), split_group(operators("O"), kernel)
    one_by_one = summed(backend, kernel, slices, operators("O"))

    together = sum_over_lattice(summed(backend, kernel, slices, split.inserted), split.lattice)

    assert len(split.inserted) == 3
    np.testing.assert_allclose(together, one_by_one, atol=SINGLE * np.abs(one_by_one).max())


def test_where_windows_are_uneven_every_operator_is_inserted() -> None:
    ours, theirs = (InsertionKernel(MODES["gauss_5"], CUBE, compat) for compat in (HALFMAP, EMAN2))

    assert len(split_group(operators("O"), ours).inserted) == 1
    assert len(split_group(operators("O"), theirs).inserted) == 24


def test_sums_of_integers_over_the_lattice_are_exact(rng: np.random.Generator) -> None:
    kernel = InsertionKernel(MODES["gauss_2"], CUBE)
    sums = completed(rng.integers(-(2**55), 2**55, (12, 12, 7, 3)))
    (first, *_), (x, y) = split_group(operators("C4"), kernel).lattice, (2, 3)

    total = sum_over_lattice(sums, split_group(operators("C4"), kernel).lattice)

    assert first.dtype == np.int64
    around = [(x, y), (y, -x), (-x, -y), (-y, x)]
    weights = [sums[6 + 4, 6 + b, a, 2] if a >= 0 else sums[6 - 4, 6 - b, -a, 2] for a, b in around]
    assert total[6 + 4, 6 + y, x, 2] == sum(map(int, weights))
