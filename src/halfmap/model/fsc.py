"""Fourier shell correlation of two halves, and the signal-to-noise ratio it stands for."""

import numpy as np
import scipy.fft
from jaxtyping import Complex, Float, Int
from numpy import ndarray as Array

from halfmap.model.fourier import shells_3d

LOWEST, HIGHEST = 0.001, 0.999
"""Correlations are kept within these when a ratio is made of them."""


def shell_correlation(
    a: Complex[Array, "..."], b: Complex[Array, "..."], shell: Int[Array, "..."], n_shells: int
) -> Float[Array, " shell"]:
    """Correlate two transforms, shell by shell: Re Σ a b* / √(Σ|a|² Σ|b|²).

    Parameters
    ----------
    a, b
        Transforms; every stored point counts once.
    shell
        Shell of each point; those beyond ``n_shells`` do not count.
    n_shells
        Length of the result.

    Returns
    -------
    fsc
        0 where a shell is empty or one transform is.

    References
    ----------
    Harauz & van Heel (1986), Optik 73, 146-156.
    """
    return correlation(shell_powers(a, b, shell, n_shells))


def shell_powers(
    a: Complex[Array, "..."], b: Complex[Array, "..."], shell: Int[Array, "..."], n_shells: int
) -> Float[Array, "3 shell"]:
    """Return Re Σ a b*, Σ|a|² and Σ|b|² of each shell; see `shell_correlation`."""
    inside = shell < n_shells
    a, b, shell = a[inside], b[inside], shell[inside]
    products = a.real * b.real + a.imag * b.imag, a.real**2 + a.imag**2, b.real**2 + b.imag**2
    return np.stack([np.bincount(shell, x, minlength=n_shells) for x in products])


def correlation(powers: Float[Array, "3 shell"]) -> Float[Array, " shell"]:
    """Return the correlation of shells, from the sums of `shell_powers` over all their points."""
    cross, power_a, power_b = powers
    norm = np.sqrt(power_a * power_b)
    return np.asarray(np.divide(cross, norm, out=np.zeros_like(norm), where=norm > 0.0))


def map_fsc(map_a: Float[Array, "z y x"], map_b: Float[Array, "z y x"]) -> Float[Array, " shell"]:
    """Return the FSC of two maps in shells 0 to box/2."""
    box = map_a.shape[0]
    ft_a, ft_b = (scipy.fft.rfftn(np.asarray(m, np.float64)) for m in (map_a, map_b))
    return shell_correlation(ft_a, ft_b, shells_3d(box), box // 2 + 1)


def signal_to_noise(
    fsc: Float[Array, " shell"], of_joined_map: bool = False
) -> Float[Array, " shell"]:
    """Return the ratio of signal to noise power in a half map, or in the map of both halves.

    ``F / (1 - F)`` with F the correlation of the halves or, for the joined map, ``√(2F/(1+F))``,
    its correlation with the truth. Between 0.001 and 999: F is clipped.

    >>> signal_to_noise(np.array([0.5, 0.143])).round(5).tolist()
    [1.0, 0.16686]
    >>> signal_to_noise(np.array([0.143]), of_joined_map=True).round(5).tolist()
    [1.00088]

    References
    ----------
    Rosenthal & Henderson (2003), J. Mol. Biol. 333, 721-745, for the joined map.
    """
    correlation = np.maximum(LOWEST, fsc)
    if of_joined_map:
        correlation = np.sqrt(2.0 * correlation / (1.0 + correlation))
    correlation = np.minimum(HIGHEST, correlation)
    return np.asarray(correlation / (1.0 - correlation))
