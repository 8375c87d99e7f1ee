"""Phases that a misaligned microscope adds to the transforms of images.

Even ones (they do not change when k is reversed) belong to the CTF; odd ones shift every frequency
of the image, and are taken out of it. Both are sums of Zernike polynomials of the spatial frequency
u in 1/Å (not of a unit disc), of which an optics group lists the coefficients:

* even number i: k = floor(sqrt(i)), n = 2 k, m = 2 (i - k² - k);
* odd number i: k = floor((sqrt(1 + 4 i) - 1) / 2), n = 2 k + 1, m = 2 (i - k² - k) - n;

Z(n, m) is the radial polynomial R(n, abs m) times cos(m θ), or sin(-m θ) if m < 0. A beam tilt t
adds the odd phase -2π Cs λ² (t·u) (u·u). Pinned by ``tests/unit/test_aberrations.py``.

References
----------
Zivanov, Nakane & Scheres (2020), IUCrJ 7, 253-267.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import factorial, isqrt

import numpy as np
from jaxtyping import Float
from numpy import ndarray as Array


@dataclass(frozen=True, slots=True)
class Aberrations:
    """Coefficients of one optics group."""

    beam_tilt_mrad: tuple[float, float] = (0.0, 0.0)
    odd: tuple[float, ...] = ()
    even: tuple[float, ...] = ()

    @property
    def has_odd(self) -> bool:
        """Whether images have to be corrected."""
        return any(self.beam_tilt_mrad) or any(self.odd)


NO_ABERRATIONS = Aberrations()


def even_order(index: int) -> tuple[int, int]:
    """Return (n, m) of an even polynomial.

    >>> [even_order(i) for i in range(5)]
    [(0, 0), (2, -2), (2, 0), (2, 2), (4, -4)]
    """
    k = isqrt(index)
    return 2 * k, 2 * (index - k * k - k)


def odd_order(index: int) -> tuple[int, int]:
    """Return (n, m) of an odd polynomial.

    >>> [odd_order(i) for i in range(5)]
    [(1, -1), (1, 1), (3, -3), (3, -1), (3, 1)]
    """
    k = (isqrt(1 + 4 * index) - 1) // 2
    n = 2 * k + 1
    return n, 2 * (index - k * k - k) - n


def zernike(
    order: tuple[int, int], ux: Float[Array, "..."], uy: Float[Array, "..."]
) -> Float[Array, "..."]:
    """Return a Zernike polynomial at spatial frequencies (any unit)."""
    n, m = order
    rho, theta = np.hypot(ux, uy), np.arctan2(uy, ux)
    radial = np.zeros_like(rho)
    for j in range((n - abs(m)) // 2 + 1):
        denominator = factorial(j) * factorial((n + abs(m)) // 2 - j)
        denominator *= factorial((n - abs(m)) // 2 - j)
        radial += (-1) ** j * (factorial(n - j) // denominator) * rho ** (n - 2 * j)
    return np.asarray(radial * (np.cos(m * theta) if m >= 0 else np.sin(-m * theta)))


def even_phase(
    aberrations: Aberrations, ux: Float[Array, "..."], uy: Float[Array, "..."]
) -> Float[Array, "..."]:
    """Return what is added to the phase of the CTF, at spatial frequencies in 1/Å."""
    orders = [even_order(i) for i in range(len(aberrations.even))]
    return _sum(aberrations.even, orders, ux, uy)


def odd_phase(
    aberrations: Aberrations,
    lens: tuple[float, float],
    ux: Float[Array, "..."],
    uy: Float[Array, "..."],
) -> Float[Array, "..."]:
    """Return the phase that the transforms of images have too much, at frequencies in 1/Å.

    Parameters
    ----------
    lens
        Spherical aberration in mm, wavelength in Å: what turns a beam tilt into a phase.
    """
    aberration_mm, wavelength_A = lens
    tilt_x, tilt_y = aberrations.beam_tilt_mrad
    # 2π Cs λ² in Å³, for a tilt in mrad: mm are 1e7 Å.
    slope = 2.0 * np.pi * aberration_mm * 1e7 * 1e-3 * wavelength_A**2
    orders = [odd_order(i) for i in range(len(aberrations.odd))]
    coma = -slope * (tilt_x * ux + tilt_y * uy) * (ux**2 + uy**2)
    return np.asarray(coma + _sum(aberrations.odd, orders, ux, uy))


def _sum(
    coefficients: Sequence[float], orders: Sequence[tuple[int, int]], ux: Array, uy: Array
) -> Float[Array, "..."]:
    total = np.zeros_like(ux, dtype=np.float64)
    for coefficient, order in zip(coefficients, orders, strict=True):
        if coefficient != 0.0:
            total += coefficient * zernike(order, ux, uy)
    return total
