import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from halfmap.steps.prior_gate import refusal, shell_power

BOX = 16


@pytest.fixture
def volume() -> np.ndarray:
    noise = np.random.default_rng(1).normal(size=(BOX,) * 3)
    return gaussian_filter(noise, 1.5, mode="wrap").astype(np.float32)


def wave(shell: int, amplitude: float) -> np.ndarray:
    x = 2.0 * np.pi * shell * np.arange(BOX) / BOX
    return np.broadcast_to(amplitude * np.cos(x), (BOX,) * 3)


@pytest.mark.parametrize(
    "change",
    [
        lambda v: v,
        lambda v: 0.5 * v,
        lambda v: 1.9 * v,
        lambda v: v + 100.0,
        lambda v: np.maximum(v, 0.0),
        lambda v: gaussian_filter(v, 1.0, mode="wrap"),
        lambda v: np.sign(v) * np.maximum(np.abs(v) - 0.5 * v.std(), 0.0),
    ],
    ids=["same", "dimmer", "brighter", "another mean", "positive", "smoother", "shrunk"],
)
def test_what_a_regulariser_may_do_passes(volume: np.ndarray, change) -> None:
    assert refusal(volume, change(volume)) == ""


@pytest.mark.parametrize(
    ("change", "phrase"),
    [
        (lambda v: np.where(v > 0.1, np.nan, v), "NaN or infinite"),
        (lambda v: np.where(v > 0.1, np.inf, v), "NaN or infinite"),
        (lambda v: v.astype(np.float64) * 1e40, "beyond the range of float32"),
        (lambda v: 2.1 * v, "has a power of"),
        (lambda v: v + wave(6, 0.1), "shell 6 has a power of"),
        (lambda v: -v, "the correlation with the ordinary map is -1.000"),
        (lambda v: np.roll(v, 5, axis=2), "the correlation with the ordinary map is"),
        (lambda v: v[::-1, ::-1, ::-1], "the correlation with the ordinary map is"),
        (lambda v: 0.0 * v, "the correlation with the ordinary map is 0.000"),
        (lambda v: 0.09 * v, "the grey scale is 0.09 of that"),
    ],
)
def test_what_would_ruin_the_next_iteration_does_not(volume, change, phrase: str) -> None:
    assert phrase in refusal(volume, change(volume))


def test_a_flat_map_is_looked_at_too(volume: np.ndarray) -> None:
    flat = volume[:1]

    assert refusal(flat, 0.7 * flat) == ""
    assert "correlation" in refusal(flat, -flat)
    assert "power" in refusal(flat, 3.0 * flat)


def test_an_empty_map_may_stay_empty(volume: np.ndarray) -> None:
    assert refusal(0.0 * volume, 0.0 * volume) == ""
    assert "power" in refusal(0.0 * volume, volume)


@pytest.mark.parametrize("depth", [1, BOX])
def test_the_power_of_all_shells_is_that_of_the_voxels(depth: int) -> None:
    smooth = wave(3, 2.0)[:depth] + 1.0  # nothing lies in the corners beyond the last shell

    power = shell_power(smooth)

    assert power.sum() == pytest.approx((smooth**2).mean())
    assert power[3] == pytest.approx(2.0)
    assert power[0] == pytest.approx(1.0)
