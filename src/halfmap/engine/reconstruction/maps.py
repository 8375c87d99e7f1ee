"""From the sums to the map that is written."""

from dataclasses import replace
from typing import NamedTuple

import numpy as np
import scipy.fft
from jaxtyping import Complex64, Float32
from numpy import ndarray as Array

from halfmap.engine.reconstruction.inputs import Seed, read_seed
from halfmap.engine.reconstruction.sums import VolumeSums
from halfmap.engine.reconstruction.task import Task
from halfmap.kernels.numba_lattice import sum_over_lattice
from halfmap.model.faint_sums import resolved
from halfmap.model.half_volume import (
    Quotient,
    clipped,
    decoded,
    divided,
    squared_fraction,
    to_half_volume,
    to_map,
)
from halfmap.model.insertion_modes import insertion_mode
from halfmap.model.radial_correction import radial_correction
from halfmap.steps.exact_sums import decoded_sums
from halfmap.steps.iterative import with_reference
from halfmap.steps.least_squares import lattice_weight, least_squares_map, wiener_prior
from halfmap.steps.slice_ctf import with_least_weight


class MadeMap(NamedTuple):
    """A map, and what it was divided by."""

    density: Float32[Array, "z y x"]
    """In the size that is written."""
    weight: Float32[Array, "z y x"]
    """Of each frequency of the half volume."""


def made_map(
    sums: VolumeSums, task: Task, reference: Complex64[Array, "z y x"] | None = None
) -> MadeMap:
    """Divide signal by weight, transform, correct, and clip.

    Parameters
    ----------
    sums
        Of all slices.
    task
        As they were inserted.
    reference
        What was taken from the samples.
    """
    sizes, options = task.kernel.sizes, task.options
    if task.kernel.mode.exact:
        density, weight = _fitted(sums, task)
        return MadeMap(clipped(density, sizes.output), weight)
    transform, weight = mean_transform(sums, task, reference)
    density = to_map(_limited(transform, task), sizes.volume, options.n_threads)
    if not options.no_radial_correction:
        kernel = replace(task.kernel, mode=insertion_mode(options.mode))
        for z in range(len(density)):
            density[z] *= radial_correction(kernel, slice(z, z + 1))[0]
    return MadeMap(clipped(density, sizes.output), weight)


def _fitted(
    sums: VolumeSums, task: Task
) -> tuple[Float32[Array, "z y x"], Float32[Array, "z y x"]]:
    """Return the map whose slices are nearest to those that were measured, and their weights."""
    sizes, n_threads = task.kernel.sizes, task.options.n_threads
    back, spread = decoded_sums(sums.volume, sizes, task.scale.pair)
    with scipy.fft.set_workers(n_threads):  # the result is the same for any number
        density = least_squares_map(back, spread, wiener_prior(spread))
    weight = lattice_weight(spread)
    if task.options.max_resolution_A <= 0.0:
        return np.asarray(density, np.float32), weight
    limited = _limited(to_half_volume(density, n_threads), task)
    return to_map(limited, sizes.volume, n_threads), weight


def mean_transform(
    sums: VolumeSums, task: Task, reference: Complex64[Array, "z y x"] | None = None
) -> tuple[Complex64[Array, "z y x"], Float32[Array, "z y x"]]:
    """Return the mean of what was inserted at each frequency, and its weight."""
    of_faint = resolved(sums.faint, task.faint.bits)
    quotient = decoded(sums.volume, of_faint, task.scale.pair, task.kernel.compat)
    quotient = symmetric(quotient, task)
    seed = None if task.options.iterative else read_seed(task.options, task.kernel.sizes)
    if seed is not None:
        quotient = seeded(quotient, seed, task)
    if task.options.correct_ctf:
        size = min(task.kernel.sizes.volume)
        shell = np.rint(np.sqrt(squared_fraction(task.kernel.sizes.volume)) * size)
        floor = with_least_weight(quotient.weight, shell.astype(np.int64))
        quotient = quotient._replace(weight=floor)
    mean = divided(quotient)
    if reference is not None:
        whole = with_reference(mean, quotient.weight, reference, task.kernel)
        mean = np.asarray(whole, np.complex64)
    return mean, quotient.weight


def symmetric(sums: Quotient, task: Task) -> Quotient:
    """Sum over the operators that take voxels to voxels."""
    if not task.lattice:
        return sums
    parts = (sums.signal.real, sums.signal.imag, sums.weight)
    total = sum_over_lattice(np.stack(parts, axis=-1), task.lattice)
    signal = np.ascontiguousarray(total[..., :2]).view(np.complex64)[..., 0]
    return Quotient(signal, np.ascontiguousarray(total[..., 2]))


def seeded(sums: Quotient, seed: Seed, task: Task) -> Quotient:
    """Add a map that is worth some weight at each frequency."""
    transform = to_half_volume(seed.density, task.options.n_threads)
    weight = np.broadcast_to(np.float32(seed.weight), transform.shape)
    signal = sums.signal + weight * transform
    if task.kernel.compat.friedel_planes:
        weight = _miscounted(weight)
    return Quotient(signal, sums.weight + weight)


def _miscounted(weight: Float32[Array, "z y x"]) -> Float32[Array, "z y x"]:
    """Return what EMAN2 makes of the weight of a seed at frequencies that are their own mates."""
    out = weight.copy()
    n_z, n_y, _ = weight.shape
    for x in (0, -1):
        out[:: n_z // 2, :: n_y // 2, x] *= 2.0
        out[n_z // 2, n_y // 2, x] = 0.5 * weight[n_z // 2, n_y // 2, x]
    return out


def _limited(transform: Complex64[Array, "z y x"], task: Task) -> Complex64[Array, "z y x"]:
    """Leave out finer detail than is wanted."""
    if task.options.max_resolution_A > 0.0:
        limit = task.pixel_size_A / task.options.max_resolution_A
        transform[squared_fraction(task.kernel.sizes.volume) > limit**2] = 0.0
    return transform
