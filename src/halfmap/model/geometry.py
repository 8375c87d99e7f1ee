"""How the pixels of an image's transform lie in the frequencies of the map.

Images of one run may differ in box and pixel size, and a lens may stretch them (anisotropic
magnification). A frequency k of an image's transform, in pixels of its own box, is frequency
``to_model @ k`` of the projected map, in pixels of the map's box. Shells are always the map's:
noise, signal and FSC of all images share them.

Images are compared as what they show, not as numbers of pixels: a transform is scaled to the
integral over the area of the map's box (`ImageGeometry.unit`), so that a larger box around the same
particle changes neither the signal nor, as it has more pixels with more noise each, the
evidence. With the map's own grid that is the transform divided by the number of pixels.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray as Array

from halfmap.model.fourier import frequencies_2d, shells_2d
from halfmap.model.optics import Optics

ROUNDING = 1e-9
"""A frequency that much beyond a limit is still on it: box lengths are products of decimals."""


@dataclass(frozen=True, slots=True)
class ImageGeometry:
    """Grid of some images, and that of the map they are compared with."""

    box: int
    """Of the images, px."""
    pixel_size_A: float
    model_box: int
    model_pixel_size_A: float
    magnification: tuple[float, float, float, float] = (1.0, 0.0, 0.0, 1.0)
    """Matrix M, row by row: the image shows at frequency k what is at M k."""

    @classmethod
    def plain(cls, box: int, pixel_size_A: float) -> "ImageGeometry":
        """Return that of images on the grid of the map."""
        return cls(box, pixel_size_A, box, pixel_size_A)

    @property
    def is_magnified(self) -> bool:
        """Whether there is a magnification to be undone."""
        return self.magnification != (1.0, 0.0, 0.0, 1.0)

    @property
    def is_of_map(self) -> bool:
        """Whether the images are on the grid of the map."""
        plain = ImageGeometry.plain(self.model_box, self.model_pixel_size_A)
        return self == plain

    @property
    def scale(self) -> float:
        """Length of the map's box over that of the image's."""
        return (self.model_box * self.model_pixel_size_A) / (self.box * self.pixel_size_A)

    @property
    def to_model(self) -> Float[Array, "2 2"]:
        """Matrix from frequencies of the image (x, y) to those of the map."""
        return self.scale * np.reshape(self.magnification, (2, 2))

    @property
    def unit(self) -> float:
        """Factor on a transform without any: pixel area over the square of the map's box."""
        return (self.pixel_size_A / self.model_pixel_size_A) ** 2 / self.model_box**2

    @property
    def power_per_pixel(self) -> float:
        """Factor that turns power into that of the transform over the number of pixels."""
        return self.scale**4

    def window(self, size: int) -> int:
        """Return the window of the image that holds a window ``size`` of the map (px, even)."""
        return min(self.box, 2 * int(np.ceil(0.5 * size / self.scale - ROUNDING)))

    def model_square(self, kx: Int[Array, "..."], ky: Int[Array, "..."]) -> Float[Array, "..."]:
        """Return the squared frequency in the map of pixels of the image."""
        (a, b), (c, d) = self.to_model
        return np.asarray((a * kx + b * ky) ** 2 + (c * kx + d * ky) ** 2)

    def model_shell(self, kx: Int[Array, "..."], ky: Int[Array, "..."]) -> Int[Array, "..."]:
        """Return the map's shell of pixels of the image, as far as noise is concerned.

        Noise is not magnified: the matrix takes no part.
        """
        shell = np.floor(self.scale * np.sqrt(kx**2 + ky**2) + 0.5 + ROUNDING)
        return np.asarray(shell.astype(np.int64))

    def model_shells(self) -> Int[Array, "box half"]:
        """Return the map's shell of every stored pixel of an image's transform."""
        ky, kx = frequencies_2d(self.box)
        return self.model_shell(kx, ky)

    def pixels_per_shell(self) -> Int[Array, " shell"]:
        """Count the independent pixels of an image in each shell of the map, 0 to its box/2."""
        ky, kx = frequencies_2d(self.box)
        counted = (shells_2d(self.box) <= self.box // 2) & ~((kx == 0) & (ky < 0))
        n = self.model_box // 2 + 1
        return np.asarray(np.bincount(self.model_shell(kx, ky)[counted], minlength=n)[:n])


def geometries(
    optics: tuple[Optics, ...], used: Int[Array, " group"]
) -> tuple[tuple[ImageGeometry, ...], Int[Array, " optics"]]:
    """Find the distinct geometries of a data set; the map is on the grid of its first group.

    Parameters
    ----------
    optics
        All groups.
    used
        Those that have particles; the others get no geometry of their own.

    Returns
    -------
    geometries
        In the order of the groups.
    index
        Geometry of each group; 0 for one without particles.
    """
    grid = optics[0]
    found: dict[ImageGeometry, int] = {}
    index = np.zeros(len(optics), np.int64)
    for group in np.unique(used).tolist():
        own = optics[group]
        geometry = ImageGeometry(
            own.box, own.pixel_size_A, grid.box, grid.pixel_size_A, own.magnification
        )
        index[group] = found.setdefault(geometry, len(found))
    return tuple(found), index
