"""Projections of EMAN2 turned into a map by the kernels alone: no command, no ranks."""

from functools import lru_cache
from pathlib import Path

import h5py
import numpy as np
import scipy.fft
from numpy import ndarray as Array

from halfmap.kernels.insertion_protocol import Slices
from halfmap.kernels.numba_cpu.insertion_backend import NumbaInsertion
from halfmap.kernels.numba_lattice import sum_over_lattice
from halfmap.model.compat import Compat
from halfmap.model.faint_sums import FaintLimits, FixedPoint
from halfmap.model.insertion_kernel import InsertionKernel
from halfmap.model.insertion_modes import InsertionMode
from halfmap.model.lattice_symmetry import split_group
from halfmap.model.radial_correction import radial_correction
from halfmap.model.reconstruction_sizes import Sizes
from halfmap.steps.iterative import PASSES, edited, mode_of_pass, with_reference

BOX = 64
SCALE = (2.0**26, 2.0**44)
IDENTITY = np.eye(3)[None]
NO_LIST = FaintLimits(0.0, 8)


@lru_cache(maxsize=1)
def projections(stack: Path) -> tuple[Array, Array]:
    """Images less the mean of their edge, and their rotations."""
    with h5py.File(stack) as file:
        group = file["MDF/images"]
        members = [group[str(i)] for i in range(int(group.attrs["imageid_max"][0]) + 1)]
        images = np.array([member["image"][:] for member in members])
        matrices = [member.attrs["EMAN.xform.projection"][0] for member in members]
    rotation = [[[m[f"{r}{c}"] for c in range(3)] for r in range(3)] for m in matrices]
    lines = images[:, 0], images[:, -1], images[:, :, 0], images[:, :, -1]
    edge = sum(line.sum(axis=1) for line in lines) / (4 * BOX)
    return images - edge[:, None, None], np.array(rotation, np.float64)


def map_of(file: Path) -> Array:
    with h5py.File(file) as stored:
        return stored["MDF/images/0/image"][:].astype(np.float64)


def made_map(
    golden: Path,
    mode: InsertionMode | None,
    padded: int,
    compat: Compat,
    operators: Array = IDENTITY,
) -> Array:
    """The map of proj.hdf in a mode, or, without one, in the iterative way."""
    images, rotation = projections(golden / "proj.hdf")
    if mode is not None:
        kernel = kernel_of(mode, padded, compat)
        mean, _ = mean_transform(slices_of(images, rotation, kernel), kernel, operators, None)
        return cropped(to_map(mean) * radial_correction(kernel))
    reference = None
    for number in range(PASSES):
        kernel = kernel_of(mode_of_pass(number), padded, compat)
        slices = slices_of(images, rotation, kernel)
        mean, weight = mean_transform(slices, kernel, operators, reference)
        if reference is not None:
            mean = with_reference(mean, weight, reference, kernel)
        volume = to_map(mean)
        spectrum = scipy.fft.rfftn(np.fft.ifftshift(edited(volume)))
        reference = np.fft.fftshift(spectrum, axes=(0, 1)).astype(np.complex64)
    return cropped(volume)


def kernel_of(mode: InsertionMode, padded: int, compat: Compat) -> InsertionKernel:
    return InsertionKernel(
        mode, Sizes((BOX,) * 2, (padded,) * 2, (padded,) * 3, (BOX,) * 3), compat
    )


def slices_of(images: Array, rotation: Array, kernel: InsertionKernel) -> Slices:
    p, n = kernel.sizes.padded[0], len(images)
    wide = np.zeros((n, p, p), np.float32)
    first = (p - BOX) // 2
    wide[:, first : first + BOX, first : first + BOX] = images
    transform = scipy.fft.rfft2(np.fft.ifftshift(wide, axes=(1, 2)))
    factor = np.sqrt((p + 2) / p) if kernel.compat.transform_factor else 1.0
    ones = np.ones((n, 1, 1), np.float32)
    return Slices(
        (factor * transform).astype(np.complex64), ones, rotation[:, None], np.ones(1, np.float32)
    )


def mean_transform(
    slices: Slices, kernel: InsertionKernel, operators: Array, reference: Array | None
) -> tuple[Array, Array]:
    backend, shape = NumbaInsertion(), kernel.sizes.half_volume
    split = split_group(operators, kernel)
    grid, out = backend.empty_grid(kernel), np.zeros((int(np.prod(shape)), 3), np.int64)
    backend.insert(slices, split.inserted, kernel, grid, reference)
    fits, _ = backend.flush(grid, kernel, FixedPoint(SCALE, 2.0**62, NO_LIST), out)
    assert fits
    sums = sum_over_lattice(_completed(out.reshape(*shape, 3)), split.lattice)
    weight = sums[..., 2] / SCALE[1]
    signal = (sums[..., 0] + 1j * sums[..., 1]) / SCALE[0]
    return np.divide(signal, weight, out=np.zeros_like(signal), where=weight != 0.0), weight


def _completed(sums: Array) -> Array:
    z, y = (-np.arange(n) % n for n in sums.shape[:2])
    for x in (0, -1):
        sums[:, :, x] += sums[z][:, y, x] * np.array([1, -1, 1])
    return sums


def to_map(mean: Array) -> Array:
    return np.fft.fftshift(
        scipy.fft.irfftn(np.fft.ifftshift(mean, axes=(0, 1)), s=(len(mean),) * 3)
    )


def cropped(volume: Array) -> Array:
    inner = slice((len(volume) - BOX) // 2, (len(volume) + BOX) // 2)
    return volume[inner, inner, inner]


def inside(radius: int = 28) -> Array:
    square = (np.arange(BOX) - BOX // 2) ** 2
    return square[:, None, None] + square[:, None] + square <= radius**2


def relative_rms(made: Array, golden: Array) -> float:
    where = inside()
    return float(np.sqrt(np.sum((made - golden)[where] ** 2) / np.sum(golden[where] ** 2)))


def correlation(a: Array, b: Array) -> float:
    return float(np.corrcoef(a[inside()], b[inside()])[0, 1])
