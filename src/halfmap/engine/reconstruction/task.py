"""What a reconstruction has to do: found by rank 0 from options and files, told to all."""

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float64, Int
from numpy import ndarray as Array

from halfmap.config.reconstruction.options import ReconstructOptions
from halfmap.engine.reconstruction.inputs import opened, pixel_size_A, read_seed
from halfmap.engine.reconstruction.processing import Finishing, finishing, image_processing
from halfmap.engine.reconstruction.slices import good_slices, in_halves
from halfmap.engine.reconstruction.symmetry import operators_of
from halfmap.errors import DataError
from halfmap.io.projection_source import ProjectionSource
from halfmap.io.table_projections import TableProjections
from halfmap.kernels.insertion_protocol import Insertion
from halfmap.kernels.insertion_registry import insertion_backend
from halfmap.model.compat import EMAN2, HALFMAP, HARMLESS
from halfmap.model.faint_sums import FaintLimits, FixedPoint, faint_limits
from halfmap.model.filled_orientations import fill_offsets_deg
from halfmap.model.insertion_kernel import InsertionKernel
from halfmap.model.insertion_modes import insertion_mode
from halfmap.model.lattice_symmetry import SplitGroup, split_group
from halfmap.model.reconstruction_sizes import Sizes, resolved_sizes
from halfmap.model.slice_table import SliceTable
from halfmap.parallel.units import Unit
from halfmap.steps.exact_sums import ExactSums, sums_shape
from halfmap.steps.insertion_scale import InsertionScale, chosen_scale
from halfmap.steps.slice_ctf import SliceCtf
from halfmap.steps.slice_preparation import Preparation, prepared_slices

UNIT_SIZES, EXACT_UNIT_SIZES = (8, 64), (64, 512)
"""Slices. Larger units are added up more seldom, smaller ones keep more ranks busy; in an exact
mode each costs transforms of the whole volume."""
UNITS_WANTED = 16
SAMPLED = 16
"""Slices that are looked at to choose the scale of the sums."""


@dataclass(frozen=True, slots=True)
class Task:
    """What is fixed during a reconstruction; the same on all ranks."""

    options: ReconstructOptions
    source: ProjectionSource
    table: SliceTable
    """Slices that are inserted, each of one half."""
    excluded: SliceTable
    preparation: Preparation
    operators: Float64[Array, "operator 3 3"]
    """At which slices are inserted."""
    lattice: tuple[Int[Array, "operator 3 3"], ...]
    """Factors of the rest of the symmetry, which acts on the sums."""
    scale: InsertionScale
    units: tuple[Unit, ...]
    pixel_size_A: float
    finishing: Finishing

    @property
    def kernel(self) -> InsertionKernel:
        """How samples are spread."""
        return self.preparation.kernel

    def fixed_point(self, unit: Unit) -> FixedPoint:
        """Return how the sums of a unit become integers."""
        n_copies = self.scale.n_slices // sum(len(own.rows) for own in self.units)
        largest = self.scale.largest(len(unit.rows) * n_copies)
        return FixedPoint(self.scale.pair, largest, self.faint)

    @property
    def faint(self) -> FaintLimits:
        """Which voxels are too faint for integers."""
        return faint_limits(
            len(self.units),
            positive=self.kernel.applied.weight != "value"
            or self.kernel.applied.kernel != "hypergeometric",
        )

    @property
    def sums_shape(self) -> tuple[int, int, int, int]:
        """Shape of the integers of a half."""
        sizes = self.kernel.sizes
        return sums_shape(sizes) if self.kernel.mode.exact else (*sizes.half_volume, 3)

    @property
    def backend(self) -> Insertion:
        """What computes."""
        return ExactSums() if self.kernel.mode.exact else insertion_backend()


