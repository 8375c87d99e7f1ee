"""Giving a map the intensities of a known structure factor, shell by shell (``--setsf``)."""

from math import floor, sqrt

import numpy as np
import scipy.fft
from jaxtyping import Float, Float32
from numpy import ndarray as Array

from halfmap.errors import DataError
from halfmap.model.structure_factor import StructureFactor
from halfmap.steps.frequency_filter import planes

FEWEST_SHELLS = 3
PADDING_OF_ROWS = 2
"""Real numbers that in-place transforms add to a row; EMAN2 takes them for pixels."""


def with_structure_factor(
    volume: Float[Array, "..."],
    curve: StructureFactor,
    pixel_size_A: float,
    like_eman: bool = False,
) -> Float32[Array, "..."]:
    """Return a map, or an image, with the mean power of each shell on a curve.

    With N the size along y, the power of the unnormalised transform in shell i becomes
    N³ times the intensity at i / (N pixels). Shell 0 stays; shells beyond the curve are scaled as
    the last within it.

    Parameters
    ----------
    volume
        (z, y, x), or (y, x).
    curve
        The intensities.
    pixel_size_A
        Of the map.
    like_eman
        As EMAN2: divide the index along x by the size plus two, take the curve as zero before
        its first point, and count what stands for a mate, too, only once in the mean power.

    Raises
    ------
    DataError
        If the curve covers less than three shells.
    """
    box = volume.shape[-2]
    transform = scipy.fft.rfftn(np.asarray(volume, np.float64))
    power = mean_power(transform, volume.shape, stored_once=like_eman)
    reach = floor(curve.frequency_per_A[-1] * pixel_size_A * box)
    n_shells = min(len(power), reach)
    if n_shells < FEWEST_SHELLS:
        raise DataError(
            f"the structure factor ends at {curve.frequency_per_A[-1]:g} 1/Å: found {n_shells} "
            f"shells of the map, expected at least {FEWEST_SHELLS}. Give a longer curve, or "
            "correct --apix."
        )
    wanted = curve.at(np.arange(n_shells) / (pixel_size_A * box), beyond_is_zero=like_eman)
    factor = _factors(float(box) ** 3 * np.maximum(wanted, 0.0), power)
    padded = PADDING_OF_ROWS if like_eman else 0
    for plane, frequency in planes(transform, volume.shape, padded):
        plane *= np.interp(frequency * box, np.arange(n_shells), factor)
    return scipy.fft.irfftn(transform, volume.shape, overwrite_x=True).astype(np.float32)


def mean_power(
    transform: Array, shape: tuple[int, ...], stored_once: bool = False
) -> Float[Array, " shell"]:
    """Return the mean of |F|² around each whole radius, each point shared by two of them.

    Radii are counted in pixels of the size along y, up to the corner of the transform.

    Parameters
    ----------
    transform
        Half of it, as stored.
    shape
        In real space.
    stored_once
        Count each stored point once, not also the mate that it stands for.
    """
    n_shells = floor(shape[-2] * sqrt(len(shape)) / 2)
    total, count = np.zeros(n_shells + 2), np.zeros(n_shells + 2)
    mates = np.full(shape[-1] // 2 + 1, 1.0 if stored_once else 2.0)
    mates[0] = 1.0
    if shape[-1] % 2 == 0:
        mates[-1] = 1.0
    for plane, frequency in planes(transform, shape):
        radius = np.minimum(frequency * shape[-2], n_shells + 0.5)
        shell = radius.astype(np.intp)
        power = plane.real**2 + plane.imag**2
        for index, share in ((shell, shell + 1 - radius), (shell + 1, radius - shell)):
            weight = (share * mates).ravel()
            total += np.bincount(index.ravel(), weight * power.ravel(), n_shells + 2)
            count += np.bincount(index.ravel(), weight, n_shells + 2)
    return np.asarray(total[:n_shells] / np.maximum(count[:n_shells], np.finfo(float).tiny))


def _factors(wanted: Float[Array, " shell"], power: Float[Array, " shell"]) -> Array:
    """Return the factor of each shell; one without power has that of the shell before it."""
    factor = np.ones(len(wanted))
    for i in range(1, len(wanted)):
        factor[i] = sqrt(wanted[i] / power[i]) if power[i] > 0.0 else factor[i - 1]
    return factor
