"""Fourier transforms between a map and a sphere of its zero-padded transform.

Most of the padded box is zero on one side, and most of its transform is unwanted on the
other. So each axis is transformed in its turn, only where something is and only as far as
wanted; the padded box itself never exists. The sphere comes in slabs of constant x.

A map has as many planes as its box is wide, or one: along an axis of one plane there is nothing
to transform, and its only frequency is zero.

Frequencies are those of the padded box, stored as ``[z + half, y + half, x]``, x >= 0. The
phase origin is the centre of the map, pixel ``box // 2``.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import scipy.fft
from jaxtyping import Complex128, Float, Int
from numpy import ndarray as Array

from halfmap.model.fourier import round_half_away

SLAB_BYTES = 2**21
"""Working memory of one slab: larger ones leave the cache and are slower."""
BLOCK_BYTES = 2**25
"""Working memory of who transforms a block of x frequencies back."""
MOST_X = 8
"""Frequencies of a block: more would leave nothing for others to do."""


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


@dataclass(frozen=True, slots=True)
class CroppedForward:
    """The way from a map, zero-padded, to frequency ``half`` along each axis, in pieces.

    First every plane of the map (`fill_plane`), then every block of `blocks` (`columns`).
    """

    half: int
    """Largest frequency wanted; what lies beyond Nyquist is zero."""
    shape: tuple[int, int]
    """Number of planes and size of the map, px."""
    padded: int
    """Size of the padded box, px."""

    @property
    def lines_shape(self) -> tuple[int, int, int]:
        """Shape of the complex lines along x."""
        depth, box = self.shape
        return depth, box, min(self.half, self.padded // 2) + 1

    @property
    def blocks(self) -> list[slice]:
        """The x frequencies of each piece."""
        return _x_blocks(self.lines_shape[2], self.shape[0], self.padded)

    @property
    def phase(self) -> tuple[Complex128[Array, " k"], Complex128[Array, " k"]]:
        """Factor on each frequency from -half on, along z and along y."""
        return _phases(self.half, self.shape, self.padded)

    def fill_plane(self, plane: Float[Array, "y x"], lines: Complex128[Array, "y x"]) -> None:
        """Transform a plane along x."""
        n_x = lines.shape[1]
        phase = _centring(np.arange(n_x), self.shape[1], self.padded)
        lines[:] = scipy.fft.rfft(plane, n=self.padded, axis=1)[:, :n_x] * phase

    def columns(
        self, x: slice, lines: Complex128[Array, "z y x"]
    ) -> Iterator[tuple[int, Complex128[Array, "z y x"]]]:
        """Transform some x frequencies along y and z, within the sphere of radius ``half``.

        Yields
        ------
        first
            The first y frequency.
        column
            ``[z, y, x]``, z being the frequency modulo the padded size, before `phase`.
        """
        depth = self.shape[0]
        half_done = scipy.fft.fft(lines[:, :, x], n=self.padded, axis=1)
        long = self.padded if depth > 1 else 1
        every = _rim(self.half, x.start, self.padded // 2)
        for start, stop in ((-every, 0), (0, every + 1)):
            for part in slabs(stop - start, 16 * long * half_done.shape[2]):
                first = (start + part.start) % self.padded
                column = half_done[:, first : first + part.stop - part.start]
                if depth > 1:
                    column = scipy.fft.fft(column, n=self.padded, axis=0)
                yield start + part.start, column


def _rim(half: int, x: int, nyquist: int) -> int:
    """Return the largest y frequency within a sphere, and not beyond Nyquist."""
    return min(math.isqrt(max(0, half**2 - x**2)), nyquist)


def _x_blocks(n_x: int, depth: int, padded: int) -> list[slice]:
    step = min(MOST_X, max(1, BLOCK_BYTES // (16 * depth * padded)))
    return [slice(first, min(first + step, n_x)) for first in range(0, n_x, step)]


def _phases(
    half: int, shape: tuple[int, int], padded: int
) -> tuple[Complex128[Array, " k"], Complex128[Array, " k"]]:
    """Return the centring along z and along y, of frequencies from -half on."""
    phase_y = _centring(np.arange(-half, half + 1), shape[1], padded)
    return phase_y if shape[0] > 1 else np.ones(1, np.complex128), phase_y


class Columns(Protocol):
    """Gives some columns of a transform, ready to be transformed back along z."""

    def __call__(
        self,
        block: tuple[int, int],
        phase: tuple[Complex128[Array, " k"], Complex128[Array, " k"]],
        out: Complex128[Array, "z y x"],
    ) -> None:
        """Fill ``out``.

        Parameters
        ----------
        block
            First x and first y of the columns, frequencies.
        phase
            Factor on each frequency from -half on, along z and along y.
        out
            ``[z, y, x]``, z being the frequency modulo the padded size, Nyquist once; zero where
            nothing is.
        """


@dataclass(frozen=True, slots=True)
class CroppedInverse:
    """The way back to the central ``box`` of the padded box, in pieces that anyone may do.

    First every block of `blocks` (`fill_lines`), then every plane of the map (`to_plane`).
    """

    half: int
    """Largest frequency along each axis; what lies beyond Nyquist is ignored."""
    shape: tuple[int, int]
    """Number of planes and size of the map, px."""
    padded: int
    """Size of the padded box, px."""

    @property
    def lines_shape(self) -> tuple[int, int, int]:
        """Shape of the complex lines along x, in whose memory the planes will be."""
        depth, box = self.shape
        return depth, box, max(self.half, box // 2) + 1

    @property
    def blocks(self) -> list[slice]:
        """The x frequencies of each piece."""
        return _x_blocks(self._n_x, self.shape[0], self.padded)

    @property
    def lines_bytes(self) -> int:
        """Memory of the lines."""
        depth, box, length = self.lines_shape
        return 16 * depth * box * length

    @property
    def block_bytes(self) -> int:
        """Memory of who transforms a block, about."""
        first = self.blocks[0]
        return int(first.stop - first.start) * self._plane_bytes + 2 * SLAB_BYTES

    @property
    def _plane_bytes(self) -> int:
        return 16 * self.shape[0] * self.padded

    def fill_lines(self, columns: Columns, x: slice, lines: Complex128[Array, "z y x"]) -> None:
        """Transform some x frequencies along z and y."""
        depth, box = self.shape
        n, long = x.stop - x.start, self.padded if depth > 1 else 1
        phase_z, phase_y = _phases(self.half, self.shape, self.padded)
        phase = phase_z.conj(), phase_y.conj()
        half_done = np.zeros((depth, self.padded, n), np.complex128)
        for y in self._y_blocks(x.start, 16 * long * n):
            column = np.empty((long, y.stop - y.start, n), np.complex128)
            columns((x.start, y.start), phase, column)
            if depth > 1:
                column = scipy.fft.ifft(column, axis=0, norm="forward", overwrite_x=True)[:box]
            first = y.start % self.padded
            half_done[:, first : first + y.stop - y.start] = column
        done = scipy.fft.ifft(half_done, axis=1, norm="forward", overwrite_x=True)
        lines[:, :, x] = done[:, :box]

    def to_plane(self, lines: Complex128[Array, "y x"]) -> Float[Array, "y x"]:
        """Transform the lines of a plane along x; the plane is in their memory.

        It is the sum over frequencies of F * exp(+2πi k·(r - centre) / padded), not divided by
        anything.
        """
        box = self.shape[1]
        phase = _centring(np.arange(self._n_x), box, self.padded).conj()
        turned = lines[:, : self._n_x] * phase
        plane = lines.view(np.float64)[:, :box]
        plane[:] = scipy.fft.irfft(turned, n=self.padded, axis=1, norm="forward")[:, :box]
        return np.asarray(plane)

    @property
    def _n_x(self) -> int:
        return min(self.half, self.padded // 2) + 1

    def _y_blocks(self, x: int, row_bytes: int) -> Iterator[slice]:
        """Yield the y frequencies within the sphere, negative ones apart: they are stored last."""
        last = _rim(self.half, x, self.padded // 2)
        first = -_rim(self.half, x, (self.padded - 1) // 2)  # Nyquist once
        for start, stop in ((first, 0), (0, last + 1)):
            for part in slabs(stop - start, row_bytes):
                yield slice(start + part.start, start + part.stop)


def _centring(k: Int[Array, " k"], box: int, padded: int) -> Complex128[Array, " k"]:
    """Phase that moves the origin from the first pixel of the map to its centre."""
    turns = (k * (box // 2) % padded) / padded
    return np.asarray(np.exp(2j * np.pi * turns))
