"""An image of a phantom through lens and detector becomes, prepared, what the map says.

The image is made pixel by pixel from formulas written out here: nothing of halfmap is in it.
"""

from dataclasses import replace
from typing import Any

import gaussian_phantom as phantom
import numpy as np
import pytest
import small_search as small
from numpy import ndarray as Array
from small_search import BOX, GLOBAL, PIXEL_A

from halfmap.kernels.registry import make_kernels
from halfmap.model.aberrations import Aberrations
from halfmap.model.ctf import PLAIN_CTF
from halfmap.model.detector import Detector
from halfmap.model.geometry import ImageGeometry
from halfmap.model.optics import Defocus, Optics
from halfmap.model.particles import Particles
from halfmap.model.rotations import euler_matrices
from halfmap.steps.batch import make_batch
from halfmap.steps.prepare_images import PreparedImages, prepare_images
from halfmap.steps.search import Search
from halfmap.steps.search_plan import SearchPlan, SearchRules

STRETCH = np.array([[1.03, 0.01], [-0.02, 0.96]])
TILT_MRAD = (4.0, -7.0)
OWN = Detector((0.0, 0.2), (1.0, 0.5))
OTHER = Detector((0.0, 0.2), (1.0, 0.9))
GROUP = Optics(
    "lens", 200.0, 2.0, 0.12, 3.2, 36,
    magnification=tuple(STRETCH.ravel()),
    aberrations=Aberrations(TILT_MRAD, odd=(0.5, -8.0, 900.0), even=(0.4, 60.0)),
    detector=OWN,
)  # fmt: skip
GROUPS = (GROUP, replace(GROUP, detector=OTHER))
MATRIX = euler_matrices(np.array([[30.0, 70.0, 110.0]]))[0]
WAVELENGTH_A = 0.0250793
DEFOCUS_A, ASTIGMATISM_A, ANGLE = 9000.0, 800.0, np.radians(30.0)


