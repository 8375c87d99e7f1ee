"""The sums of a class as another program wants them: a half transform with frequency zero first."""

import numpy as np
from jaxtyping import Float, Float32
from numpy import ndarray as Array

from halfmap.model.fsc import signal_to_noise
from halfmap.model.padded_sphere import PaddedSphere
from halfmap.steps.maximisation import Spectra


def zero_first(
    values: Float[Array, "z y x"], sphere: PaddedSphere, padded: int
) -> Float32[Array, "z y x"]:
    """Put the values within a sphere, its surface included, into the whole padded transform.

    Parameters
    ----------
    values
        Laid out as `FourierReference`; what interpolation put outside the sphere is dropped.
    padded
        Size of the padded box, px (even).

    Returns
    -------
    transform
        ``(padded, padded, padded / 2 + 1)``, one plane for a flat sphere; zero elsewhere. The
        Nyquist row is the positive frequency.
    """
    kept = np.arange(-sphere.reach, sphere.reach + 1)
    kept = kept[(-padded < 2 * kept) & (2 * kept <= padded)]
    columns = kept[kept >= 0]
    planes = np.zeros(1, np.int64) if sphere.flat else kept
    depth = 1 if sphere.flat else padded
    source = np.ix_(planes + sphere.half_z, kept + sphere.half, columns)
    inside = (sphere.squared_radius() <= sphere.reach**2)[source]
    whole = np.zeros((depth, padded, padded // 2 + 1), np.float32)
    whole[np.ix_(planes % depth, kept % padded, columns)] = values[source] * inside
    return whole


def with_signal(estimate: Spectra, signal_variance: Float[Array, " shell"]) -> Spectra:
    """Take tau2 from another program: the data win where it exceeds the noise of the map."""
    ratio = np.zeros_like(signal_variance)
    noise = estimate.map_variance
    np.divide(signal_variance, noise, out=ratio, where=noise > 0.0)
    return Spectra(noise, signal_variance, ratio, estimate.fourier_coverage)


def with_correlation(
    estimate: Spectra, fsc: Float[Array, " shell"], fudge: float, *, whole: bool
) -> Spectra:
    """Take tau2 from the FSC of another program; ``whole``: of a map of all data, not a half's."""
    ratio = fudge * signal_to_noise(fsc, of_joined_map=whole)
    noise = estimate.map_variance
    return Spectra(noise, ratio * noise, ratio, estimate.fourier_coverage)
