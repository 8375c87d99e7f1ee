"""Sums over particles, in 64-bit integers.

They form a commutative monoid that is exact: any order of units, threads and ranks
gives the same bits. Fixed point, with scales (`halfmap.model.exact`) chosen at the
start of an iteration; converted to floating point once, when everything is summed.
"""

from collections.abc import Iterator
from dataclasses import dataclass, fields

import numpy as np
from jaxtyping import Complex128, Float, Int64
from numpy import ndarray as Array

from halfmap.model.padded_sphere import PaddedSphere


@dataclass(frozen=True, slots=True)
class ExpectationSums:
    """What the expectation of one half-set adds up."""

    volume: Int64[Array, "class voxel 3"]
    """Real and imaginary part of the numerator, and the weight; voxels in the layout of
    `FourierReference`, flattened."""
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

    def __add__(self, other: "ExpectationSums") -> "ExpectationSums":
        pairs = zip(self.arrays(), other.arrays(), strict=True)
        return ExpectationSums(*(a + b for a, b in pairs))

    def arrays(self) -> Iterator[Array]:
        """Return the arrays to be summed, always in the same order."""
        return (getattr(self, field.name) for field in fields(self))


@dataclass(frozen=True, slots=True)
class FourierSums:
    """Numerator and weight of one class in floating point, laid out as `FourierReference`."""

    signal: Complex128[Array, "z y x"]
    weight: Float[Array, "z y x"]
    r_max: int
    padding: float

    @property
    def half(self) -> int:
        """Index of frequency zero along y, and along z unless flat."""
        return int(self.weight.shape[1]) // 2

    @property
    def sphere(self) -> PaddedSphere:
        """The frequencies that are held."""
        return PaddedSphere(self.r_max, self.padding, flat=len(self.weight) == 1)
