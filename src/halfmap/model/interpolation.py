"""How values between the voxels of a transform are found: linearly, or by the nearest voxel."""

from dataclasses import dataclass

EVERYWHERE = 1e30
"""A squared frequency that none reaches (infinity would not survive fast mathematics)."""


@dataclass(frozen=True, slots=True)
class Interpolation:
    """The same when slices are cut and when images are inserted."""

    nearest: bool = False
    """Take the nearest voxel, where `linear_shells` allows."""
    linear_shells: int = 10
    """Lower shells than this are interpolated linearly in any case."""

    def linear_square(self, scale: float = 1.0) -> float:
        """Return |k|² below which images are interpolated linearly, px².

        Parameters
        ----------
        scale
            Frequencies of the map for each frequency of the image.
        """
        return (self.linear_shells / scale) ** 2 if self.nearest else EVERYWHERE

    @property
    def window_power(self) -> int:
        """Power of the sinc that interpolation multiplies the map with (RELION's choice).

        Linear interpolation convolves with a triangle, the nearest voxel with a box.
        """
        return 1 if self.nearest and self.linear_shells == 0 else 2


LINEAR = Interpolation()
