"""Phases of a misaligned microscope, against formulas written out and derivatives."""

import numpy as np
import pytest

from halfmap.model.aberrations import (
    Aberrations,
    even_order,
    even_phase,
    odd_order,
    odd_phase,
    zernike,
)
from halfmap.model.ctf import contrast_transfer, electron_wavelength_A, odd_factor
from halfmap.model.optics import Defocus, Optics

LENS = (2.7, electron_wavelength_A(300.0))
RNG = np.random.default_rng(6)
UX, UY = RNG.uniform(-0.4, 0.4, (2, 50))

# Standard polynomials as tables have them, in x and y.
ODD = [
    lambda x, y: y + 0 * x,
    lambda x, y: x + 0 * y,
    lambda x, y: 3 * x**2 * y - y**3,
    lambda x, y: 3 * y * (x**2 + y**2) - 2 * y,
    lambda x, y: 3 * x * (x**2 + y**2) - 2 * x,
    lambda x, y: x**3 - 3 * x * y**2,
]
EVEN = [
    lambda x, y: 1 + 0 * x * y,
    lambda x, y: 2 * x * y,
    lambda x, y: 2 * (x**2 + y**2) - 1,
    lambda x, y: x**2 - y**2,
    lambda x, y: 4 * x**3 * y - 4 * x * y**3,
    lambda x, y: (4 * (x**2 + y**2) - 3) * 2 * x * y,
    lambda x, y: 6 * (x**2 + y**2) ** 2 - 6 * (x**2 + y**2) + 1,
    lambda x, y: (4 * (x**2 + y**2) - 3) * (x**2 - y**2),
    lambda x, y: x**4 - 6 * x**2 * y**2 + y**4,
]


@pytest.mark.parametrize("i", range(6))
def test_odd_polynomials_in_relions_order(i: int) -> None:
    np.testing.assert_allclose(zernike(odd_order(i), UX, UY), ODD[i](UX, UY), atol=1e-14)


@pytest.mark.parametrize("i", range(9))
def test_even_polynomials_in_relions_order(i: int) -> None:
    np.testing.assert_allclose(zernike(even_order(i), UX, UY), EVEN[i](UX, UY), atol=1e-14)


def test_coefficients_are_summed_and_reverse_with_their_parity() -> None:
    both = Aberrations(odd=(0.3, -1.0, 2.0, 0.5, 0.0, 7.0), even=(1.0, 2.0, 0.0, -3.0, 20.0))
    odd = sum(c * z(UX, UY) for c, z in zip(both.odd, ODD, strict=True))
    even = sum(c * z(UX, UY) for c, z in zip(both.even, EVEN, strict=False))

    np.testing.assert_allclose(odd_phase(both, LENS, UX, UY), odd, atol=1e-12)
    np.testing.assert_allclose(even_phase(both, UX, UY), even, atol=1e-12)
    np.testing.assert_allclose(odd_phase(both, LENS, -UX, -UY), -odd, atol=1e-12)
    np.testing.assert_allclose(even_phase(both, -UX, -UY), even, atol=1e-12)


def test_a_beam_tilt_is_the_coma_of_relions_zernikes() -> None:
    tilt = (1.3, -0.6)
    step = -LENS[0] * 20_000.0 * LENS[1] ** 2 * np.pi / 3.0
    zx, zy = step * tilt[0], step * tilt[1]
    folded = Aberrations(odd=(2 * zy, 2 * zx, 0.0, zy, zx))

    found = odd_phase(Aberrations(beam_tilt_mrad=tilt), LENS, UX, UY)

    np.testing.assert_allclose(found, odd_phase(folded, LENS, UX, UY), atol=1e-12)
    net = 3.0 * step * (tilt[0] * UX + tilt[1] * UY) * (UX**2 + UY**2)
    np.testing.assert_allclose(found, net, atol=1e-12)


def test_a_beam_tilt_is_the_change_of_the_phase_of_the_spherical_aberration() -> None:
    """Tilting the beam by t moves the origin of chi by t / λ: to first order, the odd phase."""
    aberration_A, wavelength_A = LENS[0] * 1e7, LENS[1]

    def chi(ux: float, uy: float) -> float:
        return 0.5 * np.pi * aberration_A * wavelength_A**3 * (ux**2 + uy**2) ** 2

    tilt, u, h = np.array([0.8, -0.3]), np.array([0.21, 0.13]), 1e-6
    gradient = [(chi(*(u + h * axis)) - chi(*(u - h * axis))) / (2.0 * h) for axis in np.eye(2)]
    expected = -np.dot(tilt * 1e-3, gradient) / wavelength_A

    found = odd_phase(Aberrations(beam_tilt_mrad=(0.8, -0.3)), LENS, *u[:, None])

    np.testing.assert_allclose(found, expected, rtol=1e-6)


def group(**changes: object) -> Optics:
    return Optics("og", 300.0, 2.7, 0.1, 1.5, 64, **changes)  # type: ignore[arg-type]


def defocus(phase_deg: float = 0.0) -> Defocus:
    one = np.ones(1)
    return Defocus(15_000 * one, 14_000 * one, 25 * one, phase_deg * one, 0 * one, one)


KX, KY = np.array([0, 5, 0, 10, 20, 32, 3]), np.array([0, 0, 5, -7, 13, 0, -30])


def test_an_even_phase_adds_to_that_of_the_ctf() -> None:
    constant = group(aberrations=Aberrations(even=(np.radians(30.0),)))

    found = contrast_transfer(KX, KY, defocus(), constant)

    # A phase plate subtracts.
    np.testing.assert_allclose(found, contrast_transfer(KX, KY, defocus(-30.0), group()))


def test_an_even_polynomial_of_order_four_is_a_spherical_aberration() -> None:
    wavelength_A = electron_wavelength_A(300.0)
    more = 0.5 * np.pi * 0.4e7 * wavelength_A**3
    # 6 u⁴ - 6 u² + 1, with u² and 1 taken away again.
    even = (2.0 * more / 6.0, 0.0, more / 2.0, 0.0, 0.0, 0.0, more / 6.0)
    with_zernike = group(aberrations=Aberrations(even=even))

    found = contrast_transfer(KX, KY, defocus(), with_zernike)

    stronger = Optics("og", 300.0, 3.1, 0.1, 1.5, 64)
    np.testing.assert_allclose(found, contrast_transfer(KX, KY, defocus(), stronger), atol=1e-9)


def test_a_magnified_image_has_the_ctf_of_the_frequency_in_the_object() -> None:
    stretched = group(magnification=(1.5, 0.5, -0.25, 1.25), aberrations=Aberrations((1.0, 2.0)))
    kx, ky = np.array([4, -8]), np.array([8, 4])
    there = np.array([1.5 * kx + 0.5 * ky, -0.25 * kx + 1.25 * ky]).astype(int)

    np.testing.assert_allclose(
        contrast_transfer(kx, ky, defocus(), stretched),
        contrast_transfer(*there, defocus(), group()),
    )
    tilted = group(aberrations=Aberrations((1.0, 2.0)))
    np.testing.assert_allclose(odd_factor(kx, ky, stretched), odd_factor(*there, tilted))


def test_corrected_images_have_no_ctf() -> None:
    assert np.all(contrast_transfer(KX, KY, defocus(), group(ctf_corrected=True)) == 1.0)
