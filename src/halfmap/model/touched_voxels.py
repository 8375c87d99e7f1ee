"""The voxels of a padded transform that insertion can touch, packed one after the other.

They are half of those of the box around them: the others hold nothing, ever, so that they are
neither stored nor sent. Rows run over z and, within it, y; of each row the voxels from x = 0 to
the rim are listed, without a gap.
"""

from functools import lru_cache
from itertools import pairwise

import numpy as np
from jaxtyping import Int, Shaped
from numpy import ndarray as Array

from halfmap.model.padded_sphere import PaddedSphere

CELL_DIAGONAL = 1.74
"""Padded voxels; a little more than the square root of 3."""


def touched_square(sphere: PaddedSphere) -> int:
    """Return the largest K² of a voxel that insertion can touch.

    The voxels around a point of the sphere lie within a cell's diagonal of it.
    """
    return int((sphere.reach + CELL_DIAGONAL) ** 2)


@lru_cache(maxsize=4)
def row_starts(sphere: PaddedSphere) -> Int[Array, " row_and_1"]:
    """Return at which packed voxel each row begins, and behind them their number; read-only."""
    rim = touched_square(sphere) - sphere.squared_radius(x=slice(0, 1)).ravel()
    reach = np.minimum(np.sqrt(np.maximum(rim, 0)).astype(np.int64), sphere.half)
    starts = np.concatenate([[0], np.cumsum(np.where(rim >= 0, reach + 1, 0))])
    narrow = np.int32 if starts[-1] < 2**31 else np.int64  # rows are looked up in hot loops
    found = starts.astype(narrow)
    found.flags.writeable = False
    return found


def n_touched(sphere: PaddedSphere) -> int:
    """Count the voxels."""
    return int(row_starts(sphere)[-1])


def rows_of_planes(sphere: PaddedSphere, z: slice) -> slice:
    """Return the rows of some planes (indices, not frequencies), given without a step."""
    n_z, n_y, _ = sphere.shape
    first, last, _ = z.indices(n_z)
    return slice(first * n_y, max(last, first) * n_y)


def voxels_of_planes(sphere: PaddedSphere, z: slice) -> slice:
    """Return the packed voxels of some planes."""
    rows, starts = rows_of_planes(sphere, z), row_starts(sphere)
    return slice(int(starts[rows.start]), int(starts[rows.stop]))


def balanced_planes(sphere: PaddedSphere, n: int) -> list[slice]:
    """Cut the planes of constant z into at most ``n`` slabs of about as many voxels."""
    n_z, n_y, _ = sphere.shape
    before = row_starts(sphere)[::n_y].astype(np.int64)
    cuts = np.searchsorted(before, np.linspace(0, before[-1], n + 1)[1:-1])
    edges = np.unique([0, *cuts, n_z])
    return [slice(int(first), int(last)) for first, last in pairwise(edges)]


def planes(
    values: Shaped[Array, " voxel"], sphere: PaddedSphere, z: slice = slice(None)
) -> Shaped[Array, "z y x"]:
    """Unpack some planes of constant z; what cannot be touched is zero."""
    touched = sphere.squared_radius(z=z) <= touched_square(sphere)
    dense = np.zeros(touched.shape, values.dtype)
    dense[touched] = values[voxels_of_planes(sphere, z)]
    return dense


def packed(dense: Shaped[Array, "z y x"], sphere: PaddedSphere) -> Shaped[Array, " voxel"]:
    """Pack values in the layout of `halfmap.model.reference.FourierReference`."""
    return np.asarray(dense[sphere.squared_radius() <= touched_square(sphere)])


def inner_voxels(sphere: PaddedSphere, inner: PaddedSphere) -> Int[Array, " inner_voxel"]:
    """Return where the packed voxels of a smaller sphere stand among those of a sphere."""
    starts, length = row_starts(sphere), np.diff(row_starts(inner))
    rows = np.arange(len(starts) - 1).reshape(sphere.shape[:2])
    margin_z, margin = sphere.half_z - inner.half_z, sphere.half - inner.half
    own = rows[margin_z : margin_z + inner.shape[0], margin : margin + inner.shape[1]].ravel()
    x = np.arange(n_touched(inner)) - np.repeat(row_starts(inner)[:-1], length)
    return np.asarray(np.repeat(starts[own], length) + x)
