"""Images and maps multiplied in Fourier space by a function of the spatial frequency.

A frequency is the length of (kx / nx, ky / ny, kz / nz): cycles per pixel, 0.5 at Nyquist.
"""

from collections.abc import Callable, Iterator

import numpy as np
import scipy.fft
from jaxtyping import Complex, Float, Float32
from numpy import ndarray as Array

Response = Callable[[Float[Array, "..."]], Float[Array, "..."]]
"""What each frequency is multiplied by."""


def filtered(image: Float[Array, "..."], response: Response) -> Float32[Array, "..."]:
    """Return an image (y, x) or a map (z, y, x) with its transform multiplied."""
    transform = scipy.fft.rfftn(np.asarray(image, np.float64))
    for plane, frequency in planes(transform, image.shape):
        plane *= response(frequency)
    return scipy.fft.irfftn(transform, image.shape, overwrite_x=True).astype(np.float32)


def planes(
    transform: Complex[Array, "..."], shape: tuple[int, ...], padded_x: int = 0
) -> Iterator[tuple[Complex[Array, "y half"], Float[Array, "y half"]]]:
    """Yield each plane of a half transform, to be changed in place, and its frequencies.

    Parameters
    ----------
    transform
        Of an image or a map.
    shape
        In real space.
    padded_x
        Added to the size along x when frequencies are computed.
    """
    kx = np.arange(shape[-1] // 2 + 1) / (shape[-1] + padded_x)
    squared = np.add.outer(scipy.fft.fftfreq(shape[-2]) ** 2, kx**2)
    along_z = scipy.fft.fftfreq(shape[0]) if len(shape) == 3 else np.zeros(1)
    for plane, kz in zip(transform.reshape(len(along_z), *squared.shape), along_z, strict=True):
        yield plane, np.sqrt(squared + kz * kz)
