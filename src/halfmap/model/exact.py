"""Fixed point: the scales at which sums over particles are held as 64-bit integers.

Integers add without rounding, so the order of units, threads and ranks cannot matter. Each
scale is a power of two, so that scaling does not round either. It is chosen before an
iteration from the noise spectra, one for each shell, such that no sum can overflow as long as
a particle adds at most what `sum_scales` allows it; `within_bounds` tests that at each unit.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int64
from numpy import ndarray as Array

from halfmap.model.half_model import HalfModel
from halfmap.model.padded_sphere import PaddedSphere
from halfmap.model.padded_transform import slabs
from halfmap.model.sums import ExpectationSums, FourierSums
from halfmap.model.touched_voxels import touched_square, voxels_of_planes

LIMIT = 2.0**62
"""No sum may exceed this; 2^63 is where 64-bit integers end."""
LARGEST_DEVIATION = 2.0**14
"""A Fourier coefficient of an image may be so many standard deviations of the noise."""
LARGEST_CTF = 4.0
"""So large the CTF may be (above 1 only if its amplitude is scaled)."""
SLICES_PER_VOXEL = 4.0
"""The interpolation weights with which one slice touches a voxel sum to less than this."""
LARGEST_POWER = 2.0**24
"""The power of an image in a shell may be so many times that of the noise."""


@dataclass(frozen=True, slots=True)
class SumScales:
    """Factors by which sums are multiplied before they are rounded to integers."""

    signal: Float[Array, " shell"]
    """Of the numerator, by shell of the padded transform; two shells beyond the box."""
    weight: Float[Array, " shell"]
    noise: Float[Array, "optics shell"]
    direction: float
    n_particles: int
    """So many particles fit."""

    def largest(self, n_particles: int) -> float:
        """Return the largest integer that a unit of ``n_particles`` may add to any sum."""
        return LIMIT * n_particles / self.n_particles


def sum_scales(model: HalfModel, n_particles: int) -> SumScales:
    """Choose the scales of one iteration.

    Parameters
    ----------
    model
        Its noise spectra and group scales bound what a particle can add.
    n_particles
        Of the whole run, both halves: their sums may be joined.
    """
    variance = model.noise_variance
    precision = np.divide(1.0, variance, out=np.zeros_like(variance), where=variance > 0.0)
    scale = max(1.0, float(np.max(model.group_scale, initial=1.0)))
    share = LIMIT / n_particles
    signal = (
        LARGEST_DEVIATION * SLICES_PER_VOXEL * LARGEST_CTF * scale * np.sqrt(precision.max(axis=0))
    )
    weight = SLICES_PER_VOXEL * (LARGEST_CTF * scale) ** 2 * precision.max(axis=0)
    n_shells = variance.shape[1]
    pixels = np.pi * np.arange(n_shells) + 2.0
    loudest = np.maximum(variance, variance.max(axis=0, initial=0.0) * 1e-3)
    power = LARGEST_POWER * 2.0 * loudest * pixels
    return SumScales(
        signal=_power_of_two(share / _near_shells(signal)),
        weight=_power_of_two(share / _near_shells(weight)),
        noise=_power_of_two(share / np.where(power > 0.0, power, power.max(initial=1.0))),
        direction=float(_power_of_two(np.array(share / 2.0))),
        n_particles=n_particles,
    )


def _near_shells(bound: Float[Array, " shell"]) -> Float[Array, " shell"]:
    """Return the largest bound of each shell and its neighbours: interpolation crosses shells."""
    n = len(bound)
    padded = np.pad(bound, (1, 3), mode="edge")
    near = np.maximum(np.maximum(padded[: n + 2], padded[1 : n + 3]), padded[2 : n + 4])
    return np.where(near > 0.0, near, max(float(near.max(initial=0.0)), 1.0))


def _power_of_two(x: Array) -> Array:
    """Round down to a power of two."""
    return np.asarray(np.exp2(np.floor(np.log2(x))))


def scales_of_square(scales: SumScales, sphere: PaddedSphere) -> Float[Array, "square 2"]:
    """Return the scales of signal and weight of a voxel, by its K² (padded voxels²).

    As far as insertion reaches.
    """
    n = min(touched_square(sphere), 3 * sphere.half**2) + 1
    shell = np.minimum(sphere.shell_of_square()[:n], len(scales.signal) - 1)
    return np.stack([scales.signal[shell], scales.weight[shell]], axis=-1)


def to_integers(values: Array, scale: Array | float) -> Int64[Array, "..."]:
    """Round ``values * scale`` to integers."""
    return np.rint(values * scale).astype(np.int64)


def within_bounds(values: Array, scale: Array | float, largest: float) -> bool:
    """Whether no integer made of ``values`` would exceed ``largest`` (NaN does)."""
    return bool(np.all(np.abs(values * scale) <= largest))


def decode(
    sums: ExpectationSums, scales: SumScales, sphere: PaddedSphere
) -> tuple[tuple[FourierSums, ...], Float[Array, "optics shell"], Float[Array, "class direction"]]:
    """Turn the total into floating point, in place: the integers of the volumes are lost.

    What it means; a run decodes piece by piece (`halfmap.steps.complete_sums`).

    Parameters
    ----------
    sums
        The total; its volumes become those that are returned.
    scales
        With which it was summed.
    sphere
        Frequencies of the volumes.

    Returns
    -------
    volumes
        Numerator and weight of each class.
    noise
        Residual power, summed over particles.
    directions
        Posterior weight of each direction.
    """
    of_square = 1.0 / scales_of_square(scales, sphere)
    volumes = tuple(_decode_volume(volume, of_square, sphere) for volume in sums.volume)
    return volumes, *decode_totals(sums, scales)


def decode_totals(
    sums: ExpectationSums, scales: SumScales
) -> tuple[Float[Array, "optics shell"], Float[Array, "class direction"]]:
    """Return noise and directions of `decode`, and leave the volumes as they are."""
    return sums.noise / scales.noise, sums.directions / scales.direction


def _decode_volume(
    integers: Int64[Array, "voxel 3"], of_square: Array, sphere: PaddedSphere
) -> FourierSums:
    values = integers.view(np.float64)
    n_z, n_y, n_x = sphere.shape
    for z in slabs(n_z, 8 * n_y * n_x):
        square = sphere.squared_radius(z=z)
        unit = of_square[square[square < len(of_square)]]
        own = voxels_of_planes(sphere, z)
        values[own, :2] = integers[own, :2] * unit[:, :1]
        values[own, 2] = integers[own, 2] * unit[:, 1]
    return FourierSums(values, sphere.r_max, sphere.padding, sphere.flat)
