"""Sampling of orientations (HEALPix directions x in-plane angles) and translations.

Directions are the pixel centres of HEALPix, nested numbering: the children of pixel p, one order
finer, are 4p to 4p + 3 (Gorski et al. 2005, Astrophys. J. 622, 759). In every list the direction
is the outer index and psi the inner one; of translations x is the outer index.
"""

import math
from functools import lru_cache

import healpix
import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray as Array

from halfmap.errors import OptionError
from halfmap.model.asymmetric_unit import (
    MAX_DIRECTIONS_FOR_SEAMS,
    inside_asymmetric_unit,
    without_seam_mates,
)
from halfmap.model.rotations import direction_vectors, euler_matrices
from halfmap.model.sampling import Sampling
from halfmap.model.symmetry import NO_SYMMETRY, point_group

_TILT_SLACK_DEG = 1e-6
"""Keeps directions exactly at the tilt limit in spite of rounding; many lie at 60°."""
_CIRCLE_SLACK_A2 = 0.001
"""Keeps translations on the rim of the search circle in spite of rounding."""
_FLAT = np.zeros(1, np.int64), np.zeros((1, 2))
"""Pixel and angles of the one direction of 2D references."""
for _array in _FLAT:
    _array.flags.writeable = False


def direction_pixels(
    sampling: Sampling,
) -> tuple[Int[Array, " direction"], Float[Array, "direction 2"]]:
    """Return the directions to search: nested HEALPix pixels and (rot, tilt) in degrees.

    Symmetry mates and directions outside ``limit_tilt_deg`` are left out; where a relaxed symmetry
    spreads priors over mates, mates stay. 2D references have the one direction (0, 0). Read-only
    arrays.

    Raises
    ------
    OptionError
        If no direction is left.
    """
    if sampling.flat:
        return _FLAT
    nearly = sampling.relaxed_symmetry and sampling.prior_sigma_deg is not None
    symmetry = NO_SYMMETRY if nearly else sampling.symmetry
    return _directions(sampling.healpix_order, symmetry, sampling.limit_tilt_deg)


@lru_cache(maxsize=8)
def _directions(order: int, symmetry: str, limit_tilt_deg: float) -> tuple[Array, Array]:
    group = point_group(symmetry)
    pixel = np.arange(12 * 4**order)
    angles = _pixel_angles_deg(order, pixel)
    if group.n_operators > 1:
        inside = inside_asymmetric_unit(group, angles, direction_vectors(angles))
        pixel, angles = pixel[inside], angles[inside]
        if 0 < len(pixel) < MAX_DIRECTIONS_FOR_SEAMS:
            radius = 0.5 * _largest_pixel_radius_rad(order)
            single = without_seam_mates(group, direction_vectors(angles), radius)
            pixel, angles = pixel[single], angles[single]
    kept = _within_tilt_limit(angles[:, 1], limit_tilt_deg)
    pixel, angles = pixel[kept], angles[kept]
    if len(pixel) == 0:
        raise OptionError(
            f"no direction is left at HEALPix order {order} with symmetry {symmetry} and tilt "
            f"limit {limit_tilt_deg:g}; expected at least one; use a larger --healpix_order"
        )
    pixel.flags.writeable = angles.flags.writeable = False
    return pixel, angles


def _pixel_angles_deg(order: int, pixel: Int[Array, "..."]) -> Float[Array, "... 2"]:
    """Return (rot, tilt) of nested pixels; rot in (-180, 180]."""
    tilt, rot = (np.degrees(a) for a in healpix.pix2ang(2**order, pixel, nest=True))
    return np.stack([np.where(rot > 180.0, rot - 360.0, rot), tilt], axis=-1)


def _largest_pixel_radius_rad(order: int) -> float:
    """Return the largest angle between the centre of a pixel and a corner of it.

    It belongs to the pixels centred at z = 2/3, where the polar caps begin, and their upper corner.
    """
    n = 2**order
    centre = np.degrees([np.pi / (4 * n), np.arccos(2.0 / 3.0)])
    corner = np.degrees([0.0, np.arccos(1.0 - (1.0 - 1.0 / n) ** 2 / 3.0)])
    return float(np.arccos(direction_vectors(centre) @ direction_vectors(corner)))


