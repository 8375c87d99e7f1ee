import numpy as np
import pytest

from halfmap.model.mask import fill_outside_mean, mask_volume_mean_fill, soft_circle, soft_sphere


def test_a_masked_slope_has_the_values_of_relion() -> None:
    y, x = np.mgrid[:16, :16] - 8.0
    image = x + 0.5 * y

    masked = fill_outside_mean(image, soft_circle(16, 4.0, 3.0))

    # (x, y) from the centre; six decimals of a single-precision number are given.
    values = {(7, 7): -1.203439, (5, 0): 3.449140, (0, 6): -0.152579, (3, 0): 3.0}
    for (column, row), value in values.items():
        assert masked[row + 8, column + 8] == pytest.approx(value, abs=1e-6)


def test_the_weight_is_that_of_the_background() -> None:
    weight = soft_circle(32, 8.0, 4.0)

    np.testing.assert_array_equal(weight[16, 16:25], 0.0)
    np.testing.assert_array_equal(weight[16, 28:], 1.0)
    assert weight[16, 26] == pytest.approx(0.5), "in the middle of the edge"
    assert weight[26, 16] == weight[6, 16] == weight[16, 6] == weight[16, 26]


def test_a_hard_edge_is_an_edge_of_zero() -> None:
    weight = soft_circle(16, 5.0, 0.0)

    assert set(np.unique(weight)) == {0.0, 1.0}
    assert weight[8, 13] == 0.0
    assert weight[8, 14] == 1.0


def test_each_image_of_a_stack_is_filled_with_its_own_mean(rng: np.random.Generator) -> None:
    stack = rng.normal(size=(3, 16, 16)).astype(np.float32)
    background = soft_circle(16, 4.0, 3.0)

    together = fill_outside_mean(stack, background)

    for image, masked in zip(stack, together, strict=True):
        np.testing.assert_allclose(masked, fill_outside_mean(image, background), atol=1e-15)
        np.testing.assert_array_equal(masked[8, 8], image[8, 8])
        assert masked[0, 0] == pytest.approx((background * image).sum() / background.sum())


def test_a_mask_that_reaches_beyond_the_corners_changes_nothing(rng: np.random.Generator) -> None:
    image = rng.normal(size=(16, 16))

    np.testing.assert_array_equal(fill_outside_mean(image, soft_circle(16, 50.0, 5.0)), image)


def test_a_map_is_filled_outside_the_sphere(rng: np.random.Generator) -> None:
    volume = rng.normal(size=(16, 16, 16)).astype(np.float32)

    masked = mask_volume_mean_fill(volume, 5.0, 3.0)

    weight = soft_sphere(16, 5.0, 3.0)
    mean = (weight * volume).sum() / weight.sum()
    np.testing.assert_allclose(masked, (1.0 - weight) * volume + weight * mean, atol=1e-12)
    assert weight[8, 8, 13] == 0.0
    assert weight[8, 11, 12] == 0.0, "a distance of 5"
    assert weight[8, 2, 2] == 1.0
