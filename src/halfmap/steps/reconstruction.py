"""From the sums of one half-set to its map: the maximum a posteriori, or without a prior."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float32, Float64
from numpy import ndarray as Array

from halfmap.kernels.numba_sums import (
    finish_plane,
    outside_of_plane,
    posterior_columns,
    precision_of_plane,
)
from halfmap.model.fourier import round_half_away
from halfmap.model.interpolation import LINEAR, Interpolation
from halfmap.model.mask import outside_of_square
from halfmap.model.padded_transform import CroppedInverse, padded_box
from halfmap.model.prior_precision import precision
from halfmap.model.projection import window_of_square
from halfmap.model.sums import FourierSums
from halfmap.model.touched_voxels import packed, planes
from halfmap.steps.gridding import gridding_weights
from halfmap.steps.phases import Empty, Phase, Phases, alone, own_memory

FIRST_SHELL_WITH_PRIOR = 5
"""Lower shells are always better known from the data than from the prior."""
WEIGHT_FLOOR = 1e-3
"""No voxel is divided by less than this fraction of the mean weight of its shell."""
MASK_EDGE_PX = 3.0
NO_FACTORS = np.zeros(0)


@dataclass(frozen=True, slots=True)
class Inversion:
    """How the weights are divided out."""

    gridding_iterations: int = 0
    """See `halfmap.steps.gridding`; 0 divides every voxel by its own weight."""
    interpolation: Interpolation = LINEAR
    """With which the images were inserted."""


DIRECT = Inversion()


@dataclass(frozen=True, slots=True)
class Prior:
    """What is known of the signal of a map."""

    signal_variance: Float[Array, " shell"] | None = None
    """tau2, shells 0 to box/2; None reconstructs without a prior."""
    fudge: float = 1.0
    """Factor on tau2."""


def reconstruct(
    sums: FourierSums,
    box: int,
    signal_variance: Float[Array, " shell"] | None,
    fudge: float = 1.0,
    inversion: Inversion = DIRECT,
) -> Float32[Array, "z y x"]:
    """Do what `reconstruction` does, here."""
    return alone(reconstruction(sums, box, Prior(signal_variance, fudge), inversion))


def reconstruction(
    sums: FourierSums,
    box: int,
    prior: Prior,
    inversion: Inversion = DIRECT,
    empty: Empty = own_memory,
) -> Phases[Float32[Array, "z y x"]]:
    """Solve for the map, one Fourier voxel at a time: signal / (weight + 1/tau2).

    Parameters
    ----------
    sums
        Hermitian and symmetrised.
    box
        Box of the map, px.
    prior
        On the map.
    inversion
        How the weights are divided out.
    empty
        Makes the map, and the lines that it is made from.

    Returns
    -------
    map
        Beyond box/2 - it is a sphere that is reconstructed - the mean of the outside. One plane if
        the sums are flat.

    References
    ----------
    Scheres (2012), J. Struct. Biol. 180, 519-530.
    """
    padded, depth = padded_box(box, sums.padding), 1 if sums.sphere.flat else box
    inverse = prior_of_square(sums, prior)
    floor = yield from _floor_of_square(sums, inverse, empty)
    factors, n = NO_FACTORS, inversion.gridding_iterations
    if n > 0:
        factors = _gridded(sums, inverse, padded, n)
    tables = sums.sphere.reach, inverse, floor, factors
    way = CroppedInverse(sums.half, (depth, box), padded)
    lines, blocks = empty(way.lines_shape, np.complex128), way.blocks

    def fill(number: int) -> None:
        way.fill_lines(
            lambda block, phase, out: posterior_columns(sums.packed, block, tables, phase, out),
            blocks[number],
            lines,
        )

    yield Phase(len(blocks), fill)
    window = window_of_square((depth, box), sums.padding, inversion.interpolation)
    scale = sums.sphere.oversampled * depth
    return (yield from _finished(way, lines, window * scale, empty))


def _finished(
    way: CroppedInverse, lines: Array, window: Float64[Array, " square"], empty: Empty
) -> Phases[Float32[Array, "z y x"]]:
    """Turn lines into the map, fill its outside by the mean there, and divide by a window."""
    depth, box = way.shape
    outside = outside_of_square(box, box / 2.0, MASK_EDGE_PX)
    square = (np.arange(depth) - depth // 2) ** 2
    of_planes = empty((depth, 2), np.float64)
    volume = empty((depth, box, box), np.float32)

    def to_plane(z: int) -> None:
        of_planes[z] = outside_of_plane(way.to_plane(lines[z]), square[z], outside)

    yield Phase(depth, to_plane)
    total, count = of_planes.sum(axis=0)
    fill = total / max(count, np.finfo(np.float64).tiny)

    def finish(z: int) -> None:
        plane = lines[z].view(np.float64)[:, :box]
        finish_plane(plane, square[z], (outside, window), fill, volume[z])

    yield Phase(depth, finish)
    return volume


def prior_of_square(sums: FourierSums, prior: Prior) -> Float[Array, " square"]:
    """Return 1/tau2 for each K²: 0 where there is no prior, inf where it has no power."""
    sphere = sums.sphere
    if prior.signal_variance is None:
        return np.zeros(3 * sphere.half**2 + 1)
    with np.errstate(divide="ignore"):
        inverse = 1.0 / (sphere.oversampled * prior.fudge * prior.signal_variance)
    inverse[:FIRST_SHELL_WITH_PRIOR] = 0.0
    shell = np.minimum(sphere.shell_of_square(), len(inverse) - 1)
    found = np.asarray(inverse[shell])
    found[sphere.reach**2 :] = 0.0  # none on the surface of the sphere either
    return found


def _floor_of_square(
    sums: FourierSums, inverse: Float[Array, " square"], empty: Empty
) -> Phases[Float[Array, " square"]]:
    """Find the mean precision of each shell, radius rounded down, times `WEIGHT_FLOOR`."""
    sphere, r_max = sums.sphere, sums.r_max
    below = sphere.floor_of_square()
    shell_of = np.minimum(below, r_max).astype(np.int32)
    shell_of[round_half_away((sums.padding * r_max) ** 2) :] = r_max
    of_planes = empty((len(sums.planes_of_z), 2, r_max + 1), np.float64)

    def add_plane(z: int) -> None:
        of_planes[z] = 0.0
        precision_of_plane(sums.packed, z, shell_of, inverse, of_planes[z])

    yield Phase(len(of_planes), add_plane)
    total, count = of_planes.sum(axis=0)
    mean = WEIGHT_FLOOR * total / np.maximum(count, 1)
    return np.asarray(mean[np.minimum(below, r_max - 1)])


def _gridded(
    sums: FourierSums, inverse: Float[Array, " square"], padded: int, n_iterations: int
) -> Float64[Array, " voxel"]:
    """Return factors on the signal that make up for where the data are dense."""
    sphere = sums.sphere
    below = np.empty(sphere.shape)
    for z in sums.planes_of_z:
        own = slice(z, z + 1)
        square = sphere.squared_radius(z=own)
        below[own] = precision(planes(sums.values[:, 2], sphere, own), inverse, square)
    return packed(gridding_weights(below, sphere, padded, n_iterations), sphere)
