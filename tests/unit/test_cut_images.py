"""Images that are cut hold the detail up to the cut, and nothing beyond."""

import numpy as np
import pytest
import scipy.fft

from halfmap.model.cut_images import next_fast_box, resized

BOX, CUT = 24, 12


@pytest.fixture
def images(rng: np.random.Generator) -> np.ndarray:
    return rng.normal(size=(5, BOX, BOX)).astype(np.float32)


def inside(box: int) -> np.ndarray:
    ky = np.abs(np.fft.fftfreq(box, 1.0 / box))[:, None]
    return (ky < CUT // 2) & (np.arange(box // 2 + 1)[None] < CUT // 2)


def test_brought_back_they_hold_what_is_inside_the_cut_and_nothing_else(images) -> None:
    back = resized(resized(images, CUT), BOX)

    before, after = (scipy.fft.rfft2(i.astype(np.float64), norm="forward") for i in (images, back))
    kept = inside(BOX)
    # Single precision: the transforms are of order 1 / 24, rounded four times.
    np.testing.assert_allclose(after[:, kept], before[:, kept], atol=3e-8)
    np.testing.assert_allclose(after[:, ~kept], 0.0, atol=3e-8)
    assert np.abs(before[:, ~kept]).max() > 1e-2


def test_grey_values_and_places_stay() -> None:
    y, x = np.indices((BOX, BOX))
    smooth = 3.0 + np.cos(2 * np.pi * (2 * x + y) / BOX)

    cut = resized(smooth[None].astype(np.float32), CUT)[0]

    np.testing.assert_allclose(cut, smooth[::2, ::2], atol=2e-6)  # rounding of values up to 4


def test_an_image_does_not_depend_on_those_that_are_cut_with_it(images) -> None:
    together = resized(images, CUT)

    for image, own in zip(images, together, strict=True):
        np.testing.assert_array_equal(resized(image[None], CUT)[0], own)


@pytest.mark.parametrize("dtype", [np.int8, np.int16, np.uint16, np.float16])
def test_any_numbers_can_be_cut(rng: np.random.Generator, dtype: type) -> None:
    raw = rng.integers(0, 100, (2, BOX, BOX)).astype(dtype)

    np.testing.assert_array_equal(resized(raw, CUT), resized(raw.astype(np.float32), CUT))


@pytest.mark.parametrize("value", [0.0, 0.1, -7.0])
def test_an_image_of_one_value_keeps_it(value: float) -> None:
    image = np.full((1, BOX, BOX), value, np.float32)

    assert (resized(image, CUT) == np.float32(value)).all()


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 2e15])
def test_an_image_with_a_pixel_that_is_no_grey_value_is_none(images, value: float) -> None:
    images[1, 3, 4] = value

    cut = resized(images, CUT)

    assert np.isnan(cut[1]).all()
    assert np.isfinite(cut[[0, 2, 3, 4]]).all()


def test_boxes_that_are_kept_are_even_and_quick() -> None:
    for box in range(10, 400):
        found = next_fast_box(box)
        assert box <= found <= max(16, 1.2 * box)
        assert found % 2 == 0
        assert scipy.fft.next_fast_len(found, real=True) == found
