"""From the integers of a half-set to complete sums, in place: floating point, mates, symmetry."""

from functools import partial

import numpy as np
from jaxtyping import Int64
from numpy import ndarray as Array

from halfmap.kernels.numba_sums import decode_rows
from halfmap.kernels.numba_symmetry import ShellsInPlace, largest_shell
from halfmap.model.exact import SumScales, scales_of_square
from halfmap.model.padded_sphere import PaddedSphere
from halfmap.model.sums import FourierSums
from halfmap.model.symmetry import PointGroup
from halfmap.model.touched_voxels import row_starts
from halfmap.steps.phases import Empty, Phase, Phases, alone, own_memory


def completed(
    integers: Int64[Array, "voxel 3"],
    scales: SumScales,
    sphere: PaddedSphere,
    group: PointGroup,
    empty: Empty = own_memory,
) -> Phases[FourierSums]:
    """Decode the integers of a class, complete the plane x = 0, and symmetrise.

    In place: the integers are lost.

    Parameters
    ----------
    scales
        With which they were summed.
    sphere
        Frequencies of the volume.
    group
        Symmetry of the map.
    empty
        Makes the memory of two shells, where there is symmetry.
    """
    of_square = 1.0 / scales_of_square(scales, sphere)
    sums = FourierSums(integers.view(np.float64), sphere.r_max, sphere.padding, sphere.flat)
    n_y = sphere.shape[1]

    def decode_plane(z: int) -> None:
        decode_rows(integers, sums.packed, z * n_y, (z + 1) * n_y, of_square)

    yield Phase(len(sums.planes_of_z), decode_plane)
    yield Phase(1, lambda _: hermitian(sums))
    yield from symmetrised(sums, group, empty)
    return sums


def hermitian(sums: FourierSums) -> FourierSums:
    """Add to each voxel of the plane x = 0 its Friedel mate, which was summed separately.

    In place: ``sums`` change and are returned. The origin is its own mate and stays.
    """
    starts = row_starts(sums.sphere)
    first = starts[:-1][np.diff(starts) > 0]  # of each row x = 0; its mate's row is as far from
    plane = sums.values[first]  # the other end
    mates = plane[::-1] * [1.0, -1.0, 1.0]
    mates[len(mates) // 2] = 0.0
    sums.values[first] = plane + mates
    return sums


def symmetrise(sums: FourierSums, group: PointGroup, n_threads: int = 1) -> FourierSums:
    """Do what `symmetrised` does, here."""
    return alone(symmetrised(sums, group), n_threads)


def symmetrised(
    sums: FourierSums, group: PointGroup, empty: Empty = own_memory
) -> Phases[FourierSums]:
    """Add to each voxel the values interpolated at its symmetry mates. In place.

    Nothing is divided by the number of operators: signal and weight grow alike. Voxels outside
    the sphere stay as they are. Mates are as far from the origin: shell after shell is computed,
    and written when no other needs what was there.
    """
    if len(group.right) == 0:
        return sums
    shells = ShellsInPlace(sums.values, sums.sphere, group.right)
    kept = [empty((largest_shell(sums.sphere), 3), np.float64) for _ in range(2)]
    for number in range(shells.n_shells + 1):
        if number < shells.n_shells:
            shells.begin(number)
            yield Phase(shells.n_pieces, partial(shells.compute, number, kept[number % 2]))
        if number > 0:
            yield Phase(shells.n_pieces, partial(shells.write, number - 1, kept[(number - 1) % 2]))
    return sums
