"""From a map to the Fourier transform that central slices are cut from.

A map is cubic, or a single plane: a 2D reference, which is its own projection.

A slice is interpolated linearly between voxels of the transform; in real space that multiplies
the map by a falling window, which is therefore divided out beforehand. Zero-padding makes the
window flat, and the interpolation good.

The transform is scaled so that a slice is the 2D transform (divided by the number of pixels)
of the sum of the map along z.
"""

from collections.abc import Iterator

import numpy as np
from jaxtyping import Float, Float32
from numpy import ndarray as Array

from halfmap.model.padded_sphere import PaddedSphere
from halfmap.model.padded_transform import forward_slabs, padded_box
from halfmap.model.reference import FourierReference


def fourier_reference(
    volume: Float32[Array, "z y x"], current_size: int, padding: float
) -> FourierReference:
    """Transform a map for the projections of one iteration.

    Parameters
    ----------
    volume
        Map in an even box.
    current_size
        Fourier window of the images, px; frequencies up to half of it are kept.
    padding
        The map is padded to ROUND(padding * box) px, made even.

    Returns
    -------
    reference
        Its ``power`` is the prior on the signal, tau2, that this map implies.

    References
    ----------
    Scheres (2012), J. Struct. Biol. 180, 519-530, for the use of tau2.
    """
    box = volume.shape[-1]
    padded = padded_box(box, padding)
    r_max = min(current_size, box) // 2
    sphere = PaddedSphere(r_max, padding=padded / box, flat=len(volume) == 1)
    values = np.zeros(sphere.shape, np.complex64)
    shell_of = sphere.shell_of_square()
    n_shells = box // 2 + 1
    shell_of[sphere.reach**2 + 1 :] = n_shells
    sums = np.zeros((2, n_shells + 1))
    depth = len(volume)
    for x, slab in forward_slabs(_sharpened(volume, padding), (depth, box), padded, sphere.half):
        shell = shell_of[sphere.squared_radius(x=x)]
        slab *= (shell < n_shells) / box**2
        values[:, :, x] = slab
        power = slab.real**2 + slab.imag**2
        sums[0] += np.bincount(shell.ravel(), power.ravel(), minlength=n_shells + 1)
        sums[1] += np.bincount(shell.ravel(), minlength=n_shells + 1)
    power, count = sums[:, :n_shells]
    return FourierReference(
        values=values,
        r_max=sphere.r_max,
        padding=sphere.padding,
        box=box,
        power=power / (2.0 * np.maximum(count, 1)),
    )


def gridding_correction(box: int, padding: float, *, flat: bool = False) -> Float[Array, "z y x"]:
    """Return the window that linear interpolation of the transform puts on the map.

    sinc²(r / padded box), with r the distance from pixel box // 2: RELION's radial stand-in
    for the product over the axes. Divide the map by it; ``flat``: a 2D reference.
    """
    return np.stack(list(_windows(1 if flat else box, box, padding)))


def _sharpened(volume: Float[Array, "z y x"], padding: float) -> Iterator[Float[Array, "y x"]]:
    """Return the planes of the map divided by the interpolation window, in double precision."""
    windows = _windows(len(volume), volume.shape[-1], padding)
    for plane, window in zip(volume, windows, strict=True):
        yield plane / window


def _windows(depth: int, box: int, padding: float) -> Iterator[Float[Array, "y x"]]:
    squares = (np.arange(box) - box // 2) ** 2
    of_square = np.sinc(np.sqrt(np.arange(3 * squares.max() + 1)) / padded_box(box, padding)) ** 2
    for z in (np.arange(depth) - depth // 2) ** 2:
        yield of_square[z + squares[:, None] + squares]
