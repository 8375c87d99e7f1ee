"""`halfmap.kernels.insertion_protocol` in machine code."""

from collections.abc import Callable
from functools import lru_cache

import numpy as np
from jaxtyping import Float32
from numpy import ndarray as Array

from halfmap.kernels.insertion_protocol import Slices
from halfmap.kernels.numba_cpu import insertion_cubes as cubes
from halfmap.kernels.numba_cpu.faint import list_faint
from halfmap.kernels.numba_cpu.fold import flush_folded, fold
from halfmap.kernels.numba_cpu.insertion_cubes import Cube, insert_cubes
from halfmap.kernels.numba_cpu.insertion_places import STEPS, Window
from halfmap.kernels.numba_cpu.insertion_products import Falloff, insert_products
from halfmap.kernels.protocol import GUARD
from halfmap.model.faint_sums import LEVELS, FaintSums, FixedPoint
from halfmap.model.inserted_samples import SampleRows, sample_rows, slice_axes
from halfmap.model.insertion_kernel import InsertionKernel
from halfmap.model.insertion_modes import InsertionMode
from halfmap.model.kernel_profiles import PROFILES, hypergeometric
from halfmap.model.kernel_values import TABLE_END, TABLE_STEPS, magnitude_scale, scaled_table

EMPTY = np.zeros(0, np.float32)


class NumbaInsertion:
    """See `halfmap.kernels.insertion_protocol.Insertion`; the grid has margins and is flat."""

    name = "numba"

    def empty_grid(self, kernel: InsertionKernel) -> Array:
        """See `Insertion.empty_grid`."""
        return np.zeros(3 * int(np.prod(_shape(kernel))) + GUARD, np.float32)

    def insert(
        self,
        slices: Slices,
        operators: Array,
        kernel: InsertionKernel,
        grid: Array,
        reference: Array | None = None,
    ) -> None:
        """See `Insertion.insert`."""
        axes = slice_axes(slices.rotation, operators, kernel).astype(np.float32)
        place_weight = np.repeat(slices.copy_weight, len(operators)).astype(np.float32)
        geometry = (axes, place_weight, _rows(kernel), _window(kernel))
        known = np.zeros(0, np.complex64) if reference is None else _with_margins(reference, kernel)
        size = (0,) * kernel.applied.width
        weight = np.ascontiguousarray(slices.weight, np.float32)
        steps = (int(weight.shape[1] > 1), int(weight.shape[2] > 1))
        what = (slices.signal, weight, steps)
        form = _form(kernel)
        way = insert_cubes if isinstance(form, Cube) else insert_products
        way(what, geometry, known, form, grid, size)

    def flush(
        self, grid: Array, kernel: InsertionKernel, fixed: FixedPoint, out: Array
    ) -> tuple[bool, FaintSums]:
        """See `Insertion.flush`."""
        x, y, z = (n // 2 for n in kernel.sizes.volume)
        window, volume = _window(kernel), out.reshape(*kernel.sizes.half_volume, 3)
        fold(grid, window, (x, y, z))
        held = (x - int(kernel.applied.inner), y, z)
        what = (grid, (window, held), fixed.scale, tuple(fixed.faint), volume)
        found = _room(list_faint(*what, _room(0)))
        if len(found[0]):
            list_faint(*what, found)
        fits = flush_folded(grid, window, held, fixed.scale, fixed.largest, volume)
        return bool(fits), FaintSums(found[0] * LEVELS + found[1], found[2])


def _room(n: int) -> tuple[Array, Array, Array]:
    return np.empty(n, np.int64), np.empty(n, np.int64), np.empty((n, 3), np.int64)


def _shape(kernel: InsertionKernel) -> tuple[int, int, int]:
    """Return the shape (z, y, x) of the voxels of a grid, with margins."""
    x, y, z = kernel.sizes.volume
    margins = 2 * kernel.applied.width + 1
    return z + margins, y + margins, x // 2 + margins


def _window(kernel: InsertionKernel) -> Window:
    mode = kernel.applied
    half = np.array(kernel.sizes.volume) // 2
    low = np.array([0, -half[1], -half[2]]) - mode.width
    _, n_y, n_x = _shape(kernel)
    strides = (3 * n_x, 3 * n_x * n_y)
    origin = -int(3 * low[0] + strides[0] * low[1] + strides[1] * low[2])
    return Window(mode.offset, low.astype(np.int32), (half + 1).astype(np.int32), origin, strides)


@lru_cache(maxsize=4)
def _rows(kernel: InsertionKernel) -> SampleRows:
    rows = sample_rows(kernel)
    return SampleRows(rows.y.astype(np.int64), rows.length.astype(np.int64), rows.share)


def _with_margins(reference: Array, kernel: InsertionKernel) -> Array:
    """Lay a half volume out as a grid; what stands for ±V/2 is there twice."""
    margin = kernel.applied.width
    z, y, x = reference.shape
    out = np.zeros(_shape(kernel), np.complex64)
    inner = out[margin : margin + z + 1, margin : margin + y + 1, margin : margin + x]
    inner[:z, :y] = reference
    inner[:z, y] = inner[:z, 0]
    inner[z] = inner[0]
    return out.reshape(-1)


@lru_cache(maxsize=8)
def _form(kernel: InsertionKernel) -> Falloff | Cube:
    """Return a kernel as data for the machine."""
    mode, tabulated = kernel.applied, kernel.compat.tabulated_exp
    spread, least = mode.spread, mode.least_sharpness
    if mode.kernel in PROFILES or (mode.kernel == "gauss" and not tabulated):
        return Falloff(spread, least, mode.share, _profile(mode.kernel))
    formula, table = _FORMULAS[mode.kernel](kernel)
    return Cube(
        formula,
        spread,
        least,
        mode.share,
        np.ascontiguousarray(table, np.float32).reshape(-1),
        len(table),
        float(not kernel.compat.unstable_weights),
        _added(mode),
    )


def _profile(name: str) -> Float32[Array, " d"]:
    """Return samples of a function of the distance, up to 4 voxels; none of a Gaussian."""
    if name not in PROFILES:
        return EMPTY
    distance = np.arange(4 * STEPS + 2) / STEPS
    return np.asarray(PROFILES[name](distance), np.float32)


def _exponential(kernel: InsertionKernel) -> Float32[Array, " t"]:
    """Return e2make3dpar's table of exp(-t), or none."""
    if not kernel.compat.tabulated_exp:
        return EMPTY
    return np.exp(-np.arange(TABLE_STEPS * TABLE_END + 1) / TABLE_STEPS).astype(np.float32)


def _added(mode: InsertionMode) -> tuple[float, float, float]:
    """Return (a, b, c) of what a weight gets, a g + b |g| + c."""
    scale = magnitude_scale(mode) if mode.weight == "magnitude" else 0.0
    return (float(mode.weight == "value"), scale, float(mode.weight == "one"))


_FORMULAS: dict[str, Callable[[InsertionKernel], tuple[int, Array]]] = {
    "gauss": lambda kernel: (cubes.GAUSS, _exponential(kernel)),
    "angular": lambda kernel: (cubes.ANGULAR, _exponential(kernel)),
    "hypergeometric": lambda _: (
        cubes.RADIAL,
        hypergeometric(np.arange(6 * STEPS) / STEPS),
    ),
    "gridding": lambda kernel: (cubes.GRIDDING, scaled_table(kernel)),
}
"""Number and table of a formula, by `InsertionMode.kernel`."""
