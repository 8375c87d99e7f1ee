"""The band-limited potential of a structure on a grid.

Every atom contributes ``f(s) exp(-B s^2 / 4)`` to the Fourier transform. These curves are smooth
and alike, so a few common ones span them all: each atom is spread onto a grid once per common
curve, and each grid's transform is multiplied by its curve. The cost is a few transforms,
whatever the number of elements and B factors.
"""

from collections.abc import Iterator

import numpy as np
import scipy.fft
from jaxtyping import Complex, Float, Float32
from numpy import ndarray as Array
from scipy.interpolate import CubicSpline

from halfmap.errors import OptionError
from halfmap.model.bspline import SUPPORT, quintic_transform, quintic_weights
from halfmap.model.fourier import crop_transform_3d, frequencies_3d, inverse_3d, radii
from halfmap.model.scattering import VOLT_A2, Atoms, extent_A, form_factors

OVERSAMPLING = 2
CURVE_TOLERANCE = 1e-4
"""Common curves that matter less than this, relative to the first, are left out."""
CHUNK = 4096


def density_from_atoms(
    atoms: Atoms, box: int, pixel_size_A: float, solvent_A_2: float
) -> Float32[Array, "z y x"]:
    """Return the electrostatic potential of a structure in volt, cut off at Nyquist.

    Parameters
    ----------
    atoms
        Positions relative to the point that becomes voxel ``box // 2``.
    solvent_A_2
        Scattering length of the solvent per volume (`halfmap.model.scattering`); the map is the
        contrast against it.

    Returns
    -------
    Map whose transform is zero at and beyond the sphere of radius box / 2.

    Raises
    ------
    OptionError
        The structure does not fit into the box.
    """
    extent, width = extent_A(atoms), box * pixel_size_A
    if extent > width:
        raise OptionError(
            f"the structure is {extent:.0f} Å across and the box {width:.0f} Å "
            f"({box} px of {pixel_size_A:g} Å). "
            f"Choose --box {int(np.ceil(1.3 * extent / pixel_size_A / 2)) * 2} or larger pixels."
        )
    samples = np.linspace(0.0, box / 2, 4 * box)
    weights, curves = _common_curves(atoms, samples / width, solvent_A_2)
    radius = radii(frequencies_3d(box))
    total = np.zeros(radius.shape, np.complex128)
    for weight, curve in zip(weights, curves, strict=True):
        grid = _spread(atoms.positions_A / pixel_size_A, weight, box)
        total += CubicSpline(samples, curve)(radius) * _cropped_transform(grid, box)
    total[radius >= box / 2] = 0.0
    # The transform at zero, a sum of scattering lengths, is the integral over the box.
    return (inverse_3d(total, box) * (VOLT_A2 / width**3)).astype(np.float32)


def _common_curves(
    atoms: Atoms, frequency_per_A: Float[Array, " frequency"], solvent_A_2: float
) -> tuple[Float[Array, "curve atom"], Float[Array, "curve frequency"]]:
    """Factor atom x frequency into a few curves and the weight of each atom in them."""
    of_kind = form_factors(atoms.scatterers, frequency_per_A, solvent_A_2)
    total = np.zeros((len(frequency_per_A),) * 2)
    for scattering in _scattering(atoms, of_kind, frequency_per_A):
        total += scattering.T @ scattering
    power, vectors = np.linalg.eigh(total)
    curves = vectors[:, power > power[-1] * CURVE_TOLERANCE**2]
    weights = [s @ curves for s in _scattering(atoms, of_kind, frequency_per_A)]
    return np.concatenate(weights).T, curves.T


def _scattering(
    atoms: Atoms, of_kind: Float[Array, "kind frequency"], frequency_per_A: Float[Array, " f"]
) -> Iterator[Float[Array, "atom frequency"]]:
    """Yield what each atom scatters, some thousand atoms at a time."""
    for start in range(0, len(atoms), CHUNK):
        rows = slice(start, start + CHUNK)
        damping = np.exp(-atoms.b_factor_A2[rows, None] * frequency_per_A**2 / 4.0)
        yield atoms.occupancy[rows, None] * of_kind[atoms.kind[rows]] * damping


def _spread(
    positions_px: Float[Array, "atom 3"], weight: Float[Array, " atom"], box: int
) -> Float32[Array, "z y x"]:
    """Spread weighted points onto the oversampled, periodic grid."""
    size = OVERSAMPLING * box
    grid = np.zeros(size**3, np.float32)
    points = (positions_px[:, ::-1] + box // 2) * OVERSAMPLING
    taps = np.arange(SUPPORT) - 2
    for start in range(0, len(points), CHUNK):
        chunk = points[start : start + CHUNK]
        base = np.floor(chunk).astype(np.int64)
        along = [quintic_weights((chunk - base)[:, axis]) for axis in range(3)]
        z, y, x = ((base[:, axis, None] + taps) % size for axis in range(3))
        rows = (z[:, :, None] * size + y[:, None, :])[..., None] * size + x[:, None, None, :]
        share = np.einsum("a,az,ay,ax->azyx", weight[start : start + CHUNK], *along, optimize=True)
        np.add.at(grid, rows.ravel(), share.ravel().astype(np.float32))
    return grid.reshape((size,) * 3)


def _cropped_transform(grid: Float32[Array, "z2 y2 x2"], box: int) -> Complex[Array, "z y half"]:
    """Return the transform of an oversampled grid at the frequencies of the box, unblurred."""
    size = OVERSAMPLING * box
    cropped = crop_transform_3d(scipy.fft.rfftn(grid, overwrite_x=True), box)
    for frequency in frequencies_3d(box):
        cropped /= quintic_transform(frequency / size)
    return cropped
