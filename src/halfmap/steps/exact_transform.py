"""What slices say of a map, by the exact non-uniform Fourier transform: no window, no correction.

It is two sums over samples, evaluated at voxels by finufft: the right-hand side and the operator of
the least squares of `halfmap.steps.least_squares`. Sums over units of slices add up.
"""

from typing import NamedTuple

import finufft
import numpy as np
from jaxtyping import Complex128, Float, Float64
from numpy import ndarray as Array

from halfmap.kernels.insertion_protocol import Slices
from halfmap.model.inserted_samples import sample_rows, slice_axes
from halfmap.model.insertion_kernel import InsertionKernel

HOW: dict[str, float] = {"eps": 1e-8, "upsampfac": 1.25, "nthreads": 1}
"""Relative error of the transforms; with little upsampling they take a quarter of the memory."""


class Samples(NamedTuple):
    """Samples of slices, without their Friedel mates."""

    frequency: Float[Array, "3 sample"]
    """Along (z, y, x) of the map, radians a voxel."""
    signal: Complex128[Array, " sample"]
    """Transform of the image times its weight (and CTF)."""
    weight: Float64[Array, " sample"]
    """Weight (times CTF²)."""


def samples_of(
    slices: Slices, operators: Float64[Array, "operator 3 3"], kernel: InsertionKernel
) -> Samples:
    """List the samples of slices at all their orientations; the mode does not matter."""
    rows = sample_rows(kernel)
    x = np.concatenate([np.arange(n) for n in rows.length])
    row = np.repeat(np.arange(len(rows.y)), rows.length)
    volume = np.array(kernel.sizes.volume, np.float64)
    axes = slice_axes(slices.rotation, operators, kernel)
    per_px = 2.0 * np.pi * axes.reshape(*axes.shape[:2], 2, 3) / volume
    place = np.stack([x, rows.y[row]], axis=-1)
    frequency = np.einsum("ni,spia->aspn", place, per_px)[::-1]
    copy_weight = np.repeat(slices.copy_weight, len(operators)).astype(np.float64)
    share = copy_weight[:, None] * rows.share[x]
    weight = np.broadcast_to(slices.weight, slices.signal.shape)[:, row, x].astype(np.float64)
    signal = slices.signal[:, row, x].astype(np.complex128)
    return Samples(
        np.ascontiguousarray(frequency.reshape(3, -1)),
        (signal[:, None] * share).reshape(-1),
        (weight[:, None] * share).reshape(-1),
    )


def back_projection(samples: Samples, shape: tuple[int, int, int]) -> Float64[Array, "z y x"]:
    """Return Σ signal exp(i k r) over samples and their mates, at the voxels of a map."""
    return _adjoint(samples.frequency, samples.signal, shape)


def point_spread(samples: Samples, shape: tuple[int, int, int]) -> Float64[Array, "z y x"]:
    """Return Σ weight exp(i k r) over samples and their mates, on twice the size of a map.

    Convolved with a map it is what the slices of that map say of it.
    """
    z, y, x = shape
    return _adjoint(samples.frequency, samples.weight.astype(np.complex128), (2 * z, 2 * y, 2 * x))


def _adjoint(
    frequency: Float[Array, "3 sample"],
    values: Complex128[Array, " sample"],
    shape: tuple[int, int, int],
) -> Float64[Array, "z y x"]:
    z, y, x = frequency
    total = finufft.nufft3d1(z, y, x, values, shape, isign=1, **HOW)
    return np.asarray(2.0 * total.real)
