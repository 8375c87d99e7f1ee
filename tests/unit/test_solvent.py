import numpy as np
import pytest

from halfmap.model.fourier import low_pass
from halfmap.steps.solvent import flatten, flatten_but_low_pass, level, solvent_mask

BOX = 16


@pytest.fixture
def volume() -> np.ndarray:
    return np.random.default_rng(1).normal(size=(BOX,) * 3).astype(np.float32)


@pytest.fixture
def region() -> np.ndarray:
    """Weights between 0 and 1."""
    return np.random.default_rng(2).uniform(size=(BOX,) * 3).astype(np.float32)


def test_the_mask_is_one_within_the_diameter_and_zero_beyond_the_edge() -> None:
    mask = solvent_mask(32, 2.0, 40.0, 4.0)

    along_x = mask[16, 16, 16:]
    np.testing.assert_array_equal(along_x[:10], 1.0)
    assert along_x[12] == pytest.approx(0.5)
    np.testing.assert_allclose(along_x[14:], 0.0, atol=1e-12)


def test_the_solvent_becomes_zero_not_the_mean() -> None:
    volume = np.full((32, 32, 32), 3.0, np.float32)

    flat = flatten(volume, solvent_mask(32, 2.0, 40.0, 4.0))

    assert flat.dtype == np.float32
    assert flat[16, 16, 16] == 3.0
    assert flat[0, 0, 0] == 0.0


def test_a_kept_region_adds_what_the_map_before_flattening_holds_there(volume, region) -> None:
    nothing = np.zeros((BOX,) * 3)

    kept = flatten_but_low_pass(volume, nothing, region, 2.0, 8.0)

    np.testing.assert_array_equal(kept, low_pass(volume * region, 2.0, 8.0))


def test_a_kept_wave_below_the_limit_stays_and_one_above_it_goes() -> None:
    x = np.arange(BOX) * 2.0 * np.pi / BOX
    slow, fast = (np.broadcast_to(np.cos(k * x), (BOX,) * 3).astype(np.float32) for k in (2, 7))
    nothing, everywhere = np.zeros((BOX,) * 3), np.ones((BOX,) * 3)

    # Shell 4 of a box of 16 px of 2 Å is 8 Å; the edge is two shells wide.
    kept = flatten_but_low_pass(slow + fast, nothing, everywhere, 2.0, 8.0)

    np.testing.assert_allclose(kept, slow, atol=1e-6)


def test_an_empty_region_leaves_a_flattened_map(volume, region) -> None:
    kept = flatten_but_low_pass(volume, region, np.zeros((BOX,) * 3), 2.0, 8.0)

    np.testing.assert_array_equal(kept, flatten(volume, region))


def test_a_levelled_region_takes_its_own_mean_and_the_rest_stays(volume) -> None:
    region = np.zeros((BOX,) * 3, np.float32)
    region[4:7, 5:8, 6:9] = 1.0
    inside = region > 0

    flat = level(volume, region)

    assert flat.dtype == np.float32
    np.testing.assert_allclose(flat[inside], volume[inside].mean(dtype=float), rtol=1e-6)
    np.testing.assert_array_equal(flat[~inside], volume[~inside])


def test_a_soft_region_is_levelled_voxel_by_voxel_with_its_weight(volume, region) -> None:
    total = sum(float(m) * float(v) for m, v in zip(region.flat, volume.flat, strict=True))
    mean = total / sum(float(m) for m in region.flat)
    expected = [(1.0 - m) * v + m * mean for m, v in zip(region.flat, volume.flat, strict=True)]

    # float32 result of numbers of order one
    np.testing.assert_allclose(level(volume, region).ravel(), expected, atol=5e-7)
