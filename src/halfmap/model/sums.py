"""Sums over particles, in 64-bit integers.

They form a commutative monoid that is exact: any order of units, threads and ranks
gives the same bits. Fixed point, with scales (`halfmap.model.exact`) chosen at the
start of an iteration; converted to floating point once, when everything is summed.
"""

from collections.abc import Iterator
from dataclasses import dataclass, fields

import numpy as np
from jaxtyping import Complex, Complex128, Float, Float64, Int, Int64
from numpy import ndarray as Array

from halfmap.model.padded_sphere import PaddedSphere
from halfmap.model.touched_voxels import packed, planes, row_starts


@dataclass(frozen=True, slots=True)
class ExpectationSums:
    """What the expectation of one half-set adds up."""

    volume: Int64[Array, "class voxel 3"]
    """Real and imaginary part of the numerator, and the weight, of the voxels that insertion can
    touch (`halfmap.model.touched_voxels`)."""
    noise: Int64[Array, "optics shell"]
    """Residual power."""
    directions: Int64[Array, "class direction"]
    """Posterior weight of each sampling direction."""

    @classmethod
    def zeros(
        cls, n_classes: int, n_voxels: int, noise_shape: tuple[int, int], n_directions: int
    ) -> "ExpectationSums":
        """Return the sums over no particles."""
        return cls(
            volume=np.zeros((n_classes, n_voxels, 3), np.int64),
            noise=np.zeros(noise_shape, np.int64),
            directions=np.zeros((n_classes, n_directions), np.int64),
        )

    @staticmethod
    def n_bytes_of(
        n_classes: int, n_voxels: int, noise_shape: tuple[int, int], n_directions: int
    ) -> int:
        """Return the memory of `zeros` of the same arguments."""
        numbers = 3 * n_classes * n_voxels + noise_shape[0] * noise_shape[1]
        return np.dtype(np.int64).itemsize * (numbers + n_classes * n_directions)

    def __add__(self, other: "ExpectationSums") -> "ExpectationSums":
        pairs = zip(self.arrays(), other.arrays(), strict=True)
        return ExpectationSums(*(a + b for a, b in pairs))

    def arrays(self) -> Iterator[Array]:
        """Return the arrays to be summed, always in the same order."""
        return (getattr(self, field.name) for field in fields(self))


@dataclass(frozen=True, slots=True)
class FourierSums:
    """Numerator and weight of one class in floating point."""

    values: Float64[Array, "voxel 3"]
    """As `ExpectationSums.volume`."""
    r_max: int
    padding: float
    flat: bool = False

    @classmethod
    def of(
        cls,
        signal: Complex[Array, "z y x"],
        weight: Float[Array, "z y x"],
        r_max: int,
        padding: float,
    ) -> "FourierSums":
        """Pack a numerator and a weight in the layout of `FourierReference`."""
        sphere = PaddedSphere(r_max, padding, flat=len(weight) == 1)
        parts = (packed(part, sphere) for part in (signal.real, signal.imag, weight))
        return cls(np.stack(list(parts), axis=1).astype(np.float64), r_max, padding, sphere.flat)

    @property
    def half(self) -> int:
        """Index of frequency zero along y, and along z unless flat."""
        return self.sphere.half

    @property
    def sphere(self) -> PaddedSphere:
        """The frequencies that are held."""
        return PaddedSphere(self.r_max, self.padding, self.flat)

    @property
    def packed(self) -> tuple[Float64[Array, "voxel 3"], Int[Array, " row_and_1"], int]:
        """The values, where each row begins, and the index of frequency zero along y."""
        return self.values, row_starts(self.sphere), self.half

    @property
    def planes_of_z(self) -> range:
        """Indices of the planes of constant z."""
        return range(self.sphere.shape[0])

    @property
    def signal(self) -> Complex128[Array, "z y x"]:
        """A copy of the numerator, in the layout of `FourierReference`; not for large ones."""
        real, imaginary = (planes(self.values[:, i], self.sphere) for i in (0, 1))
        both = np.empty(real.shape, np.complex128)
        both.real, both.imag = real, imaginary
        return _frozen(both)

    @property
    def weight(self) -> Float64[Array, "z y x"]:
        """A copy of the weight, in the layout of `FourierReference`; not for large ones."""
        return _frozen(planes(self.values[:, 2], self.sphere))


def _frozen(copy: Array) -> Array:
    """Forbid writing into what is only a copy."""
    copy.flags.writeable = False
    return copy