def _within_tilt_limit(tilt_deg: Float[Array, " d"], limit_deg: float) -> Array:
    """Tell which tilts a positive limit (side views) or negative limit (top views) keeps."""
    if abs(limit_deg) >= 90.0:
        return np.ones(len(tilt_deg), dtype=bool)
    tilt = np.abs(np.where(tilt_deg > 90.0, tilt_deg - 180.0, tilt_deg))
    if limit_deg > 0.0:
        return np.asarray(tilt >= limit_deg - _TILT_SLACK_DEG)
    return np.asarray(tilt <= -limit_deg + _TILT_SLACK_DEG)


def psi_angles_deg(sampling: Sampling) -> Float[Array, " psi"]:
    """Return the in-plane angles, from 0; the step is shortened to divide 360°."""
    n = _n_psi(sampling)
    return np.asarray(np.arange(n) * (360.0 / n))


def _n_psi(sampling: Sampling) -> int:
    return math.ceil(360.0 / sampling.psi_step_deg - 1e-9)


def child_angles_deg(
    sampling: Sampling, pixel: Int[Array, " pair"], psi_deg: Float[Array, " pair"]
) -> Float[Array, "pair child 3"]:
    """Return the (rot, tilt, psi) of the second pass below each coarse (direction, psi).

    The 4^os nested pixels inside the direction's (of 2D references the direction itself), times
    2^os psi evenly inside the psi step; directions outer, psi inner. Without oversampling the pair
    itself.
    """
    os, n_directions = sampling.oversampling, sampling.n_child_directions
    children = np.zeros((len(pixel), n_directions, 2**os, 3))
    if not sampling.flat:
        pixels = pixel[:, None] * n_directions + np.arange(n_directions)
        children[..., :2] = _pixel_angles_deg(sampling.healpix_order + os, pixels)[:, :, None]
    psi = psi_deg[:, None] + _inside_step(360.0 / _n_psi(sampling), os)
    children[..., 2] = psi[:, None]
    return children.reshape(len(pixel), sampling.n_child_orientations, 3)


def _inside_step(step: float, oversampling: int) -> Float[Array, " child"]:
    """Return the centres of the 2^os equal parts of a step, relative to its centre."""
    n = 2**oversampling
    return np.asarray((np.arange(n) + 0.5) * (step / n) - 0.5 * step)


def translations_A(sampling: Sampling) -> Float[Array, "translation 2"]:
    """Return the coarse translations (x, y): multiples of the step inside the search circle.

    Only zero where offsets are fixed.
    """
    if sampling.fixed_offsets:
        return np.zeros((1, 2))
    step = sampling.offset_step_A
    half = math.ceil(sampling.offset_range_A / step)
    axis = np.arange(-half, half + 1) * step
    grid = np.stack(np.meshgrid(axis, axis, indexing="ij"), axis=-1).reshape(-1, 2)
    squared = np.sum(grid**2, axis=1)
    return np.asarray(grid[squared < sampling.offset_range_A**2 + _CIRCLE_SLACK_A2])


def child_translations_A(sampling: Sampling) -> Float[Array, "translation child 2"]:
    """Return the 4^os translations of the second pass below each coarse one; x outer, y inner."""
    inside = _inside_step(sampling.offset_step_A, sampling.oversampling)
    children = np.stack(np.meshgrid(inside, inside, indexing="ij"), axis=-1).reshape(-1, 2)
    return np.asarray(translations_A(sampling)[:, None] + children)


def perturbed_matrices(
    angles_deg: Float[Array, "*pose 3"], sampling: Sampling
) -> Float[Array, "*pose 3 3"]:
    """Return the matrices of orientations after the random rotation of the whole grid.

    ``A R(d, d, d)`` with ``d`` the perturbation in degrees: the frame of the map is turned. 2D
    references stay in their plane: ``d`` is added to psi.
    """
    matrices = euler_matrices(angles_deg)
    if sampling.perturbation == 0.0:
        return matrices
    turn = np.full(3, sampling.perturbation * sampling.angular_step_deg)
    if sampling.flat:
        turn[:2] = 0.0
    return np.asarray(matrices @ euler_matrices(turn))


def perturbation_shift_A(sampling: Sampling) -> float:
    """Return what the perturbation adds to x and to y of every translation."""
    return sampling.perturbation * sampling.offset_step_A


def draw_perturbation(previous: float, factor: float, seed: int, iteration: int) -> float:
    """Return the perturbation of an iteration: the last one moved on by U(factor/2, factor).

    Wrapped into [-factor, factor). Every rank draws the same.
    """
    if factor <= 0.0:
        return 0.0
    rng = np.random.default_rng([seed, iteration])
    moved = previous + rng.uniform(0.5 * factor, factor)
    return float((moved + factor) % (2.0 * factor) - factor)
