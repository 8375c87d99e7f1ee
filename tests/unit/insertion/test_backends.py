"""Machine code inserts what the numpy definition says, in every mode."""

import numpy as np
import pytest

from halfmap.kernels.numba_cpu.insertion_backend import NumbaInsertion
from halfmap.kernels.reference_insertion import ReferenceInsertion
from halfmap.model.compat import EMAN2, HALFMAP, Compat
from halfmap.model.faint_sums import FixedPoint, faint_limits
from halfmap.model.insertion_kernel import InsertionKernel
from halfmap.model.insertion_modes import ITERATIVE_NEXT, MODES, InsertionMode
from halfmap.model.reconstruction_sizes import Sizes

from .small_slices import IDENTITY, SCALE, small_slices, summed

CUBE = Sizes((10, 10), (12, 12), (12, 12, 12), (10, 10, 10))
OBLONG = Sizes((12, 8), (14, 8), (16, 10, 12), (12, 12, 12))
SINGLE = 4e-6
"""A coordinate of 10 voxels is rounded by 5e-7, and kernels are as steep as 4 per voxel."""
TOLERANCE = {"kaiser_bessel_derived": 1e-3}
"""A root, whose slope is infinite at its end, between entries of a table."""
ROUNDED = 0.02
"""Between two entries of a tabulated exponent either may be taken: they differ by so much."""


@pytest.mark.parametrize("compat", [HALFMAP, EMAN2], ids=["ours", "eman2"])
@pytest.mark.parametrize("mode", MODES.values(), ids=MODES)
def test_every_mode_means_the_same_in_machine_code(mode: InsertionMode, compat: Compat) -> None:
    for sizes in (CUBE, OBLONG):
        kernel = InsertionKernel(mode, sizes, compat)
        slices = small_slices(kernel, n_copies=2)
        fast, slow = (summed(b, kernel, slices) for b in (NumbaInsertion(), ReferenceInsertion()))

        assert np.abs(slow).max() > 1.0
        rough = compat.tabulated_exp and mode.kernel == "gauss"
        tolerance = ROUNDED if rough else TOLERANCE.get(mode.kernel, SINGLE)
        assert np.abs(fast - slow).max() <= tolerance * np.abs(slow).max()
        differ = np.abs(fast - slow) > TOLERANCE.get(mode.kernel, SINGLE) * np.abs(slow).max()
        assert differ.mean() < 1e-3


def test_what_a_reference_explains_is_left_out_in_machine_code_too(
    rng: np.random.Generator,
) -> None:
    for sizes in (CUBE, OBLONG):
        kernel = InsertionKernel(ITERATIVE_NEXT, sizes)
        real = rng.normal(size=sizes.volume[::-1])
        known = np.fft.fftshift(np.fft.rfftn(real), axes=(0, 1)).astype(np.complex64)
        slices = small_slices(kernel)

        fast, slow = (
            summed(b, kernel, slices, IDENTITY, known)
            for b in (NumbaInsertion(), ReferenceInsertion())
        )

        np.testing.assert_allclose(fast, slow, atol=SINGLE * np.abs(slow).max())


@pytest.mark.parametrize("backend", [NumbaInsertion(), ReferenceInsertion()])
def test_a_sum_that_is_too_large_is_not_hidden(
    backend: NumbaInsertion | ReferenceInsertion,
) -> None:
    kernel = InsertionKernel(MODES["gauss_2"], CUBE)
    grid = backend.empty_grid(kernel)
    backend.insert(small_slices(kernel), IDENTITY, kernel, grid)

    fixed = FixedPoint(SCALE, 100.0, faint_limits(1, positive=True))
    fits, _ = backend.flush(grid, kernel, fixed, np.zeros((7 * 12 * 12, 3), np.int64))

    assert not fits
