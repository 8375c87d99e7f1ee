"""What inserting slices means, in numpy: the yardstick of every backend. Slow and plain."""

import itertools

import numpy as np
from numpy import ndarray as Array

from halfmap.kernels.insertion_protocol import Slices
from halfmap.model.exact import to_integers, within_bounds
from halfmap.model.faint_sums import LEVELS, FaintLimits, FaintSums, FixedPoint
from halfmap.model.inserted_samples import sample_rows, slice_axes
from halfmap.model.insertion_kernel import InsertionKernel
from halfmap.model.kernel_values import added_weights, kernel_values, sample_shares


class ReferenceInsertion:
    """See `halfmap.kernels.insertion_protocol.Insertion`; the grid is the volume that is summed."""

    name = "reference"

    def empty_grid(self, kernel: InsertionKernel) -> Array:
        """See `Insertion.empty_grid`."""
        return np.zeros((*kernel.sizes.half_volume, 3), np.float32)

    def insert(
        self,
        slices: Slices,
        operators: Array,
        kernel: InsertionKernel,
        grid: Array,
        reference: Array | None = None,
    ) -> None:
        """See `Insertion.insert`."""
        rows = sample_rows(kernel)
        x = np.concatenate([np.arange(n) for n in rows.length])
        row = np.repeat(np.arange(len(rows.y)), rows.length)
        axes = slice_axes(slices.rotation, operators, kernel)
        copy_weight = np.repeat(slices.copy_weight, len(operators))
        of_sample = np.broadcast_to(slices.weight, slices.signal.shape)
        for s, places in enumerate(axes):
            for axis, own in zip(places, copy_weight, strict=True):
                k = np.outer(x, axis[:3]) + np.outer(rows.y[row], axis[3:])
                weight = of_sample[s, row, x].astype(np.float64)
                signal = slices.signal[s, row, x].astype(np.complex128)
                if reference is not None:
                    signal -= weight * interpolated(reference, kernel, k)
                share = own * rows.share[x] * sample_shares(kernel.applied, k)
                spread(grid, kernel, k, (share * signal, share * weight))

    def flush(
        self,
        grid: Array,
        kernel: InsertionKernel,  # noqa: ARG002 - other backends have other grids
        fixed: FixedPoint,
        out: Array,
    ) -> tuple[bool, FaintSums]:
        """See `Insertion.flush`."""
        factors = np.array([fixed.scale[0], fixed.scale[0], fixed.scale[1]])
        values = grid.reshape(-1, 3).astype(np.float64)
        fits, faint = within_bounds(values, factors, fixed.largest), FaintSums.none()
        if fits:
            faint = listed(values, factors, fixed.faint, out)
            out += to_integers(values, factors)
        grid[:] = 0.0
        return fits, faint


def listed(values: Array, factors: Array, limits: FaintLimits, sums: Array) -> FaintSums:
    """List voxels whose weight, and what is summed of it so far, are below a limit."""
    scaled = values * factors
    weight, known = scaled[:, 2], values[:, 2] >= np.finfo(np.float32).smallest_normal
    voxel = np.flatnonzero(known & (weight + sums[:, 2] < limits.limit))
    if not len(voxel):
        return FaintSums.none()
    missing = np.log2(limits.limit) - np.log2(weight[voxel])
    level = np.ceil(missing / limits.bits).astype(np.int64)
    factor = np.exp2(level * float(limits.bits))
    return FaintSums(voxel * LEVELS + level, to_integers(scaled[voxel], factor[:, None]))


def spread(grid: Array, kernel: InsertionKernel, k: Array, values: tuple[Array, Array]) -> None:
    """Add samples at k, of a signal and a weight, to the voxels of their windows."""
    mode, (signal, weight) = kernel.applied, values
    first = np.floor(k - mode.offset).astype(np.int64)
    for step in itertools.product(range(mode.width), repeat=3):
        voxel = first + np.array(step)
        g = kernel_values(kernel, voxel - k, k)
        mirrored = voxel[:, 0] < 0
        added = np.where(mirrored, np.conj(g * signal), g * signal)
        three = np.stack([added.real, added.imag, added_weights(kernel, g) * weight], axis=-1)
        index, held = voxel_index(np.where(mirrored[:, None], -voxel, voxel), kernel)
        held &= index[:, 2] <= kernel.sizes.volume[0] // 2 - int(mode.inner)
        np.add.at(grid, tuple(index[held].T), three[held])


def voxel_index(voxel: Array, kernel: InsertionKernel) -> tuple[Array, Array]:
    """Return the index (z, y, x) of voxels (x, y, z) of the half volume, and which it holds."""
    size = np.array(kernel.sizes.volume)
    held = np.all(np.abs(voxel) <= size // 2, axis=1)
    x, y, z = voxel.T
    index = np.stack([(z + size[2] // 2) % size[2], (y + size[1] // 2) % size[1], x], axis=-1)
    return index, held


def interpolated(reference: Array, kernel: InsertionKernel, k: Array) -> Array:
    """Return the value of a volume at k, 0 beyond it."""
    first = np.floor(k).astype(np.int64)
    total = np.zeros(len(k), np.complex128)
    for step in itertools.product((0, 1), repeat=3):
        voxel = first + np.array(step)
        part = np.prod(1.0 - np.abs(voxel - k), axis=1)
        mirrored = voxel[:, 0] < 0
        index, held = voxel_index(np.where(mirrored[:, None], -voxel, voxel), kernel)
        value = reference[tuple(np.where(held[:, None], index, 0).T)].astype(np.complex128)
        total += np.where(held, part, 0.0) * np.where(mirrored, value.conj(), value)
    return total
