import numpy as np
import pytest
import scipy.fft

from halfmap.errors import DataError, OptionError
from halfmap.model.structure_factor import StructureFactor
from halfmap.steps.processors.picture import Picture
from halfmap.steps.processors.registry import make_ready, process
from halfmap.steps.structure_factor import with_structure_factor

N, PIXEL_A = 64, 2.0
GAUSS = 0.36  # of cutoff_resolv


class NoFiles:
    def picture(self, name: str):
        raise AssertionError(name)

    def curve(self, name: str) -> StructureFactor:
        assert name == "sf.txt"
        return StructureFactor(np.array([0.0, 0.3]), np.array([2.0, 1.0]))


def run(text: str, values: np.ndarray, pixel_size_A: float = PIXEL_A, seed: int = 0) -> np.ndarray:
    picture = Picture(np.asarray(values, np.float32), pixel_size_A, (seed,))
    return process(picture, make_ready([text], "preprocess", NoFiles())).values


def response(text: str, pixels: list[int]) -> list[float]:
    """Return what a filter makes of plane waves of so many periods along x."""
    point = np.zeros((N, N))
    point[0, 0] = 1.0
    return scipy.fft.rfftn(run(text, point).astype(float)).real[0, pixels].tolist()


SPOTS = {
    # EMAN2's own numbers
    "filter.lowpass.butterworth:cutoff_abs=0.2": {
        10: 0.97946,
        12: 0.85638,
        16: 0.29115,
        20: 0.08142,
    },
    "filter.lowpass.tanh:cutoff_abs=.25:fall_off=.1": {12: 0.99961, 16: 0.5, 20: 0.00039},
    # 1/e at the cutoff, but exp(-1/2) at sigma; 0.125 1/Å of 2 Å is 0.25; 16 of 64 px is 0.25
    "filter.lowpass.gauss:cutoff_abs=0.25": {0: 1.0, 16: np.exp(-1.0), 32: np.exp(-4.0)},
    "filter.lowpass.gauss:cutoff_freq=0.125": {16: np.exp(-1.0)},
    "filter.lowpass.gauss:cutoff_freq=0.125:apix=4": {32: np.exp(-1.0)},
    "filter.lowpass.gauss:cutoff_pixels=16": {16: np.exp(-1.0)},
    "filter.lowpass.gauss:sigma=0.25": {16: np.exp(-0.5)},
    "filter.lowpass.gauss:sigma=0.25:cutoff_abs=0.01": {16: np.exp(-0.5)},
    "filter.lowpass.gauss:cutoff_abs=0.25:cutoff_freq=0.01": {16: np.exp(-1.0)},
    "filter.lowpass.gauss:cutoff_resolv=0.1": {
        16: np.exp(-((0.25 * np.pi / 0.2) ** 2) / (-4.0 * np.log(GAUSS)))
    },
    "filter.highpass.gauss:cutoff_abs=0.25": {0: 0.0, 16: 1.0 - np.exp(-1.0)},
    "filter.bandpass.gauss:center=0.25:cutoff_abs=0.0625": {
        16: 1.0,
        12: np.exp(-0.5),
        20: np.exp(-0.5),
    },
    "filter.lowpass.tophat:cutoff_abs=0.25": {15: 1.0, 16: 1.0, 17: 0.0},
    "filter.lowpass.tophat:sigma=0.25:cutoff_abs=0.1": {15: 1.0, 16: 1.0, 17: 0.0},
    "filter.highpass.tophat:cutoff_abs=0.25": {15: 0.0, 16: 0.0, 17: 1.0},
    "filter.bandpass.tophat:low_cutoff_frequency=.125:high_cutoff_frequency=.25": {
        **{7: 0.0, 8: 1.0, 15: 1.0},
        16: 0.0,
    },
    "filter.highpass.tanh:cutoff_abs=.25:fall_off=.1": {12: 0.00039, 16: 0.5, 20: 0.99961},
    "filter.highpass.butterworth:cutoff_abs=0.2": {10: 1 - 0.97946, 16: 1 - 0.29115},
    "filter.lowpass.butterworth:low_cutoff_frequency=.125:high_cutoff_frequency=.25": {
        # 0.882 of the power, and 1/10.624 of the amplitude
        16: 1.0 / 10.624,
    },
    "filter.radialtable:table=1,0.5,0.25": {0: 1.0, 1: 0.5, 2: 0.25, 3: 0.0},
}


