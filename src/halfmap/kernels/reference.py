"""What the kernels mean, in numpy: the yardstick of every backend. Slow and plain.

Sums run in double precision where a faster backend uses single.
"""

import itertools
from dataclasses import dataclass, field

import numpy as np
from numpy import ndarray as Array

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
from halfmap.kernels.reference_slices import (
    cut_slices,
    held_voxels,
    insert_slice,
    slice_points,
)
from halfmap.model.disc import interleaved
from halfmap.model.exact import to_integers, within_bounds


class ReferenceKernels:
    """See `halfmap.kernels.protocol.Kernels`."""

    name = "reference"

    def shift_and_mask(
        self, images: Array, gain: Array, shift_px: Array, background: Array, fill: Array
    ) -> Array:
        """See `Kernels.shift_and_mask`."""
        out = np.zeros((len(images), 2, *images.shape[1:]), np.float32)
        for i, (image, (x, y)) in enumerate(zip(images, shift_px, strict=True)):
            (rows, from_rows), (columns, from_columns) = (
                _overlap(n, t) for n, t in zip(image.shape, (y, x), strict=True)
            )
            out[i, 0, rows, columns] = gain[i] * image[from_rows, from_columns]
            mean = np.sum(background * out[i, 0], dtype=np.float64) / max(background.sum(), 1e-30)
            outside = fill[i] if len(fill) else np.full_like(image, mean)
            out[i, 1] = out[i, 0] + background * (outside - out[i, 0])
        return out

    def read_planes(self, planes: Array, layout: PlaneLayout) -> tuple[Array, Array]:
        """See `Kernels.read_planes`."""
        flat = planes.reshape(len(planes), -1)
        listed = (flat[:, layout.place] * layout.sign).astype(np.complex64)
        square = np.abs(flat.astype(np.complex128)) ** 2 * float(layout.sign[0]) ** 2
        counted = layout.shell >= 0
        shell = layout.shell[counted]
        power = [np.bincount(shell, row[counted], minlength=layout.n_shells) for row in square]
        return listed, np.array(power)

    def project(self, volume: Volume, axes: Array, pixels: Pixels, out: Array) -> None:
        """See `Kernels.project`."""
        out[:] = interleaved(cut_slices(volume, axes, pixels), out.shape[1])

    def shifted(self, spectra: Array, ramps: Array, out: Array) -> None:
        """See `Kernels.shifted`."""
        out[:] = interleaved(_complex(spectra)[:, None] * _complex(ramps), out.shape[2])

    def products(self, a: Array, b: Array, out: Array) -> None:
        """See `Kernels.products`."""
        out[:] = a.astype(np.float64) @ b.astype(np.float64).T

    def half_power(self, slices: Array, out: Array) -> None:
        """See `Kernels.half_power`."""
        out[:] = 0.0
        out[:, : slices.shape[1] // 2] = 0.5 * np.abs(_complex(slices)) ** 2

    def cone_scores(
        self,
        slices_of: tuple[Volume, Pixels],
        axes: Array,
        copies: Array,
        power: Array,
        out: tuple[Array, Array],
    ) -> None:
        """See `Kernels.cone_scores`."""
        slices = interleaved(cut_slices(slices_of[0], axes, slices_of[1]), copies.shape[1])
        self.products(copies, slices, out[0])
        out[1][:] = _norms(slices, power)

    def weigh(self, scores: Array, norms: Array, log_prior: LogPriors) -> tuple[Array, Array]:
        """See `Kernels.weigh`."""
        class_index = np.repeat(np.arange(log_prior.shift.shape[1]), np.diff(log_prior.first_row))
        log_shift = log_prior.shift[:, class_index].swapaxes(1, 2)
        log_joint = scores - norms[:, None] + log_prior.orientation + log_shift
        peak = log_joint.max(axis=(1, 2)).astype(np.float64)
        scores[:] = np.exp(log_joint - peak[:, None, None])
        return peak, scores.sum(axis=(1, 2), dtype=np.float64)

    def threshold(
        self, weights: Array, first: Array, totals: Array, fraction: float
    ) -> tuple[Array, Array]:
        """See `Kernels.threshold`."""
        smallest = np.zeros(len(totals), np.float32)
        count = np.zeros(len(totals), np.int64)
        for i, total in enumerate(totals):
            own = weights[first[i] : first[i + 1]]
            falling = np.sort(own[own > 0.0])[::-1]
            if falling.size:
                running = np.cumsum(falling, dtype=np.float64)
                enough = int(np.searchsorted(running, fraction * total, side="right")) + 1
                count[i] = min(enough, falling.size)
                smallest[i] = falling[count[i] - 1]
        return smallest, count

    def list_samples(self, weights: Array, threshold: Array) -> Samples:
        """See `Kernels.list_samples`."""
        first_group, first_sample = [0], [0]
        orientation: list[int] = []
        shift: list[int] = []
        for image, smallest in zip(weights, threshold, strict=True):
            taken = ((image >= smallest) & (image > 0.0)).T
            for row in np.flatnonzero(taken.any(axis=1)):
                orientation.append(int(row))
                shift.extend(np.flatnonzero(taken[row]))
                first_sample.append(len(shift))
            first_group.append(len(orientation))
        return Samples(
            np.array(first_group, np.int64),
            np.array(orientation, np.int64),
            np.array(first_sample, np.int64),
            np.array(shift, np.int32),
        )

    def fine_scores(
        self, spectra: Spectra, ramps: Array, samples: Samples, table: SliceTable, out: Array
    ) -> None:
        """See `Kernels.fine_scores`."""
        for image, group, s in _each_sample(samples):
            slot = table.slot[group] - table.first
            if 0 <= slot < len(table.slices):
                copies = _complex(spectra.masked[image]) * _complex(ramps[samples.shift[s]])
                slices = table.slices[slot]
                norms = _norms(slices, spectra.power[image])
                out[s] = (_complex(slices).conj() @ copies.T).real - norms[:, None]

    def weigh_fine(
        self,
        scores: Array,
        samples: Samples,
        log_orientation: Array,
        log_shift: tuple[Array, Array],
    ) -> tuple[Array, Array]:
        """See `Kernels.weigh_fine`."""
        n = len(samples.first_group) - 1
        peak, total = np.full(n, -np.inf), np.zeros(n)
        of_class, class_index = log_shift
        for image, group, s in _each_sample(samples):
            own = of_class[image, class_index[group]]
            scores[s] += log_orientation[group] + own[samples.shift[s]]
            peak[image] = max(peak[image], scores[s].max())
        for image, _, s in _each_sample(samples):
            scores[s] = np.exp(scores[s] - peak[image])
            total[image] += scores[s].sum(dtype=np.float64)
        return peak, total

    def list_hits(
        self, weights: Array, samples: Samples, threshold: Array, totals: Array
    ) -> tuple[Hits, Array]:
        """See `Kernels.list_hits`."""
        n, listed = len(samples.first_group) - 1, _HitList(first_hit=[0], first_shift=[0])
        best = np.full(n, -1)
        for image in range(n):
            first, last = samples.first_group[image : image + 2]
            start, stop = samples.first_sample[[first, last]]
            own = weights[start:stop]
            if own.size:
                best[image] = start * own[0].size + int(np.argmax(own))
            for group, child in itertools.product(range(first, last), range(weights.shape[1])):
                own_samples = slice(*samples.first_sample[group : group + 2])
                taken = weights[own_samples, child]
                taken = np.where(taken >= threshold[image], taken, 0.0)
                sample, fine = np.nonzero(taken)
                if sample.size:
                    shift = samples.shift[own_samples][sample] * weights.shape[2] + fine
                    listed.add(group, child, shift, taken[sample, fine] / totals[image])
            listed.first_hit.append(len(listed.group))
        return listed.hits(), best

    def moments(self, hits: Hits, offsets: Array) -> Array:
        """See `Kernels.moments`."""
        powers = np.column_stack([np.ones(len(offsets)), offsets, np.sum(offsets**2, axis=1)])
        summed = np.zeros((len(hits.group), 4))
        for h, (start, stop) in enumerate(zip(hits.first_shift, hits.end_shift, strict=True)):
            posterior = hits.posterior[start:stop].astype(np.float64)
            summed[h] = posterior @ powers[hits.shift[start:stop]]
        return summed

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
        grid, sums = out
        shell, n_shells = geometry.shell, sums.model.shape[2]
        n = len(shell)
        for image in range(len(hits.first_hit) - 1):
            for h in range(*hits.first_hit[image : image + 2]):
                entries = slice(hits.first_shift[h], hits.end_shift[h])
                p = hits.posterior[entries]
                mean_ramp = (p @ _complex(ramps[hits.shift[entries]]))[:n]
                mass = p.sum(dtype=np.float64)
                row = geometry.slice_row[h]
                if len(slices):
                    slice_ = _complex(slices[row])[:n]
                    data = mean_ramp * _complex(spectra.masked[image])[:n]
                    model = mass * spectra.power[image, :n] * np.abs(slice_) ** 2
                    cross = (slice_.conj() * data).real
                    own = image, geometry.class_index[row]
                    sums.model[own] += np.bincount(shell, model, minlength=n_shells)
                    sums.cross[own] += np.bincount(shell, cross, minlength=n_shells)
                numerator = mean_ramp * _complex(spectra.unmasked[image])[:n]
                weight = mass * spectra.weight[image, :n]
                points = slice_points(geometry.axes[row], geometry.pixels)
                insert_slice(grid, geometry.class_index[row], points, numerator, weight)

    def flush(self, grid: Grid, scale_of_square: Array, largest: float, out: Array) -> bool:
        """See `Kernels.flush`."""
        half, n_y, own, begin = grid.half, 2 * grid.half + 1, *held_voxels(grid)
        length = np.diff(grid.row_start)
        row = np.repeat(np.arange(len(length)), length)
        x = np.arange(grid.row_start[-1]) - grid.row_start[row]
        half_z = len(length) // n_y // 2
        z, y = row // n_y - half_z, row % n_y - half
        scale = scale_of_square[(z * z + y * y + x * x)[own]][:, [0, 0, 1]]
        floats = grid.values[:, 3 * (own.start - begin) : 3 * (own.stop - begin)]
        values = floats.reshape(len(floats), -1, 3).astype(np.float64)
        fits = within_bounds(values, scale, largest)
        if fits:
            out[:, own] += to_integers(values, scale)
        grid.values[:] = 0.0
        return fits


@dataclass
class _HitList:
    """Hits as they are found."""

    first_hit: list[int]
    first_shift: list[int]
    group: list[int] = field(default_factory=list)
    child: list[int] = field(default_factory=list)
    shift: list[Array] = field(default_factory=list)
    posterior: list[Array] = field(default_factory=list)

    def add(self, group: int, child: int, shift: Array, posterior: Array) -> None:
        self.group.append(group)
        self.child.append(child)
        self.shift.append(shift)
        self.posterior.append(posterior)
        self.first_shift.append(self.first_shift[-1] + len(shift))

    def hits(self) -> Hits:
        return Hits(
            first_hit=np.array(self.first_hit, np.int64),
            group=np.array(self.group, np.int64),
            child=np.array(self.child, np.int64),
            first_shift=np.array(self.first_shift[:-1], np.int64),
            end_shift=np.array(self.first_shift[1:], np.int64),
            shift=np.concatenate([np.zeros(0, np.int32), *self.shift]).astype(np.int32),
            posterior=np.concatenate([np.zeros(0), *self.posterior]).astype(np.float32),
        )


def _overlap(n: int, shift: int) -> tuple[slice, slice]:
    """Return where shifted pixels go, and where they come from."""
    return slice(max(0, shift), max(0, n + min(0, shift))), slice(
        max(0, -shift), max(0, n - max(0, shift))
    )


def _complex(rows: Array) -> Array:
    return np.ascontiguousarray(rows).view(np.complex64)


def _norms(slices: Array, power: Array) -> Array:
    n = min(len(power), slices.shape[1] // 2)
    return np.asarray(0.5 * np.abs(_complex(slices)[:, :n]) ** 2 @ power[:n])


def _each_sample(samples: Samples) -> list[tuple[int, int, int]]:
    return [
        (image, group, s)
        for image in range(len(samples.first_group) - 1)
        for group in range(*samples.first_group[image : image + 2])
        for s in range(*samples.first_sample[group : group + 2])
    ]
