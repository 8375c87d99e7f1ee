"""The only place where two halves meet: their join at low resolution, and their FSC."""

from collections.abc import Iterable
from dataclasses import replace

import numpy as np
import scipy.fft
from jaxtyping import Complex128, Float
from numpy import ndarray as Array

from halfmap.kernels.numba_sums import average_of_planes, powers_of_plane
from halfmap.model.fourier import frequencies_3d, radii, round_half_away, shell_resolution_A
from halfmap.model.fsc import correlation, map_fsc
from halfmap.model.padded_sphere import PaddedSphere
from halfmap.model.sums import FourierSums
from halfmap.model.touched_voxels import inner_voxels, packed
from halfmap.steps.phases import Empty, Phase, Phases, own_memory

RANDOMISE_BELOW_FSC = 0.8
SHELLS_KEPT_BEYOND = 2
"""The correction starts this many shells beyond the first with random phases."""


def join_shell(limit_A: float, current_shell: int, box: int, pixel_size_A: float) -> int:
    """Return the shell up to which the halves are joined.

    Parameters
    ----------
    limit_A
        ``--low_resol_join_halves``; never beyond the current resolution.
    current_shell
        Shell of the current resolution.
    box, pixel_size_A
        Of the map.
    """
    resolution_A = max(limit_A, shell_resolution_A(current_shell, box, pixel_size_A))
    return int(np.ceil(box * pixel_size_A / resolution_A))


def low_resolution_part(sums: FourierSums, radius_shell: int) -> FourierSums:
    """Copy the sums inside a small sphere: all of a half that the other half is shown."""
    inner = replace(sums.sphere, r_max=min(radius_shell, sums.r_max))
    return replace(sums, values=sums.values[inner_voxels(sums.sphere, inner)], r_max=inner.r_max)


def join_low_resolution(own: FourierSums, other: FourierSums, radius_shell: int) -> FourierSums:
    """Replace the sums inside a sphere by the mean of both halves, so that they cannot drift apart.

    In place: ``own`` changes and is returned.

    Parameters
    ----------
    own
        One half.
    other
        The `low_resolution_part` of the other half.
    radius_shell
        Radius of the sphere, unpadded pixels (`join_shell`).
    """
    inner = replace(own.sphere, r_max=min(radius_shell, own.r_max))
    inside = packed(inner.squared_radius() <= inner.reach**2, inner)
    own.values[inner_voxels(own.sphere, inner)[inside]] = 0.5 * (
        low_resolution_part(own, radius_shell).values[inside] + other.values[inside]
    )
    return own


def downsampled_average(
    sums: FourierSums, empty: Empty = own_memory
) -> Phases[Complex128[Array, "z y x"]]:
    """Bin the sums to unpadded frequencies and divide them: the map of one half, for the FSC.

    Each component of a frequency is divided by the padding and rounded. All voxels count, also
    the few that interpolation put just outside the sphere.

    Returns
    -------
    average
        ``[z + r_max + 1, y + r_max + 1, x]``, one plane if flat; 0 where there are no data.
    """
    middle = sums.r_max + 1
    bins = middle + round_half_away(np.arange(-sums.half, sums.half + 1) / sums.padding)
    ends = np.searchsorted(bins, np.arange(2 * middle + 2))
    if sums.sphere.flat:
        ends = np.array([0, 1])
    average = empty((len(ends) - 1, 2 * middle + 1, middle + 1), np.complex128)

    def add(z: int) -> None:
        average_of_planes(sums.packed, ends[z], ends[z + 1], bins, average[z])

    yield Phase(len(average), add)
    return average


def half_map_fsc(
    shown: Iterable[tuple[slice, Complex128[Array, "slab y x"], Complex128[Array, "slab y x"]]],
    sphere: PaddedSphere,
    box: int,
) -> Float[Array, " shell"]:
    """Return the gold-standard FSC in shells 0 to box/2.

    Shell 0 is set to 1; shells beyond the window are 0.

    Parameters
    ----------
    shown
        Of both halves, some planes of `downsampled_average`.
    sphere
        Of the sums of either.
    """
    window = PaddedSphere(sphere.r_max, padding=1.0, flat=sphere.flat)
    square = (np.arange(window.shape[0]) - window.half_z) ** 2
    shell_of = np.minimum(window.shell_of_square(), window.half)
    powers = np.zeros((3, window.half + 1))
    for where, average_a, average_b in shown:
        for z, plane_a, plane_b in zip(square[where], average_a, average_b, strict=True):
            powers_of_plane(plane_a, plane_b, z, shell_of, powers)
    fsc = np.zeros(box // 2 + 1)
    fsc[: window.half] = correlation(powers[:, : window.half])
    fsc[0] = 1.0
    return fsc


def solvent_corrected_fsc(
    map_a: Float[Array, "z y x"],
    map_b: Float[Array, "z y x"],
    mask: Float[Array, "z y x"],
    current_size: int,
    rng: np.random.Generator,
) -> Float[Array, " shell"]:
    """Return the FSC of masked half maps, less what the mask itself correlates.

    Parameters
    ----------
    map_a, map_b
        Half maps, reconstructed without a prior.
    mask
        Solvent mask, 0 to 1.
    current_size
        Fourier window, px; shells beyond half of it are 0.
    rng
        For the random phases.

    References
    ----------
    Chen et al. (2013), Ultramicroscopy 135, 24-35.
    """
    unmasked = map_fsc(map_a, map_b)
    low = np.flatnonzero(unmasked[1:] < RANDOMISE_BELOW_FSC)
    if low.size == 0:
        corrected = unmasked
    else:
        start = int(low[0]) + 1
        noisy_a, noisy_b = (with_random_phases(m, start, rng) for m in (map_a, map_b))
        masked = map_fsc(map_a * mask, map_b * mask)
        by_chance = map_fsc(noisy_a * mask, noisy_b * mask)
        corrected = without_chance(masked, by_chance, start + SHELLS_KEPT_BEYOND)
    corrected[current_size // 2 + 1 :] = 0.0
    return corrected


def without_chance(
    masked: Float[Array, " shell"], by_chance: Float[Array, " shell"], first_shell: int
) -> Float[Array, " shell"]:
    """Take the correlation of random phases out of that of masked maps, from a shell onwards.

    >>> without_chance(np.array([0.9, 0.6, 0.3]), np.array([0.0, 0.2, 0.35]), 1).round(6).tolist()
    [0.9, 0.5, 0.0]
    """
    excess = np.maximum(masked - by_chance, 0.0)
    counts = (excess > 0.0) & (by_chance < 1.0)  # rounding may bring both above 1
    corrected = np.divide(excess, 1.0 - by_chance, out=np.zeros_like(excess), where=counts)
    return np.where(np.arange(len(masked)) < first_shell, masked, corrected)


def with_random_phases(
    volume: Float[Array, "z y x"], first_shell: int, rng: np.random.Generator
) -> Float[Array, "z y x"]:
    """Replace the phases of a map at ``|k| >= first_shell`` by random ones; amplitudes stay.

    The phases are those of white noise, so that they are those of a real map.
    """
    box = volume.shape[0]
    ft = scipy.fft.rfftn(np.asarray(volume, np.float64))
    noise = scipy.fft.rfftn(rng.standard_normal(volume.shape))
    high = radii(frequencies_3d(box)) >= first_shell
    ft[high] = np.abs(ft[high]) * np.exp(1j * np.angle(noise[high]))
    return np.asarray(scipy.fft.irfftn(ft, s=volume.shape))