@pytest.mark.parametrize("text", SPOTS)
def test_a_filter_has_its_formula(text: str) -> None:
    pixels = list(SPOTS[text])

    # Numbers above have five decimals; an image of one point is exact in single precision.
    assert response(text, pixels) == pytest.approx(list(SPOTS[text].values()), abs=1e-5)


def test_frequencies_are_lengths_in_space_also_for_maps_of_unequal_sides() -> None:
    point = np.zeros((8, 16, 32))
    point[0, 0, 0] = 1.0

    found = scipy.fft.rfftn(run("filter.lowpass.gauss:cutoff_abs=0.5", point).astype(float)).real

    squared = (1 / 8) ** 2 + (2 / 16) ** 2 + (4 / 32) ** 2
    assert found[1, 2, 4] == pytest.approx(np.exp(-squared / 0.25), rel=1e-4)
    assert found[-1, -2, 4] == pytest.approx(np.exp(-squared / 0.25), rel=1e-4)


def test_a_cutoff_in_angstrom_needs_a_pixel_size() -> None:
    with pytest.raises(DataError, match=r"filter\.lowpass\.gauss: found no pixel size.*apix="):
        run("filter.lowpass.gauss:cutoff_freq=0.1", np.ones((8, 8)), pixel_size_A=0.0)


def test_a_filter_without_a_cutoff_is_refused() -> None:
    with pytest.raises(OptionError, match=r"filter\.lowpass\.tanh: expected sigma or cutoff_abs"):
        run("filter.lowpass.tanh", np.ones((8, 8)))


def test_random_phases_keep_amplitudes_and_low_frequencies(rng) -> None:
    image = rng.normal(size=(N, N))

    found = run("filter.lowpass.randomphase:cutoff_abs=0.25", image)

    before, after = scipy.fft.rfftn(image), scipy.fft.rfftn(found.astype(float))
    s = np.hypot(scipy.fft.fftfreq(N)[:, None], scipy.fft.rfftfreq(N))
    np.testing.assert_allclose(np.abs(after), np.abs(before), atol=1e-3)
    np.testing.assert_allclose(after[s < 0.25], before[s < 0.25], atol=1e-3)
    turned = np.angle(after[s >= 0.25] / before[s >= 0.25])
    assert abs(np.exp(1j * turned).mean()) < 0.1  # 1500 phases: 0.026 expected


def test_random_numbers_depend_on_the_image_and_on_nothing_else(rng) -> None:
    image = rng.normal(size=(8, 8))
    text = "filter.lowpass.randomphase:cutoff_abs=0.1"

    assert (run(text, image, seed=3) == run(text, image, seed=3)).all()
    assert not np.allclose(run(text, image, seed=3), run(text, image, seed=4))


def test_an_automatic_b_factor_makes_the_power_fall_as_asked(rng) -> None:
    n, b = 48, 300.0
    s = np.hypot(
        np.hypot(scipy.fft.fftfreq(n)[:, None, None], scipy.fft.fftfreq(n)[:, None]),
        scipy.fft.rfftfreq(n),
    )
    noise = scipy.fft.rfftn(rng.normal(size=(n,) * 3))
    blurred = scipy.fft.irfftn(noise * np.exp(-b * (s / PIXEL_A) ** 2 / 4), (n,) * 3)

    found = scipy.fft.rfftn(run("filter.lowpass.autob:bfactor=50", blurred).astype(float))

    inside = (s / PIXEL_A > 1 / 15) & (s / PIXEL_A < 1 / 6)
    slope = np.polyfit((s[inside] / PIXEL_A) ** 2, np.log(np.abs(found[inside]) ** 2), 1)[0]
    # Power falls as exp(-B s² / 2). Scatter: 1.3 in ln over 4700 points, spread 6e-3 in s².
    assert -2.0 * slope == pytest.approx(50.0, abs=10.0)


def test_a_structure_factor_is_set_as_by_the_option(rng) -> None:
    volume = rng.normal(size=(16,) * 3).astype(np.float32)

    found = run("filter.setstrucfac:filename=sf.txt:scale=2", volume)

    expected = with_structure_factor(volume, NoFiles().curve("sf.txt"), PIXEL_A)
    np.testing.assert_array_equal(found, 2.0 * expected)
