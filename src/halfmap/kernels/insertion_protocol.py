"""What inserting slices into a volume computes. `halfmap.kernels.reference_insertion` defines it.

The volume of a unit is the half x >= 0 of a Fourier transform, single precision: voxel (i, j, l) in
(x, y, z) has the array index (l + Vz / 2, j + Vy / 2, i), with i from 0 to Vx / 2, j and l from
-V / 2 to V / 2 - 1 (V / 2 is -V / 2). What falls on i < 0 is conjugated and goes to the opposite
voxel. On the planes i = 0 and i = Vx / 2 a sample is added where it falls only; its mate follows
when all is summed (`halfmap.model.half_volume`). Voxels with |i| > Vx / 2, |j| > Vy / 2 or
|l| > Vz / 2 get nothing.

Sample (x, y) of slice s, copy c, operator g lies at k = (R_sc S_g)ᵀ (x / Px, y / Py, 0) · V. To
voxel v are added, with g the value of the kernel (`halfmap.model.insertion_modes`),

    signal += g · copy_weight_c · signal_s(x, y)
    weight += g · copy_weight_c · weight_s(x, y)

(or the weight without g, where the mode says so). Samples with round(hypot(x, y)) > Py / 2 are left
out if the image is square. The lines x = 0 and x = Px / 2 hold every sample and its mate: each
counts half, unless `Compat.friedel_planes`.
"""

from typing import NamedTuple, Protocol

from jaxtyping import Complex64, Float32, Float64, Int64
from numpy import ndarray as Array

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

    def insert(
        self,
        slices: Slices,
        operators: Float64[Array, "operator 3 3"],
        kernel: InsertionKernel,
        grid: Float32[Array, "z y x 3"],
        reference: Complex64[Array, "z y x"] | None = None,
    ) -> None:
        """Insert slices at all operators S_g of the symmetry, identity included, in a fixed order.

        ``grid`` holds real part, imaginary part and weight. ``reference``, in its layout, is the
        transform of the map of the last iteration (the iterative mode).
        """
        ...

    def flush(
        self,
        grid: Float32[Array, "z y x 3"],
        scale: tuple[float, float],
        largest: float,
        out: Int64[Array, "voxel 3"],
    ) -> bool:
        """Add the grid to the integers and clear it; say whether all stayed within ``largest``.

        ``scale`` is that of signal and of weight.
        """
        ...