def frequencies_per_A() -> Array:
    """Every pixel's frequency in the object, on the image's full half plane."""
    k = np.fft.fftfreq(GROUP.box, 1 / GROUP.box)
    k = np.stack(np.meshgrid(np.arange(GROUP.box // 2 + 1), k), axis=-1)
    return k @ STRETCH.T / (GROUP.box * GROUP.pixel_size_A)


def ctf_there(u: Array) -> Array:
    square, angle = np.sum(u**2, axis=-1), np.arctan2(u[..., 1], u[..., 0])
    defocus_A = DEFOCUS_A + ASTIGMATISM_A * np.cos(2.0 * (angle - ANGLE))
    phase = np.pi * WAVELENGTH_A * defocus_A * square
    phase -= 0.5 * np.pi * 2.0e7 * WAVELENGTH_A**3 * square**2
    even = 0.4 + 60.0 * 2.0 * u[..., 0] * u[..., 1]
    return np.sin(phase + np.arcsin(0.12) - even)


def odd_there(u: Array) -> Array:
    x, y = u[..., 0], u[..., 1]
    tilt = -2.0 * np.pi * 2.0e7 * WAVELENGTH_A**2 * (x * TILT_MRAD[0] + y * TILT_MRAD[1]) * 1e-3
    return tilt * (x**2 + y**2) + 0.5 * y - 8.0 * x + 900.0 * (3 * x**2 * y - y**3)


def damping(k_per_A: Array) -> Array:
    return 1.0 - 0.5 * np.clip(k_per_A / 0.2, 0.0, 1.0)


def picture() -> Array:
    u = frequencies_per_A()
    on_detector = np.linalg.norm(u @ np.linalg.inv(STRETCH).T, axis=-1)
    wave = phantom.transform(MATRIX, u) * ctf_there(u) * np.exp(1j * odd_there(u))
    wave *= damping(on_detector)
    # The integral over the projection, as sums of voxels of the map's pixel, at the image's pixels.
    wave /= PIXEL_A * GROUP.pixel_size_A**2
    centred = np.fft.irfft2(wave, s=(GROUP.box, GROUP.box))
    return np.fft.fftshift(centred).astype(np.float32)


def lens_particles() -> Particles:
    one = np.ones(1)
    defocus = Defocus(
        (DEFOCUS_A + ASTIGMATISM_A) * one, (DEFOCUS_A - ASTIGMATISM_A) * one,
        np.degrees(ANGLE) * one, 0 * one, 0 * one, one,
    )  # fmt: skip
    return replace(small.particles(1), optics=GROUPS, defocus=defocus)


def prepared(
    image: Array, rules: SearchRules = small.RULES, **changes: Any
) -> tuple[PreparedImages, Search]:
    those = lens_particles()
    geometry = ImageGeometry(GROUP.box, GROUP.pixel_size_A, BOX, PIXEL_A, GROUP.magnification)
    settings = replace(
        small.settings(those), geometry=geometry, ctf=PLAIN_CTF, do_scale=False, mask_radius_px=15.0
    )
    settings = replace(settings, **changes)
    known = small.model(phantom.density(BOX, PIXEL_A)[None], GLOBAL, 1.0, n_optics=2)
    known = replace(known, noise_variance=np.full((2, BOX // 2 + 1), 4.0))
    plan = SearchPlan(GLOBAL, settings, BOX, 8, rules, n_particles=10)
    made = small.search(known, plan, make_kernels())
    pose = small.poses_at(np.zeros((1, 3)), np.zeros((1, 2)))
    batch = make_batch(image[None], np.array([0]), those, pose, made)
    return prepare_images(batch, those, made), made


def of_disc(search: Search) -> Array:
    k = np.column_stack([search.disc.kx, search.disc.ky])
    return k @ STRETCH.T / (GROUP.box * GROUP.pixel_size_A)


def expected_inserted(search: Search) -> Array:
    u = of_disc(search)
    on_detector = np.linalg.norm(u @ np.linalg.inv(STRETCH).T, axis=-1)
    mean = 0.5 * (OWN.at(on_detector) + OTHER.at(on_detector))
    projection = phantom.transform(MATRIX, u) / (PIXEL_A**3 * BOX**2)
    return 0.25 * ctf_there(u) ** 2 * mean * projection


def test_what_is_inserted_is_ctf_squared_times_the_projection_over_the_noise() -> None:
    images, search = prepared(picture())

    found = images.summed.unmasked.view(np.complex64)[0, : len(search.disc)]

    expected = expected_inserted(search)
    # The delocalised image wraps round its box: --pad_ctf is about that.
    edge = search.disc.shell < BOX // 2
    error = np.abs(found - expected)[edge].max()
    assert error < 5e-3 * np.abs(expected).max()


def test_weights_are_ctf_squared_over_the_noise() -> None:
    images, search = prepared(picture())

    expected = 0.25 * ctf_there(of_disc(search)) ** 2

    # The wavelength above has six digits.
    np.testing.assert_allclose(images.summed.weight[0], expected, atol=1e-3)


def test_the_power_of_an_image_is_that_of_the_mean_detector() -> None:
    images, search = prepared(picture())
    u = of_disc(search)
    on_detector = np.linalg.norm(u @ np.linalg.inv(STRETCH).T, axis=-1)
    mean = 0.5 * (OWN.at(on_detector) + OTHER.at(on_detector))
    wave = phantom.transform(MATRIX, u) / (PIXEL_A**3 * BOX**2) * ctf_there(u) * mean
    by_shell = np.bincount(search.disc.shell, np.abs(wave) ** 2)

    # The mask takes little away; shells at the edge are cut by the disc.
    np.testing.assert_allclose(images.power[0, 1:8], by_shell[1:8], rtol=0.15)


def test_an_uncorrected_reference_is_compared_without_ctf_and_inserted_with_it() -> None:
    uncorrected = SearchRules(reference_without_ctf=True)
    plain, search = prepared(picture())
    images, _ = prepared(picture(), uncorrected)

    ctf = ctf_there(of_disc(search))
    np.testing.assert_array_equal(images.summed.unmasked, plain.summed.unmasked)
    np.testing.assert_array_equal(images.summed.weight, plain.summed.weight)
    np.testing.assert_array_equal(images.summed.power, 0.25)
    seen = images.summed.masked.view(np.complex64)[0, : len(search.disc)] * ctf
    usual = plain.summed.masked.view(np.complex64)[0, : len(search.disc)]
    # The wavelength above has six digits.
    np.testing.assert_allclose(seen, usual, atol=1e-3 * np.abs(usual).max())


def test_noise_that_fills_the_outside_has_its_spectrum_after_the_detector_is_undone() -> None:
    nothing = np.zeros((GROUP.box, GROUP.box), np.float32)

    images, search = prepared(nothing, zero_mask=False, mask_radius_px=0.5, mask_edge_px=0.5)

    pixels = search.plan.images.geometry.pixels_per_shell()
    # sigma2 is 4 per real component; six hundred pixels, each of two.
    found = images.power[0, 3 : BOX // 2].sum() / (2.0 * pixels[3 : BOX // 2].sum())
    assert found == pytest.approx(4.0, rel=0.1)
    outer = images.power[0, 9 : BOX // 2].sum() / (2.0 * pixels[9 : BOX // 2].sum())
    assert outer == pytest.approx(4.0, rel=0.12)
