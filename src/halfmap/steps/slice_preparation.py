"""From images to what is inserted: edges, padding, moves, transforms, weights."""

from dataclasses import dataclass

import numpy as np
import scipy.fft
from jaxtyping import Complex64, Float, Float32
from numpy import ndarray as Array

from halfmap.kernels.insertion_protocol import Slices
from halfmap.model.filled_orientations import fill_offsets_deg, fill_weights, filled
from halfmap.model.insertion_kernel import InsertionKernel
from halfmap.model.slice_table import SliceTable
from halfmap.steps.processors.applied import UNPROCESSED, ImageProcessing
from halfmap.steps.slice_ctf import SliceCtf

Images = Float32[Array, "image y x"]
OF_COLUMN = 1e-3
"""Columns less than this short of a whole number are that number: orientations are rounded."""


@dataclass(frozen=True, slots=True)
class Preparation:
    """How slices are prepared."""

    kernel: InsertionKernel
    fill_deg: float = 0.0
    use_ssnr: bool = False
    process: ImageProcessing = UNPROCESSED
    """Done with images before they are padded."""
    ctf: SliceCtf | None = None
    """What images are corrected for."""
    zero_alt_edges: bool = False
    """Leave out the edges of tilted images that show what the untilted one does not."""


def prepared_slices(images: Images, table: SliceTable, how: Preparation) -> Slices:
    """Prepare some images, whose rows of the table these are."""
    sizes, compat = how.kernel.sizes, how.kernel.compat
    images = how.process(images - edge_means(images)[:, None, None], table.row.tolist())
    weight = table.weight * (images.std(axis=(1, 2)) > 0.0)
    if how.zero_alt_edges:
        images = images * within_alt_edges(table.rotation, images.shape[2], sizes.padded[0])
    if compat.bilinear_shift:
        images = moved_bilinearly(_framed(images, sizes.padded), table)
        transforms = padded_transforms(images, sizes.padded)
    else:
        transforms = padded_transforms(images, sizes.padded)
        move_by_phases(transforms, table, sizes.padded)
    if compat.transform_factor:
        x, y = sizes.padded
        transforms *= np.float32(np.sqrt((x + 2) / y))
    weights = weight.astype(np.float32)[:, None, None]
    if how.use_ssnr and table.ssnr is not None:
        weights = np.sign(weights) * ssnr_weights(table.ssnr, sizes.padded)
    transforms *= weights
    if how.ctf is not None:
        weights = weights * how.ctf.correct(transforms, table.row)
    offsets = fill_offsets_deg(how.fill_deg, max(sizes.padded))
    return Slices(
        signal=transforms,
        weight=weights,
        rotation=filled(table.rotation, offsets, compat),
        copy_weight=fill_weights(offsets, how.fill_deg).astype(np.float32),
    )


def edge_means(images: Images) -> Float32[Array, " image"]:
    """Return the mean of the first and last rows and columns; corners count twice."""
    edges = (images[:, 0], images[:, -1], images[:, :, 0], images[:, :, -1])
    total = sum(edge.sum(axis=1, dtype=np.float64) for edge in edges)
    return np.asarray(total / (2 * sum(images.shape[1:])), np.float32)


def within_alt_edges(
    rotation: Float[Array, "slice 3 3"], width: int, padded: int
) -> Float32[Array, "slice 1 width"]:
    """Return 1 for the columns of images that the untilted image shows too, 0 for the others.

    On either side of the padded image (1 - |cos alt|) / 2 of its columns are left out.
    """
    columns = padded * (1.0 - np.abs(rotation[:, 2, 2])) / 2.0
    left_out = (columns + OF_COLUMN).astype(np.int64)[:, None]
    column = np.arange(width) + padded // 2 - width // 2
    inside = (column >= left_out) & (column < padded - left_out)
    return np.asarray(inside, np.float32)[:, None]


