"""What inserting slices into a volume computes. `halfmap.kernels.reference_insertion` defines it.

The volume that is summed is the half x >= 0 of a Fourier transform: voxel (i, j, l) in (x, y, z)
has the index (l + Vz / 2, j + Vy / 2, i), with i from 0 to Vx / 2, j and l from -V / 2 to V / 2 - 1
(V / 2 is -V / 2). What falls on i < 0 is conjugated and goes to the opposite voxel. On the planes
i = 0 and i = Vx / 2 a sample is added to one voxel only, where it falls or, conjugated, opposite;
the other follows when all is summed (`halfmap.model.half_volume`). Voxels with |i| > Vx / 2,
|j| > Vy / 2 or |l| > Vz / 2 get nothing.

Sample (x, y) of slice s, copy c, operator g lies at k = (R_sc S_g)ᵀ (x / Px, y / Py, 0) · V. To
voxel v are added, with g the value of the kernel (`halfmap.model.kernel_values`),

    signal += g · copy_weight_c · signal_s(x, y)
    weight += g · copy_weight_c · weight_s(x, y)

(or the weight without g, where the mode says so). Samples with round(hypot(x, y)) > Py / 2 are left
out if the image is square. The lines x = 0 and x = Px / 2 hold every sample and its mate: each
counts half, unless `Compat.double_line`.

With a reference, what it explains is taken from each sample first: the value at k, interpolated
linearly between voxels (0 beyond them), times the weight of the sample.
"""

from typing import NamedTuple, Protocol

from jaxtyping import Complex64, Float32, Float64, Int64
from numpy import ndarray as Array

from halfmap.model.faint_sums import FaintSums, FixedPoint
from halfmap.model.insertion_kernel import InsertionKernel


class Slices(NamedTuple):
    """Slices of a unit."""

    signal: Complex64[Array, "slice y x_half"]
    """Transforms of the padded images, unnormalised, frequency 0 at index 0 and the origin of the
    image at its pixel 0; times their weight (and CTF)."""
    weight: Float32[Array, "slice y_or_1 x_half_or_1"]
    """Weight (times CTF²) of each sample, or of the whole slice."""
    rotation: Float64[Array, "slice copy 3 3"]
    """R; several where a slice is inserted at several orientations (``--fillangle``)."""
    copy_weight: Float32[Array, " copy"]


class Insertion(Protocol):
    """One backend."""

    name: str

    def empty_grid(self, kernel: InsertionKernel) -> Float32[Array, "..."]:
        """Return what a unit inserts into: real part, imaginary part and weight of voxels.

        Single precision; the layout is the backend's own.
        """
        ...

    def insert(
        self,
        slices: Slices,
        operators: Float64[Array, "operator 3 3"],
        kernel: InsertionKernel,
        grid: Float32[Array, "..."],
        reference: Complex64[Array, "z y x"] | None = None,
    ) -> None:
        """Insert slices at all operators S_g of the symmetry, identity included, in a fixed order.

        ``reference`` has the layout of the volume that is summed; it is the transform of the map
        of the last iteration (the iterative mode).
        """
        ...

    def flush(
        self,
        grid: Float32[Array, "..."],
        kernel: InsertionKernel,
        fixed: FixedPoint,
        out: Int64[Array, "voxel 3"],
    ) -> tuple[bool, FaintSums]:
        """Add the grid to the integers and clear it.

        Returns
        -------
        fits
            Whether all stayed within what a unit may add.
        faint
            What it adds to voxels whose weight, so far, is too small for the integers.
        """
        ...
