from pathlib import Path

import numpy as np
import pytest
import scipy.fft

from halfmap.errors import DataError
from halfmap.io.eman.structure_factor import read_structure_factor
from halfmap.model.structure_factor import StructureFactor
from halfmap.steps.structure_factor import mean_power, with_structure_factor

BOX, PIXEL_A = 16, 2.0


def curve(first: float = 0.01) -> StructureFactor:
    frequency = np.linspace(first, 0.3, 40)
    return StructureFactor(frequency, 5.0 * np.exp(-8.0 * frequency) + 0.1)


@pytest.fixture
def noise(rng) -> np.ndarray:
    return rng.normal(size=(BOX,) * 3).astype(np.float32)


def test_a_file_of_eman_is_read(shared: Path) -> None:
    found = read_structure_factor(shared / "golden/eman2/strucfac.txt")

    assert found.frequency_per_A[:2].tolist() == [0.0078125, 0.015625]
    assert found.intensity[0] == 51.4765


def test_reading_stops_at_the_first_line_that_is_no_point(tmp_path: Path) -> None:
    path = tmp_path / "sf.txt"
    path.write_text("# s y\n0.1,2\n#\n0.2 3 9\nend\n0.3 4\n", encoding="ascii")

    found = read_structure_factor(path)

    assert found.frequency_per_A.tolist() == [0.1, 0.2]
    assert found.intensity.tolist() == [2.0, 3.0]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "has 0 points, expected"),
        ("0.1 2\n", "has 1 points, expected"),
        ("0.1 2\n0.1 3\n", r"point 2 is at 0\.1 1/Å after 0\.1; expected increasing"),
        ("nan 2\n0.1 3\n", "has 0 points"),
    ],
)
def test_a_file_that_is_no_curve_is_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "sf.txt"
    path.write_text(text, encoding="ascii")

    with pytest.raises(DataError, match=message):
        read_structure_factor(path)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"none\.txt cannot be read: No such file.*--setsf"):
        read_structure_factor(tmp_path / "none.txt")


def test_between_points_a_curve_is_linear_and_beyond_it_constant_or_zero() -> None:
    line = StructureFactor(np.array([0.1, 0.2]), np.array([1.0, 3.0]))
    at = np.array([0.05, 0.15, 0.3])

    assert line.at(at, beyond_is_zero=False).tolist() == pytest.approx([1.0, 2.0, 3.0])
    assert line.at(at, beyond_is_zero=True).tolist() == pytest.approx([0.0, 2.0, 0.0])


def test_each_point_of_a_transform_is_shared_by_the_radii_around_it() -> None:
    volume = np.zeros((BOX,) * 3)
    transform = np.zeros((BOX, BOX, BOX // 2 + 1), complex)
    transform[0, 4, 3] = 2.0  # radius 5, exactly
    transform[1, 1, 0] = 1.0  # radius 1.414, one of the plane without mates
    transform[0, 0, 8] = 3.0  # radius 8, at Nyquist: without a mate, too

    power = mean_power(transform, volume.shape)

    every = np.indices((BOX,) * 3) - BOX // 2
    radius = np.sqrt((every**2).sum(axis=0))
    weight = [np.clip(1.0 - np.abs(radius - i), 0.0, None).sum() for i in range(len(power))]
    assert power[8] == pytest.approx(9.0 / weight[8])
    assert power[5] == pytest.approx(2 * 4.0 / weight[5])  # the point and its mate
    assert power[1] == pytest.approx((2.0 - 2**0.5) / weight[1])
    assert power[2] == pytest.approx((2**0.5 - 1.0) / weight[2])
    assert len(power) == int(BOX * 3**0.5 / 2)


def test_eman_counts_stored_points_only_once() -> None:
    transform = np.zeros((BOX, BOX, BOX // 2 + 1), complex)
    transform[0, 4, 3], transform[3, 4, 0] = 2.0, 1.0  # radius 5; the first has a mate elsewhere

    shape = (BOX,) * 3
    both, once = mean_power(transform, shape), mean_power(transform, shape, stored_once=True)

    ky, kx = np.meshgrid(np.fft.fftfreq(BOX, 1 / BOX), np.arange(9), indexing="ij")
    radius = np.sqrt(np.fft.fftfreq(BOX, 1 / BOX)[:, None, None] ** 2 + ky**2 + kx**2)
    share = np.clip(1.0 - np.abs(radius - 5), 0.0, None)
    assert once[5] == pytest.approx(5.0 / share.sum())
    mates = np.where((kx == 0) | (kx == BOX // 2), 1.0, 2.0)
    assert both[5] == pytest.approx(9.0 / (share * mates).sum())


def test_a_point_gets_the_amplitudes_of_the_curve() -> None:
    point = np.zeros((BOX,) * 3, np.float32)
    point[8, 8, 8] = 1.0  # its power is one everywhere

    found = np.abs(scipy.fft.rfftn(with_structure_factor(point, curve(), PIXEL_A)))

    radii = np.array([1.0, 2.0, 7.0])
    power = BOX**3 * curve().at(radii / (BOX * PIXEL_A), beyond_is_zero=False)
    # Single precision of the map, whose largest value is 250 times the smallest amplitude.
    np.testing.assert_allclose(found[0, 0, [1, 2, 7]], np.sqrt(power), rtol=1e-5)
    between = np.interp(2.0**0.5, radii[:2], np.sqrt(power[:2]))
    assert found[1, 1, 0] == pytest.approx(between, rel=1e-5)
    assert found[0, 0, 0] == pytest.approx(1.0, rel=1e-4)
    # The curve ends at shell 9.6: from 8 on, all have the factor of the last whole shell.
    assert found[8, 8, 8] == pytest.approx(found[0, 8, 8], rel=1e-4)


def test_phases_and_the_mean_stay(noise) -> None:
    found = with_structure_factor(noise, curve(), PIXEL_A)

    ratio = scipy.fft.rfftn(found.astype(float)) / scipy.fft.rfftn(noise.astype(float))
    # Single precision of the map.
    assert np.abs(ratio.imag).max() < 1e-3 * np.abs(ratio.real).max()
    assert found.mean() == pytest.approx(float(noise.mean()), abs=1e-6)


def test_a_curve_that_begins_late_does_not_empty_the_lowest_shells_unless_eman_is_imitated(
    noise,
) -> None:
    late = curve(first=0.08)  # shell 2.56
    first_shell = (0, 0, 1)

    ours = scipy.fft.rfftn(with_structure_factor(noise, late, PIXEL_A))
    emans = scipy.fft.rfftn(with_structure_factor(noise, late, PIXEL_A, like_eman=True))

    assert abs(ours[first_shell]) > 1.0
    # EMAN's radius of this point is 16/18, between shell 0, which stays, and shell 1, which is 0.
    expected = abs(scipy.fft.rfftn(noise.astype(float))[first_shell]) * (1.0 - 16.0 / 18.0)
    assert abs(emans[first_shell]) == pytest.approx(expected, rel=1e-4)


def test_a_curve_of_two_shells_is_refused(noise) -> None:
    short = StructureFactor(np.array([0.01, 0.07]), np.ones(2))

    with pytest.raises(DataError, match=r"ends at 0\.07 1/Å: found 2 shells"):
        with_structure_factor(noise, short, PIXEL_A)
