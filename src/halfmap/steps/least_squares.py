"""The map whose slices are nearest to those that were measured, by conjugate gradients.

Solved is (Aᵀ W A + prior) map = Aᵀ W data: A cuts slices and applies their CTF, W weighs them.
Aᵀ W A is a convolution, so that slices are needed only for two sums
(`halfmap.steps.exact_transform`); an iteration is a few fast transforms, however many slices there
are.
"""

import numpy as np
import scipy.fft
from jaxtyping import Float, Float32, Float64
from numpy import ndarray as Array
from scipy.sparse.linalg import LinearOperator, cg

from halfmap.steps.slice_ctf import LEAST_SHARE

MOST_ITERATIONS = 30
ENOUGH = 1e-4
"""Residual, relative to the right-hand side, at which iterations end."""


def least_squares_map(
    back_projected: Float64[Array, "z y x"],
    spread: Float64[Array, "2z 2y 2x"],
    prior: Float[Array, " shell"],
    n_iterations: int = MOST_ITERATIONS,
) -> Float64[Array, "z y x"]:
    """Solve for the map.

    Parameters
    ----------
    back_projected, spread
        Sums over all slices of `back_projection` and `point_spread`.
    prior
        1/τ² of a Fourier coefficient of the map, in units of the weights, by radius in px of the
        largest axis from 0 on (the last one holds beyond): Wiener's regularisation.
    n_iterations
        At most.
    """
    shape = back_projected.shape
    kernel = scipy.fft.rfftn(np.fft.ifftshift(spread)).real
    penalty = prior[np.minimum(_radius(shape), len(prior) - 1)] * back_projected.size

    def normal(flat: Array) -> Array:
        volume = flat.reshape(shape)
        wide = scipy.fft.irfftn(kernel * scipy.fft.rfftn(volume, s=spread.shape), s=spread.shape)
        held = wide[: shape[0], : shape[1], : shape[2]]
        return np.asarray(
            held + scipy.fft.irfftn(penalty * scipy.fft.rfftn(volume), s=shape)
        ).ravel()

    operator = LinearOperator((back_projected.size,) * 2, matvec=normal, dtype=np.float64)
    found, _ = cg(operator, back_projected.ravel(), rtol=ENOUGH, maxiter=n_iterations)
    return np.asarray(found.reshape(shape))


def lattice_weight(spread: Float64[Array, "2z 2y 2x"]) -> Float32[Array, "z y x_half"]:
    """Return the weight of samples around each frequency of a half volume, y and z centred.

    Around is within the transform of the box's overlap with itself displaced: nowhere negative.
    """
    z, y, x = (1.0 - np.abs(np.arange(n) - n // 2) / (n / 2.0) for n in spread.shape)
    overlap = z[:, None, None] * y[:, None] * x
    weight = scipy.fft.rfftn(np.fft.ifftshift(overlap * spread)).real[::2, ::2, ::2]
    centred = np.fft.fftshift(np.maximum(weight, 0.0), axes=(0, 1))
    return np.asarray(centred * (8.0 / spread.size), np.float32)


def wiener_prior(
    spread: Float64[Array, "2z 2y 2x"], share: float = LEAST_SHARE
) -> Float[Array, " shell"]:
    """Return a prior that is worth a share of the mean weight of each shell, up to Nyquist."""
    weight = scipy.fft.rfftn(np.fft.ifftshift(spread)).real
    last = max(spread.shape) // 4
    shell = np.minimum((_radius(spread.shape) + 1) // 2, last + 1).ravel()
    total = np.bincount(shell, weight.ravel(), last + 2)
    mean = total / np.maximum(np.bincount(shell, minlength=last + 2), 1)
    return np.asarray(share * np.maximum(mean[: last + 1], 0.0) * 8.0 / spread.size)


def _radius(shape: tuple[int, ...]) -> Array:
    """Return the radius of each coefficient of a real transform, px of the largest axis."""
    z, y, x = shape
    along = np.fft.fftfreq(z), np.fft.fftfreq(y), np.fft.rfftfreq(x)
    square = along[0][:, None, None] ** 2 + along[1][:, None] ** 2 + along[2] ** 2
    return np.asarray(np.rint(max(shape) * np.sqrt(square)), np.int64)
