"""From a map to the Fourier transform that central slices are cut from.

A map is cubic, or a single plane: a 2D reference, which is its own projection.

A slice is interpolated linearly between voxels of the transform; in real space that multiplies
the map by a falling window, which is therefore divided out beforehand. Zero-padding makes the
window flat, and the interpolation good.

The transform is scaled so that a slice is the 2D transform (divided by the number of pixels)
of the sum of the map along z.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float32, Int
from numpy import ndarray as Array

from halfmap.model.fourier import round_half_away
from halfmap.model.interpolation import LINEAR, Interpolation
from halfmap.model.padded_sphere import PaddedSphere
from halfmap.model.padded_transform import padded_box


@dataclass(frozen=True, slots=True)
class ReferenceFilter:
    """What projections show of a map, when poses are compared."""

    above_shell: int = 0
    """Frequencies up to this shell, itself included, are left out; 0 leaves out none."""
    mask: Float32[Array, "z y half"] | None = None
    """Factor on each frequency of the map, unpadded; frequency 0 is the first of each axis."""

    def apply(self, slab: Array, sphere: PaddedSphere, x: slice) -> None:
        """Filter some planes of constant x of a padded transform, in place."""
        if self.above_shell > 0:
            reach = round_half_away(sphere.padding * self.above_shell)
            slab *= sphere.squared_radius(x=x) > reach**2
        if self.mask is not None:
            slab *= self.mask[np.ix_(*_unpadded(sphere, x, self.mask.shape))]


def _unpadded(sphere: PaddedSphere, x: slice, shape: tuple[int, ...]) -> list[Int[Array, " k"]]:
    """Return, along z, y and x, where an unpadded half transform has each padded frequency."""
    n_z, n_y, n_x = sphere.shape
    z = round_half_away((np.arange(n_z) - n_z // 2) / sphere.padding) % shape[0]
    y = round_half_away((np.arange(n_y) - n_y // 2) / sphere.padding) % shape[1]
    # The margin of the sphere, where nothing is, may lie beyond Nyquist.
    x_of_slab = np.minimum(round_half_away(np.arange(n_x)[x] / sphere.padding), shape[2] - 1)
    return [z, y, x_of_slab]


WHOLE = ReferenceFilter()


def reference_sphere(shape: tuple[int, int], current_size: int, padding: float) -> PaddedSphere:
    """Return the frequencies of a reference; ``shape``: number of planes, and box, px."""
    depth, box = shape
    r_max = min(current_size, box) // 2
    return PaddedSphere(r_max, padding=padded_box(box, padding) / box, flat=depth == 1)


def interpolation_windows(
    shape: tuple[int, int], padding: float, interpolation: Interpolation = LINEAR
) -> Iterator[Float[Array, "y x"]]:
    """Yield, plane by plane, the window that interpolation of the transform puts on the map.

    sinc²(r / padded box), with r the distance from pixel box // 2: RELION's radial stand-in
    for the product over the axes. Divide the map by it.

    Parameters
    ----------
    shape
        Number of planes and size of the map, px.
    padding, interpolation
        As `fourier_reference`.
    """
    depth, box = shape
    squares = (np.arange(box) - box // 2) ** 2
    of_square = window_of_square(shape, padding, interpolation)
    for z in (np.arange(depth) - depth // 2) ** 2:
        yield of_square[z + squares[:, None] + squares]


def window_of_square(
    shape: tuple[int, int], padding: float, interpolation: Interpolation = LINEAR
) -> Float[Array, " square"]:
    """Return what `interpolation_windows` consists of, by squared radius, px²."""
    box = shape[1]
    radius = np.sqrt(np.arange(3 * (box // 2) ** 2 + 1))
    return np.asarray(np.sinc(radius / padded_box(box, padding)) ** interpolation.window_power)
