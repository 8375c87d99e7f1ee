"""The mean CTF² of premultiplied images, and what it does to a run without halves."""

from dataclasses import replace

import numpy as np
import pytest
import small_search as small
from small_search import BOX, PIXEL_A

from halfmap.model.ctf import contrast_transfer
from halfmap.model.fourier import frequencies_2d, shells_2d
from halfmap.model.geometry import ImageGeometry
from halfmap.steps.ctf_power import mean_ctf_power


def power(n_done: int, n_plain: int, geometry: ImageGeometry | None = None) -> np.ndarray:
    done, plain = small.optics("done", premultiplied=True), small.optics("plain")
    geometry = geometry or ImageGeometry.plain(BOX, PIXEL_A)
    grid = {"box": geometry.box, "pixel_size_A": geometry.pixel_size_A}
    groups = (replace(done, **grid), replace(plain, **grid))  # type: ignore[arg-type]
    those = small.particles(n_done + n_plain, groups)
    group = np.repeat([0, 1], [n_done, n_plain])
    those = replace(those, optics_group=group)
    settings = replace(small.settings(those), geometry=geometry)
    return mean_ctf_power(those, (settings,), np.zeros(2, int))


def test_it_is_the_mean_over_images_of_the_radial_mean() -> None:
    those = small.particles(5)
    ky, kx = frequencies_2d(BOX)
    squares = contrast_transfer(kx, ky, those.defocus, those.optics[0]) ** 2
    shell = np.where((kx == 0) & (ky < 0), -1, shells_2d(BOX))
    expected = [squares[:, shell == r].mean() for r in range(BOX // 2 + 1)]

    np.testing.assert_allclose(power(5, 0), expected, rtol=1e-12)


def test_images_as_recorded_count_one() -> None:
    np.testing.assert_array_equal(power(0, 4), 1.0)
    # 5 of 10: the defocus of the other 5 does not matter.
    np.testing.assert_allclose(power(5, 5), 0.5 * (power(5, 0) + 1.0))


def test_the_grid_of_the_images_does_not_matter() -> None:
    finer = ImageGeometry(2 * BOX, PIXEL_A / 2, BOX, PIXEL_A)

    # The outermost shell has other pixels where it ends with the box.
    np.testing.assert_allclose(power(5, 0, finer)[:-1], power(5, 0)[:-1], rtol=1e-9)


def test_many_images_are_represented_by_a_thousand(monkeypatch: pytest.MonkeyPatch) -> None:
    all_of_them = power(40, 0)
    monkeypatch.setattr("halfmap.steps.ctf_power.MOST_IMAGES", 20)

    np.testing.assert_allclose(power(40, 0), all_of_them, atol=0.05)