def padded_transforms(images: Images, padded: tuple[int, int]) -> Complex64[Array, "image y x"]:
    """Transform images surrounded by zeros; their centre is the origin. Unnormalised.

    Rows of zeros are not transformed along x.
    """
    (p_x, p_y), (n_y, n_x) = padded, images.shape[1:]
    x = (np.arange(n_x) - n_x // 2) % p_x
    y = (np.arange(n_y) - n_y // 2) % p_y
    rows = np.zeros((len(images), n_y, p_x), np.float32)
    rows[:, :, x] = images
    out = np.zeros((len(images), p_y, p_x // 2 + 1), np.complex64)
    out[:, y] = scipy.fft.rfft(rows, axis=2)
    return np.asarray(scipy.fft.fft(out, axis=1, overwrite_x=True))


def move_by_phases(
    transforms: Complex64[Array, "image y x"], table: SliceTable, padded: tuple[int, int]
) -> None:
    """Move the content of images by the shifts of the table, then mirror some; in place."""
    p_x, p_y = padded
    fraction_y, fraction_x = np.fft.fftfreq(p_y), np.arange(p_x // 2 + 1) / p_x
    for image in np.flatnonzero(np.any(table.shift_px != 0.0, axis=1)):
        t_x, t_y = table.shift_px[image]
        ramp_y = np.exp(-2j * np.pi * t_y * fraction_y)
        ramp_x = np.exp(-2j * np.pi * t_x * fraction_x)
        transforms[image] *= (ramp_y[:, None] * ramp_x).astype(np.complex64)
    for image in np.flatnonzero(table.mirror):
        transforms[image] = transforms[image][-np.arange(p_y) % p_y].conj()


def _framed(images: Images, padded: tuple[int, int]) -> Images:
    """Surround images by zeros, centre on centre."""
    (p_x, p_y), (n_y, n_x) = padded, images.shape[1:]
    left, below = p_x // 2 - n_x // 2, p_y // 2 - n_y // 2
    right, above = p_x - n_x - left, p_y - n_y - below
    return np.pad(images, ((0, 0), (below, above), (left, right)))


def moved_bilinearly(images: Images, table: SliceTable) -> Images:
    """Move and mirror padded images by bilinear interpolation, zeros entering."""
    out = images.copy()
    for i in np.flatnonzero(np.any(table.shift_px != 0.0, axis=1)):
        for axis, shift in ((1, table.shift_px[i, 0]), (0, table.shift_px[i, 1])):
            out[i] = _moved_along(out[i], float(shift), axis)
    for i in np.flatnonzero(table.mirror):
        out[i, :, 1:] = out[i, :, :0:-1].copy()
        out[i, :, 0] = 0.0
    return out


def _moved_along(image: Float32[Array, "y x"], shift: float, axis: int) -> Float32[Array, "y x"]:
    whole = int(np.floor(shift))
    part = np.float32(shift - whole)
    near, far = (_moved_whole(image, step, axis) for step in (whole, whole + 1))
    return np.asarray((np.float32(1.0) - part) * near + part * far)


def _moved_whole(image: Float32[Array, "y x"], shift: int, axis: int) -> Float32[Array, "y x"]:
    out, n = np.zeros_like(image), image.shape[axis]
    if abs(shift) < n:
        to = [slice(None)] * 2
        origin = list(to)
        to[axis] = slice(max(shift, 0), n + min(shift, 0))
        origin[axis] = slice(max(-shift, 0), n - max(shift, 0))
        out[tuple(to)] = image[tuple(origin)]
    return out


def ssnr_weights(
    curves: tuple[Float[Array, " radius"], ...], padded: tuple[int, int]
) -> Float32[Array, "image y x"]:
    """Return the weight of each sample: the curve at its radius, of which the last is Nyquist."""
    p_x, p_y = padded
    radius = np.hypot(np.fft.fftfreq(p_y, 1.0 / p_y)[:, None], np.arange(p_x // 2 + 1))
    weights = np.empty((len(curves), *radius.shape), np.float32)
    for weight, curve in zip(weights, curves, strict=True):
        place = np.floor(radius * 2.0 * (len(curve) - 1) / p_y + 0.5).astype(np.int64)
        known = np.append(np.maximum(curve, 0.0), 0.0)
        weight[:] = known[np.minimum(place, len(curve))]
    return weights
