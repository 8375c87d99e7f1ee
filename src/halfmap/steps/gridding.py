"""Iterative gridding: weights for Fourier voxels that make the data count evenly everywhere.

To divide each voxel by its own weight forgets that neighbours overlap. Gridding looks for weights w
such that w * precision, smoothed with a compact blob, is 1 in the whole sphere.
"""

import numpy as np
import scipy.fft
from jaxtyping import Float
from numpy import ndarray as Array

from halfmap.model.padded_sphere import PaddedSphere

BLOB_RADIUS = 1.9
"""Of the blob, in voxels of the unpadded transform, when that is used up to Nyquist. A smaller
sphere makes do with a blob that is smaller in proportion (RELION's choice): its real space, on
the grid of the sphere, is as coarse as the sphere is small."""
BLOB_ALPHA = 15.0
"""How sharply the blob is peaked."""
LARGEST_FREQUENCY = 0.5
"""Cycles a voxel; the transform of the blob is cut off there."""
GRIDDING_ITERATIONS = 10
"""Enough for the weights to settle."""
SMALLEST_DENSITY = 1e-6
"""A smaller density, relative to the largest precision, would be divided by noise."""


def gridding_weights(
    precision: Float[Array, "z y x"], sphere: PaddedSphere, padded: int, n_iterations: int
) -> Float[Array, "z y x"]:
    """Return what to multiply the signal by, in place of 1 / precision.

    Parameters
    ----------
    precision
        Weight of the data and of the prior, laid out as `FourierSums`; complete at x = 0.
    sphere
        Weights are zero outside, and on its surface.
    padded
        Size of the padded box, px.
    n_iterations
        Such as `GRIDDING_ITERATIONS`.

    References
    ----------
    Pipe & Menon (1999), Magn. Reson. Med. 41, 179-186.
    """
    inside = sphere.squared_radius() < round(sphere.padding * sphere.r_max) ** 2
    largest = float(precision.max(initial=0.0, where=inside))
    if largest == 0.0:
        return np.zeros_like(precision)
    density = np.where(inside, precision / largest, 0.0)
    weights = inside.astype(np.float64)
    smoothed = _Smoothing(sphere, padded)
    for _ in range(n_iterations):
        weights /= np.maximum(SMALLEST_DENSITY, np.abs(smoothed(weights * density)))
    return weights / largest


class _Smoothing:
    """Convolution with the blob, by way of real space."""

    def __init__(self, sphere: PaddedSphere, padded: int) -> None:
        self.shape = tuple(n for n in (*sphere.shape[:2], sphere.shape[1]))
        radius = BLOB_RADIUS * sphere.padding
        positions = np.ogrid[tuple(slice(-(n // 2), n // 2 + 1) for n in self.shape)]
        distance = np.sqrt(sum(p**2 for p in positions))
        self.window = scipy.fft.ifftshift(blob_transform(distance / padded, radius))

    def __call__(self, values: Float[Array, "z y x"]) -> Float[Array, "z y x"]:
        frequencies = scipy.fft.ifftshift(values, axes=(0, 1))
        space = scipy.fft.irfftn(frequencies, s=self.shape)
        back = scipy.fft.rfftn(space * self.window, overwrite_x=True).real
        return np.asarray(scipy.fft.fftshift(back, axes=(0, 1)))


def blob_transform(
    frequency: Float[Array, "..."], radius: float, alpha: float = BLOB_ALPHA
) -> Float[Array, "..."]:
    """Return the 3D Fourier transform of a Kaiser-Bessel blob of order 0, 1 at frequency 0.

    Parameters
    ----------
    frequency
        Cycles a voxel; beyond `LARGEST_FREQUENCY` the result is 0.
    radius
        Voxels.

    References
    ----------
    Lewitt (1990), J. Opt. Soc. Am. A 7, 1834-1846, equation A3.
    """
    square = alpha**2 - (2.0 * np.pi * radius * frequency) ** 2
    values = _bessel_ratio(square) / _bessel_ratio(np.array(alpha**2))
    return np.asarray(np.where(frequency <= LARGEST_FREQUENCY, values, 0.0))


def _bessel_ratio(square: Float[Array, "..."]) -> Float[Array, "..."]:
    """Return I(s) / s^(3/2) with the Bessel function I of order 3/2, but for a constant.

    Of s² it is an entire function: where s² is negative, I becomes J.
    """
    s = np.sqrt(np.maximum(np.abs(square), 1e-4))
    growing = (np.cosh(s) - np.sinh(s) / s) / s**2
    waving = (np.sin(s) / s - np.cos(s)) / s**2
    return np.asarray(np.where(square >= 0.0, growing, waving))
