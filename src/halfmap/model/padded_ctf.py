"""The CTF of images that are too small for it.

Defocus spreads every point of a particle over a disc of radius λ Δf s. Of an image cut out of a
micrograph that disc shows what fell inside; the rest is gone. But a CTF that is sampled at the
frequencies of the image's own box describes a disc that comes in again at the opposite
edge: where it oscillates faster than the sampling, it is aliased.

Here the CTF is computed at the frequencies of a box so many times larger that nothing comes in
again, transformed to real space (the image of a point), cut to the image's box, and transformed
back. Within the box, less the radius of the particle, the model then agrees with the cut-out image;
with a box of twice the particle's diameter that is all that its mask leaves.
"""

from dataclasses import replace

import numpy as np
import scipy.fft
from jaxtyping import Float, Int
from numpy import ndarray as Array

from halfmap.model.ctf import CtfOptions, contrast_transfer, electron_wavelength_A
from halfmap.model.fourier import frequencies_2d
from halfmap.model.optics import Defocus, Optics

LEAST_PADDING = 2
AT_ONCE = 8
"""Images whose padded CTFs are held at a time."""
LARGEST_PADDING = 8
"""The image of a point is then cut off where it is 7.5 boxes wide: hardly any contrast is left."""


def image_ctf(
    kx: Int[Array, " pixel"],
    ky: Int[Array, " pixel"],
    defocus: Defocus,
    optics: Optics,
    ctf_options: CtfOptions,
) -> Float[Array, "image pixel"]:
    """Return the CTF of images at some pixels, computed in a larger box if the options say so.

    Parameters
    ----------
    kx, ky
        Frequencies in pixels of the image's box.
    defocus, optics, ctf_options
        As for `contrast_transfer`.
    """
    if not ctf_options.padded or optics.ctf_corrected:
        return contrast_transfer(kx, ky, defocus, optics, ctf_options)
    box = optics.box
    found = np.empty((len(defocus.u_A), *kx.shape))
    padding = _paddings(defocus, optics)
    near = np.arange(-(box // 2), box // 2)
    for times in np.unique(padding).tolist():
        large = replace(optics, box=box * times)
        all_ky, all_kx = frequencies_2d(large.box)
        own = np.flatnonzero(padding == times)
        for some in np.array_split(own, -(-len(own) // AT_ONCE)):
            whole = contrast_transfer(all_kx, all_ky, defocus[some], large, ctf_options)
            of_point = scipy.fft.irfft2(whole, s=(large.box, large.box), overwrite_x=True)
            cut = scipy.fft.ifftshift(of_point[:, near[:, None], near], axes=(1, 2))
            found[some] = scipy.fft.rfft2(cut)[:, ky % box, kx].real
    return found


def _paddings(defocus: Defocus, optics: Optics) -> Int[Array, " image"]:
    """Return how many times the box has to be repeated for the image of a point not to come back.

    Its copies stand a padded box apart: none may reach into the half of the image's box.
    """
    wavelength_A = electron_wavelength_A(optics.voltage_kV)
    highest_per_A = 0.5 / optics.pixel_size_A
    largest_A = np.maximum(np.abs(defocus.u_A), np.abs(defocus.v_A))
    spread_A = largest_A * wavelength_A * highest_per_A
    spread_A += optics.spherical_aberration_mm * 1e7 * wavelength_A**3 * highest_per_A**3
    boxes = spread_A / (optics.box * optics.pixel_size_A)
    times = np.clip(np.ceil(boxes + 0.5), LEAST_PADDING, LARGEST_PADDING)
    return np.asarray(times.astype(np.int64))
