"""The CTF of small images, against images cut out of large ones."""

from dataclasses import replace

import numpy as np
import pytest
from numpy import ndarray as Array

from halfmap.model.ctf import CtfOptions, contrast_transfer
from halfmap.model.optics import Defocus, Optics
from halfmap.model.padded_ctf import image_ctf

BOX, LARGE = 48, 48 * 6
GROUP = Optics("og", 300.0, 2.7, 0.1, 3.0, BOX)
DEFOCUS = Defocus(*(np.array([x]) for x in (40_000.0, 37_000.0, 25.0, 0.0, 0.0, 1.0)))
"""Spreads a point over λ Δf s = 130 Å at Nyquist, in a box of 144 Å."""
PADDED = CtfOptions(padded=True)


def half_plane(box: int) -> tuple[Array, Array]:
    k = np.fft.fftfreq(box, 1 / box).astype(int)
    ky, kx = np.meshgrid(k, np.arange(box // 2 + 1), indexing="ij")
    return ky, kx


def particle(box: int) -> Array:
    """A few points, blurred so that hardly anything reaches Nyquist, within 24 Å of the centre."""
    axis = np.arange(box) - box // 2
    y, x = np.meshgrid(axis, axis, indexing="ij")
    found = np.zeros((box, box))
    for cx, cy, height in ((2, 3, 1.0), (-4, 1, 0.7), (1, -5, 1.3)):
        found += height * np.exp(-((x - cx) ** 2 + (y - cy) ** 2) / (2.0 * 1.1**2))
    return found


def through(transfer: Array, image: Array) -> Array:
    box = len(image)
    return np.fft.irfft2(np.fft.rfft2(image) * transfer, s=(box, box))


def cut_out() -> Array:
    """What a micrograph shows in the box of the image: nothing comes in from anywhere."""
    ky, kx = half_plane(LARGE)
    wide = contrast_transfer(kx, ky, DEFOCUS, replace(GROUP, box=LARGE))[0]
    first = (LARGE - BOX) // 2
    return through(wide, particle(LARGE))[first : first + BOX, first : first + BOX]


def model(options: CtfOptions) -> Array:
    ky, kx = half_plane(BOX)
    transfer = image_ctf(kx.ravel(), ky.ravel(), DEFOCUS, GROUP, options)
    return through(transfer.reshape(kx.shape), particle(BOX))


def test_the_model_of_a_small_image_agrees_with_what_was_cut_out_near_the_particle() -> None:
    axis = np.arange(BOX) - BOX // 2
    # Half the box, less the 8 px that the particle reaches from the centre.
    near = np.hypot(axis[:, None], axis) < BOX / 2 - 8
    truth = cut_out()

    padded, plain = (np.abs(model(o) - truth)[near].max() for o in (PADDED, CtfOptions()))

    assert padded < 2e-3 * np.abs(truth).max()
    assert plain > 10 * padded


def test_in_a_large_box_padding_changes_little() -> None:
    large = replace(GROUP, box=192)
    weak = replace(DEFOCUS, u_A=np.array([6000.0]), v_A=np.array([5500.0]))
    kx, ky = np.array([0, 3, 10, 25, 4]), np.array([0, 5, -8, 3, 30])

    found = image_ctf(kx, ky, weak, large, PADDED)

    # The cut through the rim of the image of a point leaves ripples of this size.
    np.testing.assert_allclose(found, contrast_transfer(kx, ky, weak, large), atol=0.02)


def test_without_the_option_the_ctf_is_the_plain_one() -> None:
    ky, kx = half_plane(BOX)

    found = image_ctf(kx.ravel(), ky.ravel(), DEFOCUS, GROUP, CtfOptions())

    np.testing.assert_array_equal(found[0], contrast_transfer(kx, ky, DEFOCUS, GROUP)[0].ravel())


@pytest.mark.parametrize("premultiplied", [False, True])
def test_an_image_does_not_depend_on_the_others(premultiplied: bool) -> None:
    group = replace(GROUP, ctf_premultiplied=premultiplied)
    kx, ky = np.array([0, 3, 10]), np.array([0, 5, -8])
    names = ("u_A", "v_A", "angle_deg", "phase_shift_deg", "b_factor_A2", "scale")
    both = Defocus(*(np.concatenate([getattr(DEFOCUS, n), getattr(DEFOCUS, n)]) for n in names))
    both.u_A[0] = 9_000.0

    found = image_ctf(kx, ky, both, group, PADDED)

    np.testing.assert_array_equal(found[1], image_ctf(kx, ky, DEFOCUS, group, PADDED)[0])
