"""Detectors: their curves as files have them, and what images of several are multiplied with."""

from pathlib import Path

import numpy as np
import pytest

from halfmap.io.aberration_columns import read_detector
from halfmap.model.detector import Detector, to_mean_detector

SHARP, SOFT = Detector((0.0, 0.4), (1.0, 0.6)), Detector((0.0, 0.4), (1.0, 0.2))
FREQUENCY = np.array([0.0, 0.1, 0.4, 0.9])


def test_a_curve_is_interpolated_and_constant_beyond_its_ends() -> None:
    np.testing.assert_allclose(SHARP.at(FREQUENCY), [1.0, 0.9, 0.6, 0.6])


def test_images_of_one_detector_stay_as_they_are() -> None:
    assert np.all(to_mean_detector(SHARP, (SHARP, SHARP, SHARP), FREQUENCY) == 1.0)


def test_images_of_two_are_brought_to_their_mean_however_many_groups_there_are() -> None:
    for groups in ((SHARP, SOFT), (SHARP, SHARP, SOFT)):
        sharp, soft = (to_mean_detector(own, groups, FREQUENCY) for own in (SHARP, SOFT))
        np.testing.assert_allclose(sharp * SHARP.at(FREQUENCY), [1.0, 0.85, 0.4, 0.4])
        np.testing.assert_allclose(soft * SOFT.at(FREQUENCY), [1.0, 0.85, 0.4, 0.4])


@pytest.mark.parametrize(
    "name", ["de20_300kV", "falcon2_300kV", "falcon3EC_200kV", "falcon4EC_300kV", "k2_300kV"]
)
def test_real_curves_are_read(shared: Path, name: str) -> None:
    found = read_detector(shared / f"data/tables/mtf/mtf_{name}.star", pixel_size_A=0.8)

    assert found.response[0] == pytest.approx(1.0, abs=1e-3)
    # Nyquist is half a cycle a pixel; a detector keeps some of the contrast there, not most.
    assert 0.04 < found.at(np.array([0.5 / 0.8]))[0] < 0.6


def test_frequencies_are_those_of_the_detector_pixel_on_the_specimen(shared: Path) -> None:
    found = read_detector(shared / "data/tables/mtf/mtf_k2_300kV.star", pixel_size_A=0.5)

    assert found.frequency_per_A[2] == 0.001 / 0.5
    assert found.response[2] == 0.985642
