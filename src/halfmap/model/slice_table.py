"""The slices of a reconstruction: which image lies where in Fourier space, and what it weighs."""

from dataclasses import dataclass

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

    def only(self, keep: Bool[Array, " slice"] | Int[Array, " kept"]) -> "SliceTable":
        """Return some rows."""
        index = np.flatnonzero(keep) if keep.dtype == bool else keep
        return SliceTable(
            row=self.row[index],
            rotation=self.rotation[index],
            shift_px=self.shift_px[index],
            mirror=self.mirror[index],
            weight=self.weight[index],
            quality=self.quality[index],
            ssnr=None if self.ssnr is None else tuple(self.ssnr[i] for i in index),
            half=None if self.half is None else self.half[index],
        )
