import numpy as np
import pytest

from halfmap.model.disc import (
    counted_shells,
    interleaved,
    make_disc,
    phase_ramps,
    plane_index,
    row_width,
)
from halfmap.model.fourier import frequencies_2d, pixels_per_shell
from halfmap.model.geometry import ImageGeometry


def test_every_independent_pixel_of_the_disc_is_listed_once() -> None:
    disc = make_disc(42, 12)

    pixels = set(zip(disc.kx.tolist(), disc.ky.tolist(), strict=True))

    expected = {
        (x, y)
        for x in range(22)
        for y in range(-21, 22)
        if x * x + y * y <= 21 * 21 and (x > 0 or y >= 0)
    }
    assert pixels == expected
    assert len(disc) == len(expected) == 687


def test_zero_frequency_comes_first_then_the_coarse_disc() -> None:
    disc = make_disc(42, 12)
    square = disc.kx**2 + disc.ky**2

    assert square[0] == 0
    assert (square[: disc.n_coarse] <= 36).all()
    assert (square[disc.n_coarse :] > 36).all()


def test_pixels_at_exactly_half_the_window_are_in() -> None:
    disc = make_disc(58, 58)
    pixels = set(zip(disc.kx.tolist(), disc.ky.tolist(), strict=True))

    assert {(29, 0), (0, 29), (20, 21), (21, -20)} <= pixels
    assert (0, -29) not in pixels


def test_shells_round_halves_up() -> None:
    disc = make_disc(16, 16)
    of = dict(zip(zip(disc.kx.tolist(), disc.ky.tolist(), strict=True), disc.shell, strict=True))

    assert of[1, 2] == 2  # 2.236
    assert of[2, -2] == 3  # 2.828
    assert of[4, 4] == 6  # 5.657


def test_plane_index_finds_the_pixel_in_the_stored_half_plane() -> None:
    disc = make_disc(16, 8)
    ky, kx = frequencies_2d(24)

    where = plane_index(disc, 24)

    np.testing.assert_array_equal(kx.ravel()[where], disc.kx)
    np.testing.assert_array_equal(ky.ravel()[where], disc.ky)


def test_power_is_counted_over_the_window_and_beyond_it_over_the_box() -> None:
    shells = counted_shells(16, ImageGeometry.plain(24, 1.0))
    counts = np.bincount(shells[shells >= 0], minlength=13)

    ky, kx = frequencies_2d(24)
    assert (shells[(kx == 0) & (ky < 0)] == -1).all()
    # inside, the window's missing row ky = -8 costs shell 8 the pixels (1..2, -8)
    expected = pixels_per_shell(24)
    expected[8] -= 2
    np.testing.assert_array_equal(counts, expected)


def test_a_window_as_large_as_the_box_counts_what_the_box_stores() -> None:
    shells = counted_shells(24, ImageGeometry.plain(24, 1.0))

    np.testing.assert_array_equal(
        np.bincount(shells[shells >= 0], minlength=13), pixels_per_shell(24)
    )


def test_a_ramp_shifts_the_image_by_its_offset() -> None:
    # The transform of a point at (x0, y0) times the ramp of (dx, dy) is that of (x0+dx, y0+dy).
    disc, box = make_disc(16, 8), 16
    point = np.exp(-2j * np.pi * (disc.kx * 3.0 + disc.ky * -1.0) / box)

    ramp = phase_ramps(disc, np.array([[1.5, -2.0]]), box)[0].view(np.complex64)[: len(disc)]

    moved = np.exp(-2j * np.pi * (disc.kx * 4.5 + disc.ky * -3.0) / box)
    np.testing.assert_allclose(point * ramp, moved, atol=1e-6)  # single precision


def test_rows_are_padded_with_zeros_to_whole_registers() -> None:
    row = interleaved(np.array([1 + 2j, 3 - 4j]), row_width(2))

    np.testing.assert_array_equal(row, [1, 2, 3, -4] + [0] * 12)


@pytest.mark.parametrize(("pixels", "floats"), [(1, 16), (8, 16), (9, 32), (687, 1376)])
def test_a_row_is_a_multiple_of_sixteen_floats(pixels: int, floats: int) -> None:
    assert row_width(pixels) == floats
