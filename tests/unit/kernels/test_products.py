"""Shifted copies, products with slices and coarse scores."""

import numpy as np
import pytest
from numpy import ndarray as Array

from halfmap.kernels.protocol import Kernels, Pixels, Spectra, Volume
from halfmap.model.padded_sphere import PaddedSphere

from .small_problem import DISC, REFERENCE, both, some_axes


def test_shifted_copies_agree(kernels: Kernels, spectra: Spectra, ramps: Array) -> None:
    flat = ramps.reshape(20, -1)
    both(kernels, lambda k, out: k.shifted(spectra.masked, flat, out), (3, 20, DISC.width))


def test_products_agree(kernels: Kernels, spectra: Spectra, slices: Array) -> None:
    both(kernels, lambda k, out: k.products(spectra.masked, slices, out), (3, 24))


def test_half_powers_agree(kernels: Kernels, slices: Array) -> None:
    both(kernels, lambda k, out: k.half_power(slices, out), (24, DISC.width // 2 + 8))


@pytest.mark.parametrize("n", [1, 7, 8, 21])
def test_cone_scores_agree_for_any_number_of_orientations(
    kernels: Kernels,
    source: tuple[Volume, Pixels],
    spectra: Spectra,
    ramps: Array,
    sphere: PaddedSphere,
    n: int,
) -> None:
    axes = some_axes(np.random.default_rng(2), sphere)
    copies = np.empty((1, 5, DISC.width), np.float32)
    REFERENCE.shifted(spectra.masked[:1], ramps[:, 0], copies)

    def score(k: Kernels, out: Array) -> None:
        k.cone_scores(source, axes[:n], copies[0], spectra.power[0], (out[:5], out[5]))

    both(kernels, score, (6, n))
