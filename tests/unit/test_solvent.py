import numpy as np
import pytest

from halfmap.steps.solvent import flatten, solvent_mask


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
