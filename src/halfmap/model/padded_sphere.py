"""Where a voxel of a padded transform lies: squared radius, and the shell it belongs to.

The layout is that of `halfmap.model.reference.FourierReference`. A shell is one pixel of the
*unpadded* box wide: ROUND(|K| / padding), |K| in padded voxels. The transform of a 2D reference
is the one plane z = 0.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Int
from numpy import ndarray as Array

from halfmap.model.fourier import round_half_away


@dataclass(frozen=True, slots=True)
class PaddedSphere:
    """A sphere of frequencies on the grid of a padded transform."""

    r_max: int
    """Largest frequency, in unpadded pixels."""
    padding: float
    flat: bool = False
    """Of a 2D reference: a disc."""

    @property
    def reach(self) -> int:
        """Radius of the sphere in padded voxels.

        >>> PaddedSphere(r_max=28, padding=2.0).reach
        56
        """
        return round_half_away(self.padding * self.r_max)

    @property
    def half(self) -> int:
        """Index of frequency zero along y; one more than the reach, for interpolation."""
        return self.reach + 1

    @property
    def half_z(self) -> int:
        """Index of frequency zero along z."""
        return 0 if self.flat else self.half

    @property
    def shape(self) -> tuple[int, int, int]:
        """Shape of the stored half-space."""
        return (2 * self.half_z + 1, 2 * self.half + 1, self.half + 1)

    @property
    def n_voxels(self) -> int:
        """Voxels of the stored half-space.

        >>> PaddedSphere(r_max=1, padding=1.0).n_voxels
        75
        """
        n_z, n_y, n_x = self.shape
        return n_z * n_y * n_x

    @property
    def oversampled(self) -> float:
        """Voxels of the padded transform for each of the unpadded one."""
        return float(self.padding ** (2 if self.flat else 3))

    def squared_radius(self, z: slice = slice(None), x: slice = slice(None)) -> Int[Array, "z y x"]:
        """Return K² of a part of the stored half-space, in padded voxels²."""
        squares = np.arange(-self.half, self.half + 1, dtype=np.int32) ** 2
        along_z = squares[self.half - self.half_z : self.half + self.half_z + 1]
        return along_z[z, None, None] + squares[:, None] + (squares[self.half :])[x]

    def shell_of_square(self) -> Int[Array, " square"]:
        """Return, for each K², its shell."""
        radius = np.sqrt(np.arange(3 * self.half**2 + 1))
        return round_half_away(radius / self.padding)

    def floor_of_square(self) -> Int[Array, " square"]:
        """Return, for each K², |K| / padding rounded down."""
        radius = np.sqrt(np.arange(3 * self.half**2 + 1))
        return np.floor(radius / self.padding).astype(np.int64)
