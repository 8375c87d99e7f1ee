"""The slices of a reconstruction: which image lies where in Fourier space, and what it weighs."""

from dataclasses import dataclass, fields
from typing import Self

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy import ndarray as Array


@dataclass(frozen=True, slots=True)
class SliceTable:
    """One row for each image that may be inserted, in the order of the input."""

    row: Int[Array, " slice"]
    """Image of the source, from zero."""
    rotation: Float[Array, "slice 3 3"]
    """R, by which a point (x, y, z) of the map is turned before it is projected along z."""
    shift_px: Float[Array, "slice 2"]
    """(x, y) by which the image is moved to centre it, px of the image."""
    mirror: Bool[Array, " slice"]
    """Whether the image is mirrored in x about pixel n // 2, after it has been moved."""
    weight: Float[Array, " slice"]
    """As a whole; 0 leaves the slice out."""
    quality: Float[Array, " slice"]
    """Small is good."""
    ssnr: tuple[Float[Array, " radius"], ...] | None = None
    """Of each slice, its weight at radii from 0 to Nyquist; instead of ``weight``."""
    half: Int[Array, " slice"] | None = None
    """0 or 1; None: the set is not split."""

    def __len__(self) -> int:
        return len(self.row)

    def only(self, keep: Bool[Array, " slice"] | Int[Array, " kept"]) -> Self:
        """Return some rows."""
        index = np.flatnonzero(keep) if keep.dtype == bool else keep
        return type(self)(*(_some(getattr(self, field.name), index) for field in fields(self)))


def _some(column: Array | tuple[Array, ...] | None, index: Int[Array, " kept"]) -> object:
    if column is None:
        return None
    return tuple(column[i] for i in index) if isinstance(column, tuple) else column[index]