def found_task(options: ReconstructOptions) -> Task:
    """Read everything but the images, and decide.

    Raises
    ------
    DataError
        If a file cannot be used, or no slice is left.
    """
    source, table = opened(options)
    sizes = resolved_sizes(source.image_shape, options.padded, options.volume, options.output_size)
    crowded = sizes.crowded()
    if crowded:
        raise DataError(f"{source.path}: {'; '.join(crowded)}. Pad to more, or to none.")
    kernel, group = _kernel(options, sizes)
    size_A = pixel_size_A(source, options)
    processing = image_processing(options.preprocess, size_A)
    use_ssnr = options.use_ssnr and not options.iterative
    preparation = Preparation(
        kernel,
        options.fill_angle_deg,
        use_ssnr,
        processing,
        _ctf(source, options),
        options.zero_alt_edges,
    )
    table, excluded = good_slices(table, options)
    table = in_halves(table, options.n_halves)
    read_seed(options, sizes)  # who makes the map reads it again: what is wrong is said now
    n_fill = len(fill_offsets_deg(options.fill_angle_deg, max(sizes.padded)))
    n_copies = n_fill * len(group.inserted)
    return Task(
        options=options,
        source=source,
        table=table,
        excluded=excluded,
        preparation=preparation,
        operators=group.inserted,
        lattice=group.lattice,
        scale=_scale(source, table, preparation, n_copies),
        units=units_of(table, EXACT_UNIT_SIZES if kernel.mode.exact else UNIT_SIZES),
        pixel_size_A=size_A,
        finishing=finishing(options),
    )


def _ctf(source: ProjectionSource, options: ReconstructOptions) -> SliceCtf | None:
    """Return the CTF of the images, if they are to be corrected for it."""
    if not options.correct_ctf or not isinstance(source, TableProjections):
        return None
    particles = source.particles
    return SliceCtf(particles.optics, particles.optics_group, particles.defocus)


def _kernel(options: ReconstructOptions, sizes: Sizes) -> tuple[InsertionKernel, SplitGroup]:
    """Return how slices are inserted, and at which operators.

    Where operators act on the sums windows are even, unless EMAN2 is imitated.
    """
    imitated = options.imitation == "eman2"
    mode = insertion_mode(options.mode)
    kernel = InsertionKernel(mode, sizes, EMAN2 if imitated else HARMLESS)
    even = replace(kernel, compat=replace(HARMLESS, uneven_windows=False))
    operators = operators_of(options)
    if mode.exact:
        return replace(kernel, compat=HALFMAP), SplitGroup(operators, ())
    group = split_group(operators, even)
    if group.lattice and not (imitated or options.iterative):
        return even, group
    return kernel, SplitGroup(operators, ())


def units_of(table: SliceTable, between: tuple[int, int]) -> tuple[Unit, ...]:
    """Cut the slices of each half into units of about such sizes; a function of the data alone."""
    assert table.half is not None
    pieces = []
    for half in np.unique(table.half):
        rows = np.flatnonzero((table.half == half) & (table.weight > 0.0))
        size = int(np.clip(-(-len(rows) // UNITS_WANTED), *between))
        pieces += [(int(half), piece) for piece in np.array_split(rows, -(-len(rows) // size))]
    return tuple(Unit(number, half, 0, rows) for number, (half, rows) in enumerate(pieces))


def _scale(
    source: ProjectionSource, table: SliceTable, how: Preparation, n_copies: int
) -> InsertionScale:
    """Choose the scale from some slices, more of them while they show nothing."""
    rows = np.flatnonzero(table.weight > 0.0)
    n = SAMPLED
    while True:
        some = rows[np.unique(np.linspace(0, len(rows) - 1, n).astype(np.int64))]
        looked_at = table.only(some)
        slices = prepared_slices(source.read(looked_at.row.tolist()), looked_at, how)
        if slices.signal.any():
            return chosen_scale(slices, how.kernel, len(rows) * n_copies, table.weight)
        if len(some) == len(rows):
            raise DataError(
                f"{source.path}: all {len(rows)} images that would be inserted are constant. "
                "Expected projections; write them again."
            )
        n *= 4
