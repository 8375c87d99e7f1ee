"""The single-precision grid of a unit: whole, or a slab at a time where the whole is too large.

A slab gets the same contributions in the same order as those planes of a whole grid, so that its
sums have the same bits; what is inserted is then gone through once for each slab.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from jaxtyping import Float32
from numpy import ndarray as Array

from halfmap.kernels.protocol import GUARD, Grid, HitGeometry, Hits, Kernels, ShellSums, Spectra
from halfmap.model.padded_sphere import PaddedSphere
from halfmap.model.touched_voxels import balanced_planes, row_starts, voxels_of_planes

FLOAT_BYTES = 4


class Insertion(NamedTuple):
    """What `Kernels.accumulate` inserts."""

    spectra: Spectra
    ramps: Float32[Array, "shift width"]
    hits: Hits
    geometry: HitGeometry


class UnitGrid:
    """What a unit inserts, a slab of planes of constant z at a time."""

    def __init__(self, sphere: PaddedSphere, n_classes: int, n_slabs: int = 1) -> None:
        held = list(_slabs(sphere, n_slabs))
        size = max(n_floats for _, n_floats in held)
        self.values = np.zeros((n_classes, size), np.float32)
        rows = row_starts(sphere)
        self._grids = tuple(
            Grid(self.values[:, :n_floats], rows, sphere.half, own.start, own.stop)
            for own, n_floats in held
        )
        self._inserted: list[Insertion] = []

    def insert(
        self,
        what: Insertion,
        slices: Float32[Array, "slice width"],
        sums: ShellSums,
        kernels: Kernels,
    ) -> None:
        """Insert into the first slab, and add up model and cross power; the other slabs wait."""
        spectra, ramps, hits, geometry = what
        kernels.accumulate(spectra, ramps, hits, slices, geometry, (self._grids[0], sums))
        if len(self._grids) > 1:
            self._inserted.append(what)

    def slabs(self, kernels: Kernels) -> Iterator[Grid]:
        """Yield each slab with all that was inserted; the caller flushes one before the next."""
        nothing = np.zeros((0, 0, 0))
        for number, grid in enumerate(self._grids):
            for spectra, ramps, hits, geometry in self._inserted if number else ():
                out = (grid, ShellSums(nothing, nothing))
                slices = np.zeros((0, ramps.shape[1]), np.float32)
                kernels.accumulate(spectra, ramps, hits, slices, geometry, out)
            yield grid
        self._inserted.clear()


def n_bytes_of_unit_grid(sphere: PaddedSphere, n_classes: int, n_slabs: int = 1) -> int:
    """Return the memory of a `UnitGrid`."""
    largest = max(n_floats for _, n_floats in _slabs(sphere, n_slabs))
    return FLOAT_BYTES * n_classes * largest


def _slabs(sphere: PaddedSphere, n_slabs: int) -> Iterator[tuple[slice, int]]:
    """Yield the planes of each slab, and how many floats it takes with a margin of one plane."""
    for own in balanced_planes(sphere, n_slabs):
        held = voxels_of_planes(sphere, slice(max(own.start - 1, 0), own.stop + 1))
        yield own, 3 * (held.stop - held.start) + GUARD
