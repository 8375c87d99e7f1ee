"""From a map to its padded Fourier transform, from which slices are cut."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Complex64, Float32
from numpy import ndarray as Array

from halfmap.kernels.numba_sums import reference_columns
from halfmap.model.interpolation import LINEAR, Interpolation
from halfmap.model.padded_transform import CroppedForward, padded_box
from halfmap.model.projection import WHOLE, ReferenceFilter, reference_sphere, window_of_square
from halfmap.model.reference import FourierReference
from halfmap.steps.phases import Empty, Phase, Phases, alone, own_memory


@dataclass(frozen=True, slots=True)
class Transform:
    """How a map is transformed for the projections of an iteration."""

    current_size: int
    """Fourier window of the images, px; frequencies up to half of it are kept."""
    padding: float
    """The map is padded to ROUND(padding * box) px, made even."""
    interpolation: Interpolation = LINEAR
    """How slices will be cut."""
    shown: ReferenceFilter = WHOLE
    """Applied to the transform, but not to its power."""


def fourier_reference(
    volume: Float32[Array, "z y x"],
    current_size: int,
    padding: float,
    interpolation: Interpolation = LINEAR,
    shown: ReferenceFilter = WHOLE,
) -> FourierReference:
    """Do what `transformed` does, here; arguments as the fields of `Transform`."""
    how = Transform(current_size, padding, interpolation, shown)
    sphere = reference_sphere((len(volume), volume.shape[-1]), current_size, padding)
    return alone(transformed(volume, how, np.empty(sphere.shape, np.complex64)))


def transformed(
    volume: Float32[Array, "z y x"],
    how: Transform,
    out: Complex64[Array, "z y x"],
    empty: Empty = own_memory,
) -> Phases[FourierReference]:
    """Transform a map for the projections of one iteration.

    Parameters
    ----------
    volume
        Map in an even box.
    how
        As which reference.
    out
        Memory for the transform, of the shape of `reference_sphere`.
    empty
        Makes the lines.

    Returns
    -------
    reference
        Its ``power`` is the prior on the signal, tau2, that this map implies.

    References
    ----------
    Scheres (2012), J. Struct. Biol. 180, 519-530, for the use of tau2.
    """
    depth, box, _ = shape = volume.shape
    sphere = reference_sphere((depth, box), how.current_size, how.padding)
    way = CroppedForward(sphere.half, (depth, box), padded_box(box, how.padding))
    lines, blocks, n_shells = empty(way.lines_shape, np.complex128), way.blocks, box // 2 + 1
    of_square = window_of_square((depth, box), how.padding, how.interpolation)
    squares = (np.arange(shape[-1]) - box // 2) ** 2

    def fill_plane(z: int) -> None:
        window = of_square[(z - depth // 2) ** 2 + squares[:, None] + squares]
        way.fill_plane(volume[z] / window, lines[z])

    yield Phase(depth, fill_plane)
    shell_of = sphere.shell_of_square().astype(np.int32)
    shell_of[sphere.reach**2 + 1 :] = n_shells
    tables = np.minimum(shell_of, n_shells), 1.0 / box**2, way.phase
    of_blocks = empty((len(blocks), 2, n_shells + 1), np.float64)

    def fill_block(number: int) -> None:
        x = blocks[number]
        slab = out[:, :, x]
        slab[:], of_blocks[number] = 0.0, 0.0
        for first, column in way.columns(x, lines):
            reference_columns(column, (x.start, first), tables, slab, of_blocks[number])
        how.shown.apply(slab, sphere, x)

    yield Phase(len(blocks), fill_block)
    out[:, :, lines.shape[2] :] = 0.0  # beyond Nyquist
    power, count = of_blocks.sum(axis=0)[:, :n_shells]
    return FourierReference(
        values=out,
        r_max=sphere.r_max,
        padding=sphere.padding,
        box=box,
        power=power / (2.0 * np.maximum(count, 1)),
    )
