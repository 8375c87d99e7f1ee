"""The half volume of a direct reconstruction: mates, the quotient, and the map.

Index (z, y, x) of a half volume holds the frequency (z - Vz / 2, y - Vy / 2, x), with x from 0 to
Nyquist. The other half are the conjugates of the opposite frequencies.
"""

from typing import NamedTuple

import numpy as np
import scipy.fft
from jaxtyping import Complex, Complex64, Float, Float32, Float64, Int, Int64
from numpy import ndarray as Array

from halfmap.model.compat import HALFMAP, Compat

Z_Y = (0, 1)


class Quotient(NamedTuple):
    """Sums in floating point, the mates on the planes x = 0 and Nyquist added."""

    signal: Complex64[Array, "z y x"]
    weight: Float32[Array, "z y x"]


def opposite(plane: Array) -> Array:
    """Return the values of a plane of constant x at (-z, -y)."""
    n_z, n_y = plane.shape[:2]
    return np.asarray(plane[np.ix_(-np.arange(n_z) % n_z, -np.arange(n_y) % n_y)])


def decoded(
    sums: Int64[Array, "z y x 3"],
    faint: tuple[Int[Array, " faint"], Float64[Array, "faint 3"]],
    scale: tuple[float, float],
    compat: Compat = HALFMAP,
) -> Quotient:
    """Turn integer sums into signal and weight, and complete the planes that are their own mates.

    Parameters
    ----------
    sums
        Real part, imaginary part, weight.
    faint
        Voxels that have other sums than these integers, and what they are, in the same units.
    scale
        With which signal and weight were multiplied.
    compat
        EMAN2 counts the samples at y = z = 0 of these planes once.
    """
    signal = np.empty(sums.shape[:3], np.complex64)
    weight = np.empty(sums.shape[:3], np.float32)
    for z, plane in enumerate(sums):
        signal.real[z] = plane[..., 0] / scale[0]
        signal.imag[z] = plane[..., 1] / scale[0]
        weight[z] = plane[..., 2] / scale[1]
    voxel, own = faint
    signal.reshape(-1)[voxel] = (own[:, 0] + 1j * own[:, 1]) / scale[0]
    weight.reshape(-1)[voxel] = own[:, 2] / scale[1]
    origin = sums.shape[0] // 2, sums.shape[1] // 2
    for x in (0, sums.shape[2] - 1):
        total = signal[:, :, x] + opposite(signal[:, :, x]).conj()
        counted = weight[:, :, x] + opposite(weight[:, :, x])
        if compat.friedel_planes:
            total[origin] /= 2.0
            counted[origin] /= 2.0
        signal[:, :, x], weight[:, :, x] = total, counted
    return Quotient(signal, weight)


def divided(sums: Quotient) -> Complex64[Array, "z y x"]:
    """Return signal / weight, 0 where there is no weight."""
    out = np.zeros_like(sums.signal)
    known = sums.weight != 0.0
    for part, of in ((out.real, sums.signal.real), (out.imag, sums.signal.imag)):
        np.divide(of, sums.weight, out=part, where=known)
    return out


def to_map(
    transform: Complex[Array, "z y x"], volume: tuple[int, int, int], n_threads: int = 1
) -> Float32[Array, "z y x"]:
    """Return the map of a half volume; the inverse transform divides by the number of voxels.

    Parameters
    ----------
    transform
        Half volume.
    volume
        (x, y, z).
    n_threads
        The result is the same for any number.
    """
    x, y, z = volume
    corner = np.fft.ifftshift(transform, axes=Z_Y)
    found = scipy.fft.irfftn(corner, s=(z, y, x), workers=n_threads, overwrite_x=True)
    return np.asarray(np.fft.fftshift(found), np.float32)


def to_half_volume(
    density: Float[Array, "z y x"], n_threads: int = 1
) -> Complex64[Array, "z y x_half"]:
    """Return the half volume of a map: the inverse of `to_map`."""
    corner = np.fft.ifftshift(np.asarray(density, np.float32))
    return np.asarray(np.fft.fftshift(scipy.fft.rfftn(corner, workers=n_threads), axes=Z_Y))


def squared_fraction(volume: tuple[int, int, int]) -> Float64[Array, "z y x"]:
    """Return the square of the frequency of each voxel of a half volume, in cycles a pixel."""
    x, y, z = volume
    along_z = (np.arange(z) - z // 2) / z
    along_y = (np.arange(y) - y // 2) / y
    along_x = np.arange(x // 2 + 1) / x
    return along_z[:, None, None] ** 2 + along_y[:, None] ** 2 + along_x**2


def clipped(density: Float32[Array, "z y x"], size: tuple[int, ...]) -> Float32[Array, "z y x"]:
    """Cut the middle out of a map, or surround it by zeros.

    Parameters
    ----------
    density
        The map.
    size
        (x, y, z) of the result, whose first voxel is floor((old - new) / 2) of the old one.
    """
    out = np.zeros(size[::-1], np.float32)
    source, target = [], []
    for old, new in zip(density.shape, out.shape, strict=True):
        first = (old - new) // 2
        low, high = max(first, 0), min(first + new, old)
        source.append(slice(low, high))
        target.append(slice(low - first, high - first))
    out[tuple(target)] = density[tuple(source)]
    return out
