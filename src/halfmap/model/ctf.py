"""Contrast transfer function (CTF) of a phase-contrast electron microscope.

Conventions, fixed here and pinned by ``tests/unit/test_ctf.py``:

* defocus is positive for underfocus;
* the CTF at zero frequency is *plus* the amplitude contrast: particles are white on black;
* angles are counted from the x axis towards the y axis.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Complex128, Float, Int
from numpy import ndarray as Array

from halfmap.errors import DataError
from halfmap.model.aberrations import even_phase, odd_phase
from halfmap.model.optics import Defocus, Optics

SMALLEST_CTF = 1e-8
"""Closer to zero than this, the CTF is moved to it, keeping its sign: dividing stays possible."""


@dataclass(frozen=True, slots=True)
class CtfOptions:
    """How the CTF is altered to describe what was done to the images."""

    intact_first_peak: bool = False
    """One up to the first peak: low frequencies were not corrected."""
    phase_flipped: bool = False
    """The images are phase-flipped already: the absolute value is left."""
    only_flip_phases: bool = False
    """Only the sign is left."""
    padded: bool = False
    """Computed in a larger box: see `halfmap.model.padded_ctf`."""


PLAIN_CTF = CtfOptions()


def electron_wavelength_A(voltage_kV: float) -> float:
    """Relativistic de Broglie wavelength of an electron, in ångström.

    >>> round(electron_wavelength_A(300.0), 8), round(electron_wavelength_A(200.0), 8)
    (0.01968762, 0.02507949)
    """
    volts = voltage_kV * 1e3
    return float(12.2643247 / np.sqrt(volts * (1.0 + 0.978466e-6 * volts)))


def contrast_transfer(
    kx: Int[Array, "..."],
    ky: Int[Array, "..."],
    defocus: Defocus,
    optics: Optics,
    ctf_options: CtfOptions = PLAIN_CTF,
) -> Float[Array, "image ..."]:
    r"""CTF of every image at every pixel of its transform.

    .. math::

        \mathrm{CTF} = -\sin\!\left(-\pi\lambda\,\Delta f(\theta)\,s^2
            + \tfrac{\pi}{2} C_s \lambda^3 s^4 - \varphi - \arcsin A + \chi \right)
            k\,e^{-B s^2/4}

    with :math:`\Delta f(\theta) = U\cos^2(\theta-\alpha) + V\sin^2(\theta-\alpha)` and
    :math:`\chi` the even aberrations. The frequency is that in the object: a magnification of the
    optics group is undone.

    Parameters
    ----------
    kx, ky
        Frequencies in pixels of the full box of the optics group.
    defocus
        Of each image.
    optics
        Microscope, box and pixel size. Premultiplied images get the square of the CTF, corrected
        ones 1.
    ctf_options
        What was done to the images, or is to be done.

    Returns
    -------
    ctf
        Dimensionless; never nearer to zero than 1e-8 (1e-16 when squared).

    Raises
    ------
    DataError
        If the amplitude contrast is not in [0, 1].

    References
    ----------
    Mindell & Grigorieff (2003), J. Struct. Biol. 142, 334-347.
    """
    if optics.ctf_corrected:
        return np.ones((len(defocus.u_A), *kx.shape))
    squared_frequency = _squared_frequency_per_A2(kx, ky, optics)
    gamma = _phase(kx, ky, defocus, optics)
    ctf = np.sin(gamma)
    np.negative(ctf, out=ctf)
    if ctf_options.intact_first_peak:
        ctf[np.abs(gamma) < np.pi / 2.0] = 1.0
    if defocus.b_factor_A2.any():
        ctf *= np.exp(-0.25 * np.multiply.outer(defocus.b_factor_A2, squared_frequency))
    if ctf_options.phase_flipped:
        np.abs(ctf, out=ctf)
    elif ctf_options.only_flip_phases:
        np.copysign(1.0, ctf, out=ctf)
    ctf *= _per_image(defocus.scale, kx.ndim)
    tiny = np.abs(ctf) < SMALLEST_CTF
    ctf[tiny] = np.copysign(SMALLEST_CTF, ctf[tiny])
    return np.asarray(ctf * ctf if optics.ctf_premultiplied else ctf)


def odd_factor(
    kx: Int[Array, "..."], ky: Int[Array, "..."], optics: Optics
) -> Complex128[Array, "..."]:
    """Return exp(iφ) of the odd aberrations: what they multiply the transforms of images with."""
    lens = optics.spherical_aberration_mm, electron_wavelength_A(optics.voltage_kV)
    return np.asarray(
        np.exp(1j * odd_phase(optics.aberrations, lens, *optics.frequency_per_A(kx, ky)))
    )


def _squared_frequency_per_A2(kx: Array, ky: Array, optics: Optics) -> Float[Array, "..."]:
    (a, b, c, d), box_A = optics.magnification, optics.box * optics.pixel_size_A
    return np.asarray(((a * kx + b * ky) ** 2 + (c * kx + d * ky) ** 2) / box_A**2)


def _phase(kx: Array, ky: Array, defocus: Defocus, optics: Optics) -> Float[Array, "image ..."]:
    """Return gamma, whose negative sine is the CTF.

    Everything that depends on the pixel only is computed once; each image then costs three
    multiply-adds a pixel.
    """
    ux, uy = optics.frequency_per_A(kx, ky)
    wavelength_A = electron_wavelength_A(optics.voltage_kV)
    spherical_aberration_A = optics.spherical_aberration_mm * 1e7
    s2 = _squared_frequency_per_A2(kx, ky, optics)
    common = 0.5 * np.pi * spherical_aberration_A * wavelength_A**3 * s2**2
    common += even_phase(optics.aberrations, ux, uy)

    mean = 0.5 * (defocus.u_A + defocus.v_A)
    half_difference = 0.5 * (defocus.u_A - defocus.v_A)
    azimuth = np.radians(2.0 * defocus.angle_deg)
    scale = -np.pi * wavelength_A
    gamma = np.multiply.outer(scale * mean, s2)
    gamma += np.multiply.outer(scale * half_difference * np.cos(azimuth), ux**2 - uy**2)
    gamma += np.multiply.outer(scale * half_difference * np.sin(azimuth), 2.0 * ux * uy)
    gamma += common
    constant = np.radians(defocus.phase_shift_deg) + _amplitude_phase(optics)
    gamma -= _per_image(constant, kx.ndim)
    return np.asarray(gamma)


def _amplitude_phase(optics: Optics) -> float:
    contrast = optics.amplitude_contrast
    if not 0.0 <= contrast <= 1.0:
        raise DataError(
            f"optics group {optics.name!r} has amplitude contrast {contrast:g}; "
            "expected a number in [0, 1]; correct rlnAmplitudeContrast"
        )
    return float(np.arcsin(contrast))


def _per_image(values: Float[Array, " image"], n_pixel_axes: int) -> Float[Array, "image ..."]:
    return values.reshape(-1, *(1,) * n_pixel_axes)
