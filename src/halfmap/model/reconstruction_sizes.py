"""Sizes of a direct reconstruction: of the images, padded, of the volume, of the map.

All are (x, y) or (x, y, z). Padded images and volumes are even; a frequency of an image keeps its
fraction of Nyquist in the volume, whatever the two sizes.
"""

from typing import NamedTuple


class Sizes(NamedTuple):
    """What is made of what."""

    image: tuple[int, int]
    """(x, y) as read, px."""
    padded: tuple[int, int]
    """(x, y) of the images that are transformed."""
    volume: tuple[int, int, int]
    """(x, y, z) of the volume that is summed."""
    output: tuple[int, int, int]
    """(x, y, z) of the map that is written."""

    @property
    def half_volume(self) -> tuple[int, int, int]:
        """Shape (z, y, x) of the half volume that holds the sums: x from 0 to Nyquist."""
        x, y, z = self.volume
        return z, y, x // 2 + 1
