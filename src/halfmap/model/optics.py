"""What the images of one optics group share, and the defocus of each image."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray as Array

from halfmap.model.aberrations import NO_ABERRATIONS, Aberrations
from halfmap.model.detector import Detector


@dataclass(frozen=True, slots=True)
class Optics:
    """One row of the optics table."""

    name: str
    voltage_kV: float
    spherical_aberration_mm: float
    amplitude_contrast: float
    pixel_size_A: float
    box: int
    ctf_premultiplied: bool = False
    magnification: tuple[float, float, float, float] = (1.0, 0.0, 0.0, 1.0)
    """Matrix M, row by row (rlnMagMat00 to 11): the image shows at frequency k what is at M k."""
    aberrations: Aberrations = NO_ABERRATIONS
    detector: Detector | None = None
    """None if it is unknown, or does not matter."""
    ctf_corrected: bool = False
    """The images need no correction: their CTF is 1."""

    def frequency_per_A(
        self, kx: Int[Array, "..."], ky: Int[Array, "..."]
    ) -> tuple[Float[Array, "..."], Float[Array, "..."]]:
        """Return the spatial frequency (x, y) in the object of pixels of the transform."""
        (a, b, c, d), width_A = self.magnification, self.box * self.pixel_size_A
        return np.asarray((a * kx + b * ky) / width_A), np.asarray((c * kx + d * ky) / width_A)


@dataclass(frozen=True, slots=True)
class Defocus:
    """CTF parameters of each image of a set."""

    u_A: Float[Array, " image"]
    """Defocus along ``angle_deg``; positive is underfocus."""
    v_A: Float[Array, " image"]
    angle_deg: Float[Array, " image"]
    phase_shift_deg: Float[Array, " image"]
    b_factor_A2: Float[Array, " image"]
    scale: Float[Array, " image"]

    def __getitem__(self, rows: object) -> "Defocus":
        """Return the parameters of some images (any numpy index along the image axis)."""
        names = type(self).__slots__
        return Defocus(*(getattr(self, name)[rows] for name in names))
