"""Fourier transforms between a map and a sphere of its zero-padded transform.

Most of the padded box is zero on one side, and most of its transform is unwanted on the
other. So each axis is transformed in its turn, only where something is and only as far as
wanted; the padded box itself never exists. The sphere comes in slabs of constant x.

A map has as many planes as its box is wide, or one: along an axis of one plane there is nothing
to transform, and its only frequency is zero.

Frequencies are those of the padded box, stored as ``[z + half, y + half, x]``, x >= 0. The
phase origin is the centre of the map, pixel ``box // 2``.
"""

from collections.abc import Callable, Iterable, Iterator

import numpy as np
import scipy.fft
from jaxtyping import Complex, Complex128, Float, Int
from numpy import ndarray as Array

from halfmap.model.fourier import round_half_away

SLAB_BYTES = 2**21
"""Working memory of one slab: larger ones leave the cache and are slower."""


def padded_box(box: int, padding: float) -> int:
    """Return the even size of the padded box, ROUND(padding * box) or one more.

    >>> padded_box(64, 2.0), padded_box(64, 1.01)
    (128, 66)
    """
    size = round_half_away(padding * box)
    return size + size % 2


def slabs(n_planes: int, plane_bytes: int) -> Iterator[slice]:
    """Cut an axis into consecutive pieces of about `SLAB_BYTES`."""
    step = max(1, SLAB_BYTES // plane_bytes)
    for start in range(0, n_planes, step):
        yield slice(start, min(start + step, n_planes))


def forward_slabs(
    planes: Iterable[Float[Array, "y x"]], shape: tuple[int, int], padded: int, half: int
) -> Iterator[tuple[slice, Complex128[Array, "z y slab"]]]:
    """Transform a map, zero-padded, up to frequency ``half`` along each axis.

    Parameters
    ----------
    planes
        The map, one z plane after the other.
    shape
        Number of planes and size of the map, px.
    padded
        Size of the padded box, px.
    half
        Largest frequency wanted; what lies beyond Nyquist is zero.

    Yields
    ------
    where
        The x frequencies of the slab.
    values
        ``[z + half, y + half, x]``, the sum over the map of f * exp(-2πi k·(r - centre) / padded),
        not divided by the number of voxels.
    """
    depth, box = shape
    lines = np.zeros((depth, box, half + 1), np.complex128)
    n_x = min(half, padded // 2) + 1
    for z, plane in enumerate(planes):
        lines[z, :, :n_x] = scipy.fft.rfft(plane, n=padded, axis=1)[:, :n_x]
    kept = np.arange(-half, half + 1)
    kept = kept[np.abs(kept) <= padded // 2]
    phase = _centring(kept, box, padded)
    phase_x = _centring(np.arange(half + 1), box, padded)
    rows = kept + half
    for where in slabs(half + 1, 16 * padded * (2 * half + 1)):
        slab = scipy.fft.fft(lines[:, :, where] * phase_x[where], n=padded, axis=1)
        slab = slab[:, kept % padded] * phase[:, None]
        if depth > 1:
            slab = scipy.fft.fft(slab, n=padded, axis=0)[kept % padded] * phase[:, None, None]
        rows_z = rows if depth > 1 else np.zeros(1, np.int64)
        n_z = 2 * half + 1 if depth > 1 else 1
        values = np.zeros((n_z, 2 * half + 1, slab.shape[2]), np.complex128)
        values[np.ix_(rows_z, rows)] = slab
        yield where, values


def inverse_cropped(
    slab_of: Callable[[slice], Complex[Array, "z y slab"]],
    half: int,
    shape: tuple[int, int],
    padded: int,
) -> Float[Array, "z y x"]:
    """Transform back to the central ``box`` of the padded box.

    Parameters
    ----------
    slab_of
        Returns the values of some x frequencies, laid out as in `forward_slabs`.
    half
        Largest frequency along each axis; what lies beyond Nyquist is ignored.
    shape
        Number of planes and size of the map, px.
    padded
        Size of the padded box, px.

    Returns
    -------
    map
        The sum over frequencies of F * exp(+2πi k·(r - centre) / padded); not divided by anything.
        In the memory of the lines that its planes were made from.
    """
    depth, box = shape
    lines = np.empty((depth, box, max(half, box // 2) + 1), np.complex128)
    kept = np.arange(-half, half + 1)
    kept = kept[(-padded < 2 * kept) & (2 * kept <= padded)]  # Nyquist once
    phase = _centring(kept, box, padded).conj()
    rows = kept + half
    for where in slabs(half + 1, 16 * padded * (2 * half + 1)):
        slab = slab_of(where)[:, rows] * phase[:, None]
        if depth > 1:
            slab = _inverse(slab[rows] * phase[:, None, None], kept, padded, 0)[:box]
        lines[:, :, where] = _inverse(slab, kept, padded, 1)[:, :box]
    n_x = min(half, padded // 2) + 1
    phase_x = _centring(np.arange(n_x), box, padded).conj()
    for plane in lines:
        whole = scipy.fft.irfft(plane[:, :n_x] * phase_x, n=padded, axis=1, norm="forward")
        plane.view(np.float64)[:, :box] = whole[:, :box]
    return np.asarray(lines.view(np.float64)[:, :, :box])


def _centring(k: Int[Array, " k"], box: int, padded: int) -> Complex128[Array, " k"]:
    """Phase that moves the origin from the first pixel of the map to its centre."""
    turns = (k * (box // 2) % padded) / padded
    return np.asarray(np.exp(2j * np.pi * turns))


def _inverse(
    slab: Complex128[Array, "..."], kept: Int[Array, " k"], padded: int, axis: int
) -> Complex128[Array, "..."]:
    """Inverse transform along one axis, given its frequencies ``kept``; the rest are zero."""
    shape = list(slab.shape)
    shape[axis] = padded
    full = np.zeros(shape, np.complex128)
    np.moveaxis(full, axis, 0)[kept % padded] = np.moveaxis(slab, axis, 0)
    return np.asarray(scipy.fft.ifft(full, axis=axis, norm="forward", overwrite_x=True))
