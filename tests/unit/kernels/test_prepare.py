"""Images before the search: shifted, masked, and their transforms read."""

import numpy as np
import pytest
from numpy import ndarray as Array

from halfmap.kernels.protocol import Kernels, PlaneLayout
from halfmap.kernels.registry import BACKENDS, make_kernels
from halfmap.model.disc import Disc, counted_shells, plane_index
from halfmap.model.geometry import ImageGeometry
from halfmap.model.mask import soft_circle

from .small_problem import DISC, REFERENCE


def layout_of(disc: Disc, box: int) -> PlaneLayout:
    where = plane_index(disc, box)
    sign = (1.0 - 2.0 * ((disc.kx + disc.ky) % 2)) / box**2
    shells = counted_shells(disc.size, ImageGeometry.plain(box, 1.0)).ravel().astype(np.int32)
    return PlaneLayout(where, sign.astype(np.float32), shells, box // 2 + 1)


def test_reading_transforms_agrees(kernels: Kernels, rng: np.random.Generator) -> None:
    planes = (rng.normal(size=(4, 24, 13)) + 1j * rng.normal(size=(4, 24, 13))).astype(np.complex64)
    layout = layout_of(DISC, 24)

    listed, power = kernels.read_planes(planes, layout)

    expected_listed, expected_power = REFERENCE.read_planes(planes, layout)
    np.testing.assert_allclose(listed, expected_listed, rtol=1e-6)
    np.testing.assert_allclose(power, expected_power, rtol=1e-6)


def masking(rng: np.random.Generator, n_fill: int) -> tuple[Array, ...]:
    images = rng.normal(2.0, 1.0, size=(4, 24, 20)).astype(np.float32)
    gain = rng.uniform(0.5, 2.0, 4).astype(np.float32)
    shift = np.array([[0, 0], [3, -2], [-30, 1], [-1, 7]])
    background = np.clip(rng.uniform(-0.5, 1.5, (24, 20)), 0.0, 1.0).astype(np.float32)
    fill = rng.normal(size=(n_fill, 24, 20)).astype(np.float32)
    return images, gain, shift, background, fill


@pytest.mark.parametrize("n_fill", [0, 4])
def test_shifted_and_masked_images_agree(
    kernels: Kernels, rng: np.random.Generator, n_fill: int
) -> None:
    problem = masking(rng, n_fill)

    found = kernels.shift_and_mask(*problem)

    # a few operations in single precision on numbers up to 12
    np.testing.assert_allclose(found, REFERENCE.shift_and_mask(*problem), rtol=0, atol=2e-6)


@pytest.mark.parametrize("name", BACKENDS)
def test_a_shift_moves_x_by_its_first_number_and_lets_zeros_enter(name: str) -> None:
    image = np.ones((1, 8, 8), np.float32)
    image[0, 2, 5] = 9.0
    nothing = np.zeros((8, 8), np.float32)

    (moved, masked), *_ = make_kernels(name).shift_and_mask(
        image, np.ones(1, np.float32), np.array([[2, -1]]), nothing, np.zeros((0, 8, 8), np.float32)
    )

    assert moved[1, 7] == 9.0
    assert (moved[:, :2] == 0).all()
    assert (moved[7] == 0).all()
    np.testing.assert_array_equal(moved, masked)


@pytest.mark.parametrize("name", BACKENDS)
def test_the_mask_fills_with_the_mean_of_the_outside(name: str) -> None:
    # numbers from RELION, printed with six decimals: x + y/2 on 16 px, radius 4, edge 3
    y, x = np.mgrid[-8:8, -8:8]
    image = (x + 0.5 * y).astype(np.float32)[None]
    background = soft_circle(16, 4.0, 3.0).astype(np.float32)

    masked = make_kernels(name).shift_and_mask(
        image,
        np.ones(1, np.float32),
        np.zeros((1, 2), np.int64),
        background,
        np.zeros((0, 16, 16), np.float32),
    )[0, 1]

    expected = {(7, 7): -1.203439, (5, 0): 3.449140, (0, 6): -0.152579, (3, 0): 3.0}
    for (x_, y_), value in expected.items():
        assert masked[y_ + 8, x_ + 8] == pytest.approx(value, abs=2e-6)
