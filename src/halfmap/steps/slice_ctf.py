"""The CTF of slices: what multiplies them, and what they weigh for it."""

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Complex64, Float32, Int
from numpy import ndarray as Array

from halfmap.model.ctf import contrast_transfer, odd_factor
from halfmap.model.optics import Defocus, Optics

LEAST_SHARE = 1e-3
"""A weight is at least this share of the mean of its shell."""


@dataclass(frozen=True, slots=True)
class SliceCtf:
    """What is known of the CTF of all images of a source."""

    optics: tuple[Optics, ...]
    group: Int[Array, " image"]
    """Index into ``optics``."""
    defocus: Defocus

    def correct(
        self, transforms: Complex64[Array, "slice y x"], rows: Int[Array, " slice"]
    ) -> Float32[Array, "slice y x"]:
        """Multiply transforms of padded images by their CTF, in place, and return its square.

        Images that are premultiplied by their CTF stay; odd aberrations are undone.
        """
        p_y, p_x = transforms.shape[1], 2 * (transforms.shape[2] - 1)
        ky = np.rint(np.fft.fftfreq(p_y, 1.0 / p_y)).astype(np.int64)[:, None]
        kx = np.arange(p_x // 2 + 1)
        ky, kx = np.broadcast_arrays(ky, kx)
        weights = np.ones(transforms.shape, np.float32)
        for group in np.unique(self.group[rows]):
            own = np.flatnonzero(self.group[rows] == group)
            optics = replace(self.optics[group], box=p_y)
            transforms[own] *= odd_factor(kx, ky, optics).conj().astype(np.complex64)
            if optics.ctf_corrected:
                continue
            ctf = contrast_transfer(kx, ky, self.defocus[rows[own]], optics).astype(np.float32)
            if optics.ctf_premultiplied:  # the CTF is squared already
                weights[own] = ctf
            else:
                transforms[own] *= ctf
                weights[own] = ctf * ctf
        return weights


def with_least_weight(
    weight: Float32[Array, "z y x"], shell: Int[Array, "z y x"]
) -> Float32[Array, "z y x"]:
    """Raise weights that are small for their shell: next to zeros of the CTF all is noise."""
    n = np.bincount(shell.ravel())
    total = np.bincount(shell.ravel(), weight.ravel().astype(np.float64))
    least = (LEAST_SHARE * total / np.maximum(n, 1)).astype(np.float32)
    return np.asarray(np.maximum(weight, least[shell]))
