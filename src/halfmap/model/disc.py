"""The Fourier pixels that the expectation looks at, as one list instead of a rectangle.

An image's transform is real-valued information stored once: of the half plane kx >= 0 the half
line kx = 0, ky < 0 repeats other pixels and is left out. Of a window of M pixels only the disc
|k| <= M/2 meets the reference. |k|² is compared in integers, so a pixel on the rim is always in.

Lists of complex values are stored as interleaved real and imaginary parts, padded with zeros
to a whole number of vector registers (`row_width`).

Windows are sizes in frequencies of the map. An image on another grid (`ImageGeometry`) has its own
pixels in them: those whose place in the map lies in the disc.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray as Array

from halfmap.model.fourier import frequencies_2d, shells_2d
from halfmap.model.geometry import ROUNDING, ImageGeometry

REGISTER_FLOATS = 16
"""Single-precision numbers in the widest vector register (64 bytes)."""


def row_width(n_pixels: int) -> int:
    """Return the number of floats that a list of ``n_pixels`` complex values takes, padded.

    >>> row_width(687)
    1376
    """
    return -(-2 * n_pixels // REGISTER_FLOATS) * REGISTER_FLOATS


@dataclass(frozen=True, slots=True)
class Disc:
    """Pixels of the fine window; those of the coarse window come first, and k = 0 is pixel 0."""

    size: int
    """Fine window of the image, px."""
    kx: Int[Array, " pixel"]
    ky: Int[Array, " pixel"]
    shell: Int[Array, " pixel"]
    """Of the map."""
    n_coarse: int
    """The first so many pixels are the coarse disc."""

    def __len__(self) -> int:
        return len(self.kx)

    @property
    def width(self) -> int:
        """Floats in a row of the fine list."""
        return row_width(len(self))

    @property
    def coarse_width(self) -> int:
        """Floats in a row of the coarse list."""
        return row_width(self.n_coarse)

    @property
    def power_width(self) -> int:
        """Floats in a row of one real number for each coarse pixel."""
        return row_width(-(-self.n_coarse // 2))


def make_disc(size: int, coarse_size: int, geometry: ImageGeometry | None = None) -> Disc:
    """List the pixels of a fine and a coarse window, each part row by row.

    Parameters
    ----------
    size, coarse_size
        Windows of the map, px, even.
    geometry
        Grid of the images; that of the map if not given.
    """
    geometry = geometry or ImageGeometry.plain(size, 1.0)
    window = geometry.window(size)
    ky, kx = (k.ravel() for k in frequencies_2d(window))
    square, in_model = kx**2 + ky**2, geometry.model_square(kx, ky) * (1.0 - ROUNDING)
    listed = (square <= (window // 2) ** 2) & (in_model <= (size // 2) ** 2)
    listed &= (kx > 0) | (ky >= 0)
    kx, ky, square, in_model = kx[listed], ky[listed], square[listed], in_model[listed]
    coarse = in_model <= (coarse_size // 2) ** 2
    order = np.lexsort((kx, ky, ~coarse, square > 0))
    kx, ky = kx[order], ky[order]
    # A magnified pixel may lie in the disc although its shell begins beyond.
    shell = np.minimum(geometry.model_shell(kx, ky), size // 2)
    return Disc(window, kx, ky, shell, int(coarse.sum()))


def plane_index(disc: Disc, box: int) -> Int[Array, " pixel"]:
    """Return where the pixels of a disc lie in the flattened transform of a ``box``."""
    return np.asarray((disc.ky % box) * (box // 2 + 1) + disc.kx)


def counted_shells(size: int, geometry: ImageGeometry) -> Int[Array, "row half"]:
    """Return the map's shell of each pixel of an image where its power is counted, or -1.

    Up to shell ``size / 2`` the pixels of the image's window count, which has no row
    ky = -window/2; beyond, all of the box up to its last shell. The half line kx = 0, ky < 0 never
    counts, nor do shells beyond the window if it is the whole box. All pixels beyond the map's last
    shell are in the next one.
    """
    box = geometry.box
    ky, kx = frequencies_2d(box)
    shell = geometry.model_shell(kx, ky)
    within = shell <= size // 2
    counted = (shells_2d(box) <= box // 2) & ((kx > 0) | (ky >= 0))
    counted &= ~within | (ky > -(geometry.window(size) // 2))
    return np.where(counted, np.minimum(shell, geometry.model_box // 2 + 1), -1)


def phase_ramps(disc: Disc, shifts_px: Float[Array, "shift 2"], box: int) -> Array:
    """Return the factors that shift an image: exp(-2πi k·t / box), interleaved and padded.

    Parameters
    ----------
    disc
        Pixels.
    shifts_px
        x, y.
    box
        Full box of the image: frequencies are in pixels of it.

    Returns
    -------
    ramps
        (shift, width) float32.
    """
    turns = np.multiply.outer(shifts_px[:, 0], disc.kx) + np.multiply.outer(
        shifts_px[:, 1], disc.ky
    )
    return interleaved(np.exp(-2j * np.pi * turns / box), disc.width)


def interleaved(values: Array, width: int) -> Array:
    """Store complex rows as single-precision re, im, re, im, ..., zeros behind."""
    rows = np.zeros((*values.shape[:-1], width), np.float32)
    n = values.shape[-1]
    rows[..., 0 : 2 * n : 2] = values.real
    rows[..., 1 : 2 * n : 2] = values.imag
    return np.asarray(rows)
