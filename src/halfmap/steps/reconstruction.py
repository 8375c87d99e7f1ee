"""From the sums of one half-set to its map: the maximum a posteriori, or without a prior."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Complex128, Float, Float32
from numpy import ndarray as Array

from halfmap.model.fourier import round_half_away
from halfmap.model.interpolation import LINEAR, Interpolation
from halfmap.model.mask import fill_outside_sphere
from halfmap.model.padded_transform import inverse_cropped, padded_box, slabs
from halfmap.model.projection import interpolation_windows
from halfmap.model.sums import FourierSums
from halfmap.steps.gridding import gridding_weights
from halfmap.steps.maximisation import NO_PRIOR_WEIGHT

FIRST_SHELL_WITH_PRIOR = 5
"""Lower shells are always better known from the data than from the prior."""
SMALLEST_WEIGHT = 1e-20
WEIGHT_FLOOR = 1e-3
"""No voxel is divided by less than this fraction of the mean weight of its shell."""
MASK_EDGE_PX = 3.0


@dataclass(frozen=True, slots=True)
class Inversion:
    """How the weights are divided out."""

    gridding_iterations: int = 0
    """See `halfmap.steps.gridding`; 0 divides every voxel by its own weight."""
    interpolation: Interpolation = LINEAR
    """With which the images were inserted."""


DIRECT = Inversion()


def reconstruct(
    sums: FourierSums,
    box: int,
    signal_variance: Float[Array, " shell"] | None,
    fudge: float = 1.0,
    inversion: Inversion = DIRECT,
) -> Float32[Array, "z y x"]:
    """Solve for the map, one Fourier voxel at a time: signal / (weight + 1/tau2).

    Parameters
    ----------
    sums
        Hermitian and symmetrised.
    box
        Box of the map, px.
    signal_variance
        tau2, shells 0 to box/2; None reconstructs without a prior.
    fudge
        Factor on tau2.
    inversion
        How the weights are divided out.

    Returns
    -------
    map
        Beyond box/2 - it is a sphere that is reconstructed - the mean of the outside. One plane if
        the sums are flat.

    References
    ----------
    Scheres (2012), J. Struct. Biol. 180, 519-530.
    """
    padded, sphere = padded_box(box, sums.padding), sums.sphere
    depth = 1 if sphere.flat else box
    posterior = _Posterior(sums, signal_variance, fudge)
    n = inversion.gridding_iterations
    solve = posterior.gridded(padded, n) if n > 0 else posterior.values
    volume = inverse_cropped(solve, sums.half, (depth, box), padded)
    volume /= sphere.oversampled * depth
    fill_outside_sphere(volume, box / 2.0, MASK_EDGE_PX)
    windows = interpolation_windows((depth, box), sums.padding, inversion.interpolation)
    for plane, window in zip(volume, windows, strict=True):
        plane /= window
    return volume.astype(np.float32)


class _Posterior:
    """The mean of the posterior, computed slab by slab: the whole would not fit beside the sums."""

    def __init__(
        self, sums: FourierSums, signal_variance: Float[Array, " shell"] | None, fudge: float
    ) -> None:
        self.sums = sums
        self.sphere = sums.sphere
        # 1/tau2 for each K²: 0 where there is no prior, inf where there is one without power.
        self.prior = np.zeros(3 * self.sphere.half**2 + 1)
        if signal_variance is not None:
            variance = self.sphere.oversampled * fudge * signal_variance
            self.prior = self._prior_of_square(variance)
        self.floor = self._floor_of_square()

    def values(self, x: slice) -> Complex128[Array, "z y slab"]:
        """Return the posterior mean of some planes of constant x."""
        square = self.sphere.squared_radius(x=x)
        signal, weight = self.sums.columns(x)
        precision = self._precision(weight, square)
        np.maximum(precision, self.floor[square], out=precision)
        signal = signal * (square <= self.sphere.reach**2)
        np.divide(signal, precision, out=signal, where=precision > 0.0)
        return np.asarray(signal)

    def gridded(self, padded: int, n_iterations: int) -> Callable[[slice], Array]:
        """Return `values`, but with weights that make up for where the data are dense."""
        precision = np.empty(self.sphere.shape)
        for z in slabs(len(precision), 8 * precision[0].size):
            square = self.sphere.squared_radius(z=z)
            precision[z] = self._precision(self.sums.weight_planes(z), square)
        weights = gridding_weights(precision, self.sphere, padded, n_iterations)
        return lambda x: self.sums.columns(x)[0] * weights[:, :, x]

    def _precision(self, weight: Array, square: Array) -> Float[Array, "..."]:
        prior = self.prior[square]
        powerless = np.isinf(prior)
        if powerless.any():
            stand_in = np.zeros_like(weight)
            np.divide(1.0, NO_PRIOR_WEIGHT * weight, out=stand_in, where=weight > SMALLEST_WEIGHT)
            prior = np.where(powerless, stand_in, prior)
        return np.asarray(weight + prior)

    def _prior_of_square(self, variance: Float[Array, " shell"]) -> Float[Array, " square"]:
        with np.errstate(divide="ignore"):
            inverse = 1.0 / variance
        inverse[:FIRST_SHELL_WITH_PRIOR] = 0.0
        shell = np.minimum(self.sphere.shell_of_square(), len(inverse) - 1)
        prior = np.asarray(inverse[shell])
        prior[self.sphere.reach**2 :] = 0.0  # none on the surface of the sphere either
        return prior

    def _floor_of_square(self) -> Float[Array, " square"]:
        """Mean precision of each shell, radius rounded down, times `WEIGHT_FLOOR`."""
        r_max = self.sums.r_max
        below = self.sphere.floor_of_square()
        counted = below.copy()
        counted[round_half_away((self.sums.padding * r_max) ** 2) :] = r_max
        counted = np.minimum(counted, r_max)
        total, count = np.zeros(r_max + 1), np.zeros(r_max + 1)
        for square, weight in self._planes():
            shell = counted[square].ravel()
            total += np.bincount(
                shell, self._precision(weight, square).ravel(), minlength=r_max + 1
            )
            count += np.bincount(shell, minlength=r_max + 1)
        mean = WEIGHT_FLOOR * total / np.maximum(count, 1)
        return np.asarray(mean[np.minimum(below, r_max - 1)])

    def _planes(self) -> Iterator[tuple[Array, Array]]:
        n_z, n_y, n_x = self.sphere.shape
        for z in slabs(n_z, 8 * n_y * n_x):
            yield self.sphere.squared_radius(z=z), self.sums.weight_planes(z)
