"""Kernels that are a product of one function of the distance along each axis, and a radial one.

Distances are in voxels. All are even.
"""

from functools import lru_cache

import numpy as np
from jaxtyping import Float
from numpy import ndarray as Array
from scipy.special import i0e

HALF_WIDTH = 2.0
"""Support of the Kaiser-Bessel kernels."""
OVERSAMPLING = 1.25
"""Padded size / image for which the Kaiser-Bessel kernel is best."""
BETA = np.pi * np.sqrt((2 * HALF_WIDTH / OVERSAMPLING) ** 2 * (OVERSAMPLING - 0.5) ** 2 - 0.8)
"""Beatty, Nishimura & Pauly (2005), IEEE Trans. Med. Imaging 24, 799-808, equation 5."""

HYPERGEOMETRIC_SCALE = 3.0136266
"""Frequency of the transform of exp(-r⁴) at a distance of one voxel."""
HYPERGEOMETRIC_PEAK = 0.889784545
HYPERGEOMETRIC_END = 4.998


def nearest(d: Float[Array, "..."]) -> Float[Array, "..."]:
    """Return 1: the window has one voxel."""
    return np.ones_like(d)


def linear(d: Float[Array, "..."]) -> Float[Array, "..."]:
    """Return the triangle."""
    return np.asarray(np.maximum(1.0 - np.abs(d), 0.0))


def kaiser_bessel(
    d: Float[Array, "..."], half_width: float = HALF_WIDTH, beta: float = BETA
) -> Float[Array, "..."]:
    """Return I0(β sqrt(1 - (d / half width)²)) / I0(β)."""
    root: Array = beta * np.sqrt(np.maximum(1.0 - (d / half_width) ** 2, 0.0))
    inside = np.abs(d) <= half_width
    return np.asarray(np.where(inside, i0e(root) * np.exp(root - beta) / i0e(beta), 0.0))


def kaiser_bessel_derived(d: Float[Array, "..."]) -> Float[Array, "..."]:
    """Return the window whose squares, half its support apart, sum to one.

    The square is the running integral of a Kaiser-Bessel window of half the support.
    """
    inner = HALF_WIDTH / 2.0
    t = np.linspace(-inner, inner, 4097)
    window = kaiser_bessel(t, inner)
    running = np.concatenate([[0.0], np.cumsum(0.5 * (window[1:] + window[:-1]))])
    return np.asarray(np.sqrt(np.interp(inner - np.abs(d), t, running / running[-1])))


@lru_cache(maxsize=1)
def _hypergeometric_samples() -> tuple[Float[Array, " d"], Float[Array, " d"]]:
    r = np.linspace(0.0, 3.0, 601)  # exp(-r⁴) is 1e-35 at the end
    d = np.linspace(0.0, HYPERGEOMETRIC_END, 4999)
    density = r**2 * np.exp(-(r**4))
    transform = np.sinc(np.outer(HYPERGEOMETRIC_SCALE * d / np.pi, r)) @ density
    return d, HYPERGEOMETRIC_PEAK * transform / transform[0]


def hypergeometric(d: Float[Array, "..."]) -> Float[Array, "..."]:
    """Return the transform of exp(-r⁴) in three dimensions, at a radius."""
    return np.asarray(np.interp(d, *_hypergeometric_samples(), right=0.0))


def transform_of(
    profile: str, frequency: Float[Array, " x"], half_width: float = HALF_WIDTH
) -> Float[Array, " x"]:
    """Return the transform of a profile, 1 at frequency 0.

    Parameters
    ----------
    profile
        A key of `PROFILES`.
    frequency
        Cycles per voxel.
    half_width
        Of its support.
    """
    nodes, weights = np.polynomial.legendre.leggauss(64)
    values = weights * PROFILES[profile](half_width * nodes)
    waves = np.cos(2.0 * np.pi * half_width * np.outer(frequency, nodes))
    return np.asarray(waves @ values / values.sum())


PROFILES = {
    "nearest": nearest,
    "linear": linear,
    "kaiser_bessel": kaiser_bessel,
    "kaiser_bessel_derived": kaiser_bessel_derived,
}
