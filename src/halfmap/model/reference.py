"""The reference of the expectation: the padded Fourier transform of a map."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Complex64, Float
from numpy import ndarray as Array

from halfmap.model.padded_sphere import PaddedSphere


@dataclass(frozen=True, slots=True)
class FourierReference:
    """Fourier transform of a zero-padded map inside a sphere.

    Index ``[z + half, y + half, x]`` holds padded frequency (x, y, z), x >= 0, with
    ``half = round(padding * r_max) + 1``; zero outside the sphere of radius padding * r_max.
    The phase origin is the centre of the box (pixel n // 2). Of a 2D reference there is the one
    plane z = 0.
    """

    values: Complex64[Array, "z y x"]
    """Shape (2 half + 1, 2 half + 1, half + 1); (1, 2 half + 1, half + 1) of a 2D reference."""
    r_max: int
    """Largest frequency, in unpadded pixels (half the current size)."""
    padding: float
    box: int
    """Box of the map, px."""
    power: Float[Array, " shell"]
    """Mean of |F|^2 / 2 per shell, 0 to box/2: tau2 of the reference; 0 where there is no point."""

    @staticmethod
    def n_bytes_of(sphere: PaddedSphere) -> int:
        """Return the memory of the values."""
        return np.dtype(np.complex64).itemsize * sphere.n_voxels

    @property
    def half(self) -> int:
        """Index of frequency zero along y, and along z unless flat."""
        return int(self.values.shape[1]) // 2

    @property
    def sphere(self) -> PaddedSphere:
        """The frequencies that are held."""
        return PaddedSphere(self.r_max, self.padding, flat=len(self.values) == 1)
