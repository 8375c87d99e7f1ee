"""What the engine puts into the record of a reconstruction."""

from types import SimpleNamespace
from typing import Any

import numpy as np

from halfmap.engine.reconstruction.record import images_of, shells_of
from halfmap.io.reconstruction_record import BAD_QUALITY, NO_WEIGHT, UNLISTED, USED
from halfmap.model.reconstruction_sizes import Sizes
from halfmap.model.rotations import euler_matrices
from halfmap.model.slice_table import SliceTable


def task(volume: tuple[int, int, int] = (8, 8, 8)) -> Any:
    """Return what matters of a task: five images, of which image 2 is in no table."""
    angles = np.array([[10.0, 20.0, 30.0], [40.0, 50.0, 60.0], [70.0, 80.0, 90.0], [0.0, 0.0, 5.0]])
    whole = SliceTable(
        row=np.array([0, 1, 3, 4]),
        rotation=euler_matrices(angles),
        shift_px=np.zeros((4, 2)),
        mirror=np.zeros(4, bool),
        weight=np.array([2.0, 3.0, 0.0, 5.0]),
        quality=np.array([0.1, 0.9, 0.2, 0.3]),
        half=np.array([0, 1, 0, 1]),
    )
    return SimpleNamespace(
        source=range(5),
        table=whole.only(np.array([0, 2, 3])),
        excluded=whole.only(np.array([1])),
        kernel=SimpleNamespace(sizes=Sizes((8, 8), (8, 8), volume, (8, 8, 8))),
        pixel_size_A=2.0,
    )


def test_every_image_has_its_fate_its_half_and_its_view() -> None:
    images = images_of(task())

    assert images["fate"].tolist() == [USED, BAD_QUALITY, UNLISTED, NO_WEIGHT, USED]
    assert images["half"].tolist() == [0, 1, 0, 0, 1]
    np.testing.assert_array_equal(images["quality"], [0.1, 0.9, np.nan, 0.2, 0.3])
    np.testing.assert_array_equal(images["weight"], [2.0, 3.0, np.nan, 0.0, 5.0])
    # Angles come back from matrices in double precision.
    np.testing.assert_allclose(images["angles_deg"][[0, 1, 3, 4]], VIEWS, atol=1e-9)


VIEWS = np.array([[10.0, 20.0], [40.0, 50.0], [70.0, 80.0], [0.0, 0.0]])


def test_shells_have_mean_weights_and_the_share_that_has_any() -> None:
    weight = np.zeros((8, 8, 5), np.float32)
    weight[4, 4, 0] = 7.0
    weight[4, 4, 1] = 6.0

    shells = shells_of(task(), weight)

    np.testing.assert_allclose(shells["shell_per_A"], np.arange(5) / 16.0)
    assert shells["shell_weight"][0] == 7.0
    # Frequencies whose length rounds to 1, in the half volume: 9 with x = 0 but for the centre
    # (8), and with x = 1 those of (0, ±1, ±1) that are not at a corner (5).
    assert shells["shell_filled"].tolist() == [1.0, 1.0 / 13.0, 0.0, 0.0, 0.0]
    np.testing.assert_allclose(shells["shell_weight"][1:], [6.0 / 13.0, 0.0, 0.0, 0.0])


def test_radii_of_a_volume_that_is_no_cube_are_shares_of_nyquist() -> None:
    weight = np.zeros((16, 8, 5), np.float32)
    weight[8 + 4, 4, 0] = 1.0  # half of Nyquist along z

    shells = shells_of(task((8, 8, 16)), weight)

    assert np.flatnonzero(shells["shell_filled"]).tolist() == [2]
