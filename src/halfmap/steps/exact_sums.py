"""The two sums that a fitted map needs, over units of slices: a back projection and a point spread.

They take the place of what is inserted into a grid (`halfmap.kernels.insertion_protocol`): one unit
yields them in double precision, and they are added up as integers.
"""

from collections.abc import Iterator
from math import prod

import numpy as np
from jaxtyping import Complex64, Float64, Int64
from numpy import ndarray as Array

from halfmap.kernels.insertion_protocol import Slices
from halfmap.model.exact import to_integers, within_bounds
from halfmap.model.faint_sums import FaintSums, FixedPoint
from halfmap.model.insertion_kernel import InsertionKernel
from halfmap.model.reconstruction_sizes import Sizes
from halfmap.steps.exact_transform import back_projection, point_spread, samples_of

MOST_SAMPLES = 2**21
"""Transformed at once, about: 100 MiB."""


def sums_shape(sizes: Sizes) -> tuple[int, int, int, int]:
    """Return the shape that holds a map and, flat behind it, one of twice its size: 9 volumes."""
    x, y, z = sizes.volume
    return 3 * z, y, x, 3


class ExactSums:
    """Sums of slices without any grid; see `halfmap.kernels.insertion_protocol.Insertion`."""

    name = "finufft"

    def empty_grid(self, kernel: InsertionKernel) -> Float64[Array, " sum"]:
        """See `Insertion.empty_grid`."""
        return np.zeros(prod(sums_shape(kernel.sizes)))

    def insert(
        self,
        slices: Slices,
        operators: Float64[Array, "operator 3 3"],
        kernel: InsertionKernel,
        grid: Float64[Array, " sum"],
        reference: Complex64[Array, "z y x"] | None = None,
    ) -> None:
        """See `Insertion.insert`; no iterative mode has such sums."""
        assert reference is None
        x, y, z = kernel.sizes.volume
        back, spread = np.split(grid, [x * y * z])
        for part, some in _pieces(slices, operators):
            samples = samples_of(part, some, kernel)
            back += back_projection(samples, (z, y, x)).ravel()
            spread += point_spread(samples, (z, y, x)).ravel()

    def flush(
        self,
        grid: Float64[Array, " sum"],
        kernel: InsertionKernel,
        fixed: FixedPoint,
        out: Int64[Array, "voxel 3"],
    ) -> tuple[bool, FaintSums]:
        """See `Insertion.flush`; no sum is too faint."""
        n_voxels = prod(kernel.sizes.volume)
        parts = list(zip(np.split(grid, [n_voxels]), fixed.scale, strict=True))
        fits = all(within_bounds(values, scale, fixed.largest) for values, scale in parts)
        if fits:
            total = np.split(out.reshape(-1), [n_voxels])
            for own, (values, scale) in zip(total, parts, strict=True):
                own += to_integers(values, scale)
        grid[:] = 0.0
        return fits, FaintSums.none()


def _pieces(
    slices: Slices, operators: Float64[Array, "operator 3 3"]
) -> Iterator[tuple[Slices, Float64[Array, "operator 3 3"]]]:
    """Cut slices and operators so that their samples fit into memory; a function of sizes alone."""
    per_slice = slices.signal[0].size * slices.rotation.shape[1]
    most_operators = max(1, MOST_SAMPLES // per_slice)
    most_slices = max(1, MOST_SAMPLES // (per_slice * min(most_operators, len(operators))))
    for i in range(0, len(slices.signal), most_slices):
        own = slice(i, i + most_slices)
        part = Slices(
            slices.signal[own], slices.weight[own], slices.rotation[own], slices.copy_weight
        )
        for j in range(0, len(operators), most_operators):
            yield part, operators[j : j + most_operators]


def decoded_sums(
    sums: Int64[Array, "3z y x 3"], sizes: Sizes, scale: tuple[float, float]
) -> tuple[Float64[Array, "z y x"], Float64[Array, "2z 2y 2x"]]:
    """Return back projection and point spread of integers that were multiplied by ``scale``."""
    x, y, z = sizes.volume
    back, spread = np.split(sums.reshape(-1), [x * y * z])
    shapes = (z, y, x), (2 * z, 2 * y, 2 * x)
    return (back / scale[0]).reshape(shapes[0]), (spread / scale[1]).reshape(shapes[1])
