"""The compiled kernels as a `Kernels` object."""

from typing import Any

import numpy as np
from numpy import ndarray as Array

from halfmap.kernels.numba_cpu import (
    accumulate,
    accumulate_dense,
    fine_dense,
    flush,
    prepare,
    products,
    project,
    weigh,
)
from halfmap.kernels.numba_cpu import hits as hit_lists
from halfmap.kernels.protocol import (
    Grid,
    HitGeometry,
    Hits,
    LogPriors,
    Pixels,
    PlaneLayout,
    Samples,
    ShellSums,
    SliceTable,
    Spectra,
    Volume,
)


class NumbaKernels:
    """See `halfmap.kernels.protocol.Kernels`."""

    name = "numba"

    def shift_and_mask(
        self, images: Array, gain: Array, shift_px: Array, background: Array, fill: Array
    ) -> Array:
        """See `Kernels.shift_and_mask`."""
        return _array(prepare.shift_and_mask(images, gain, shift_px, background, fill))

    def read_planes(self, planes: Array, layout: PlaneLayout) -> tuple[Array, Array]:
        """See `Kernels.read_planes`."""
        flat = planes.reshape(len(planes), -1)
        listed, power = prepare.read_planes(
            flat, layout.place, layout.sign, layout.shell, layout.n_shells
        )
        return listed, power

    def project(self, volume: Volume, axes: Array, pixels: Pixels, out: Array) -> None:
        """See `Kernels.project`."""
        project.project(volume, axes, pixels, out)

    def shifted(self, spectra: Array, ramps: Array, out: Array) -> None:
        """See `Kernels.shifted`."""
        products.shifted(spectra, ramps, out)

    def products(self, a: Array, b: Array, out: Array) -> None:
        """See `Kernels.products`."""
        np.matmul(a, b.T, out=out)

    def half_power(self, slices: Array, out: Array) -> None:
        """See `Kernels.half_power`."""
        products.half_power(slices, out)

    def cone_scores(
        self,
        slices_of: tuple[Volume, Pixels],
        axes: Array,
        copies: Array,
        power: Array,
        out: tuple[Array, Array],
    ) -> None:
        """See `Kernels.cone_scores`."""
        products.cone_scores(slices_of, axes, copies, power, out)

    def weigh(self, scores: Array, norms: Array, log_prior: LogPriors) -> tuple[Array, Array]:
        """See `Kernels.weigh`."""
        peaks, totals = weigh.weigh(scores, norms, log_prior)
        return peaks, totals

    def threshold(
        self, weights: Array, first: Array, totals: Array, fraction: float
    ) -> tuple[Array, Array]:
        """See `Kernels.threshold`."""
        smallest, count = weigh.threshold(weights, first, totals, fraction)
        return smallest, count

    def list_samples(self, weights: Array, threshold: Array) -> Samples:
        """See `Kernels.list_samples`."""
        samples: Samples = weigh.list_samples(weights, threshold)
        return samples

    def fine_scores(
        self, spectra: Spectra, ramps: Array, samples: Samples, table: SliceTable, out: Array
    ) -> None:
        """See `Kernels.fine_scores`."""
        way: Any = fine_dense if fine_dense.pays(samples, table, len(ramps)) else products
        way.fine_scores(spectra, ramps, samples, table, out)

    def weigh_fine(
        self,
        scores: Array,
        samples: Samples,
        log_orientation: Array,
        log_shift: tuple[Array, Array],
    ) -> tuple[Array, Array]:
        """See `Kernels.weigh_fine`."""
        flat = scores.reshape(len(scores), -1)
        peaks, totals = weigh.weigh_fine(flat, samples, log_orientation, log_shift)
        return peaks, totals

    def list_hits(
        self, weights: Array, samples: Samples, threshold: Array, totals: Array
    ) -> tuple[Hits, Array]:
        """See `Kernels.list_hits`."""
        listed, best = hit_lists.list_hits(weights, samples, threshold, totals)
        return listed, best

    def moments(self, hits: Hits, offsets: Array) -> Array:
        """See `Kernels.moments`."""
        return _array(hit_lists.moments(hits, offsets))

    def accumulate(
        self,
        spectra: Spectra,
        ramps: Array,
        hits: Hits,
        slices: Array,
        geometry: HitGeometry,
        out: tuple[Grid, ShellSums],
    ) -> None:
        """See `Kernels.accumulate`."""
        flat = len(hits.shift) >= accumulate_dense.SHIFTS_PER_HIT * max(len(hits.group), 1)
        way = accumulate_dense if flat else accumulate
        way.accumulate(spectra, ramps, hits, slices, geometry, out)

    def flush(self, grid: Grid, scale_of_square: Array, largest: float, out: Array) -> bool:
        """See `Kernels.flush`."""
        return bool(flush.flush(grid, scale_of_square, largest, out))


def _array(x: Any) -> Array:
    return np.asarray(x)
