"""Likelihoods, noise and the inserted signal against the formulas."""

from dataclasses import replace

import numpy as np
import pytest
from numpy import ndarray as Array
from small_search import BOX, GLOBAL, PIXEL_A, density, model, optics, particles, plan, search

from halfmap.kernels.protocol import Kernels, Pixels, Volume
from halfmap.kernels.registry import make_kernels
from halfmap.model.ctf import contrast_transfer
from halfmap.model.exact import decode
from halfmap.model.fourier import (
    centring_signs,
    frequencies_2d,
    inverse_2d,
    pixels_per_shell,
    shells_2d,
    transform_2d,
)
from halfmap.model.mask import fill_outside_mean, soft_circle
from halfmap.model.particles import Particles
from halfmap.steps.search import Search
from halfmap.steps.search_plan import SearchRules
from halfmap.steps.slices import coarse_axes

from .small_unit import EXHAUSTIVE, NOISE, data, global_search_of, run


def test_the_residual_of_images_of_the_map_is_the_noise(kernels: Kernels) -> None:
    pictures, those, _, _ = data(EXHAUSTIVE, noise=NOISE, those=particles(60))
    known = model(density()[None], EXHAUSTIVE, NOISE)
    unmasked = replace(plan(those).images, mask_radius_px=BOX)
    made = search(known, replace(plan(those, EXHAUSTIVE), images=unmasked), kernels)

    found, sums = run(pictures, those, made)

    _, noise, _ = decode(sums, made.scales, made.sphere)
    pixels = np.bincount(made.disc.shell, minlength=13)[1:8]
    per_pixel = noise[0, 1:8] / (2.0 * found.weight.sum() * pixels)
    # 60 images of 4 to 23 complex pixels a shell: the estimate scatters by 5 % or less
    np.testing.assert_allclose(per_pixel, known.noise_variance[0, 1:8], rtol=0.15)
    # the norm compares all of the residual with what is expected of the pixels
    expected = 2.0 * known.noise_variance[0, 1:] @ pixels_per_shell(BOX)[1:]
    # an image of 576 pixels scatters by 6 %, 60 of them by five times that, their mean by 0.8 %
    np.testing.assert_allclose(found.norm**2, 2.0 * expected, rtol=0.3)
    assert np.mean(found.norm**2) == pytest.approx(2.0 * expected, rel=0.03)


@pytest.mark.parametrize("fraction", [[1.0], [0.3, 0.7]])
def test_every_number_is_that_of_the_formulas(kernels: Kernels, fraction: list[float]) -> None:
    """One pass over 576 orientations and 5 shifts, in double precision, term by term."""
    pictures, those, _, _ = data(EXHAUSTIVE, noise=6.0, those=particles(2))
    volumes = np.stack([density(), density(seed=8)])[: len(fraction)]
    known = replace(model(volumes, EXHAUSTIVE, 6.0), group_scale=np.array([1.3, 0.8]))
    known = replace(known, direction_fraction=np.outer(fraction, np.full(48, 1.0 / 48.0)))
    # each class expects its particles elsewhere, and hardly minds (sigma 1e5 Å)
    known = replace(known, offset_mean_A=np.array([[3.0, -1.0], [0.0, 5.0]])[: len(fraction)])
    # each class measures the intensity scale on shells of its own
    measured = np.array([[5], [3]])[: len(fraction)]
    data_vs_prior = np.where(np.arange(13) < measured, 10.0, 1.0)
    planned = plan(those, EXHAUSTIVE, SearchRules(adaptive_fraction=0.8))
    made = search(replace(known, data_vs_prior=data_vs_prior), planned, kernels)

    found, sums = run(pictures, those, made)

    expected = [formulas(pictures[i], i, those, made) for i in range(2)]
    names = ("log_likelihood", "max_probability", "weight", "scale_signal", "scale_power")
    for name in (*names, "class_weight", "class_offset_A", "offset_power_A2"):
        wanted = [one[name] for one in expected]
        # likelihoods of order 500 decide the posterior: 1e-4 relative in single precision
        # offsets of up to 4 Å to both sides nearly cancel
        exact = 2e-3 if name == "class_offset_A" else 0.0
        mine = getattr(found, name)
        np.testing.assert_allclose(mine, wanted, rtol=5e-4, atol=exact, err_msg=name)
    assert found.n_significant.tolist() == [one["n_significant"] for one in expected]
    assert (found.weight < 0.99).all()
    _, noise, _ = decode(sums, made.scales, made.sphere)
    np.testing.assert_allclose(noise[0], sum(one["noise"] for one in expected), rtol=5e-4)
    norms = [np.sqrt(2.0 * one["noise"].sum()) for one in expected]
    np.testing.assert_allclose(found.norm, norms, rtol=5e-4)


def formulas(picture: Array, row: int, those: Particles, made: Search) -> dict[str, Array]:
    """Likelihood, posterior and sums of one particle that has no offset yet."""
    ky, kx = frequencies_2d(BOX)
    shell, disc = shells_2d(BOX), (kx**2 + ky**2 <= 64) & ((kx > 0) | (ky >= 0))
    table = (shell <= 8) & ((kx > 0) | (ky >= 0)) & (ky > -8)
    masked = fill_outside_mean(picture, soft_circle(BOX, 10.0, 2.0))
    spectrum = transform_2d(masked) * centring_signs((BOX, BOX // 2 + 1))
    variance = made.model.noise_variance[0, 0]
    scale = made.model.group_scale[row % 2]
    ctf = contrast_transfer(kx, ky, those.defocus[row : row + 1], those.optics[0])[0]
    fine = Pixels(kx[disc].astype(np.float32), ky[disc].astype(np.float32))
    assert made.candidates is not None
    slices = np.empty((len(made.candidates), 2 * disc.sum()), np.float32)
    axes = coarse_axes(made, made.candidates.direction, made.candidates.psi)
    for k, volume in enumerate(made.volumes):
        own = made.candidates.class_index == k
        slices[own] = projected(volume, axes[own], fine)
    model_part = np.zeros((len(slices), 5, *kx.shape), np.complex128)
    model_part[..., disc] = (scale * ctf[disc] * slices.view(np.complex64))[:, None]
    shifts = made.shifts.fine_A.reshape(-1, 2) / PIXEL_A
    turns = (shifts[:, 0, None, None] * kx + shifts[:, 1, None, None] * ky) / BOX
    shifted = spectrum * np.exp(-2j * np.pi * turns)
    squared = np.abs(model_part - shifted) ** 2
    likely = table & (shell > 0)
    high = np.abs(spectrum[(shell > 8) & (shell <= 12) & ((kx > 0) | (ky > 0))]) ** 2
    misfit = 0.5 * squared[..., likely].sum(axis=-1) / variance + 0.5 * high.sum()
    share = made.model.direction_fraction.sum(axis=1)[made.candidates.class_index, None]
    weight = share / share.mean() * np.exp(misfit.min() - misfit)
    log_evidence = np.log(weight.sum()) - misfit.min()
    falling = np.sort(weight.ravel())[::-1]
    n = int(np.argmax(np.cumsum(falling) > 0.8 * weight.sum())) + 1
    posterior = np.where(weight >= falling[n - 1], weight, 0.0) / weight.sum()
    by_class = posterior.reshape(made.n_classes, 576, 5)
    noise = np.zeros(13)
    for r in range(9):
        noise[r] = np.sum(posterior * squared[..., table & (shell == r)].sum(axis=-1))
    for r in range(9, 13):
        own = (shell == r) & ((kx > 0) | (ky > 0))
        noise[r] = np.sum(np.abs(spectrum[own]) ** 2)
    cross, power = np.zeros(by_class.shape), np.zeros(by_class.shape)
    parts = model_part.reshape(*by_class.shape, *kx.shape)
    for k, ratio in enumerate(made.model.data_vs_prior):
        measured = table & (ratio[shell.clip(max=12)] > 3.0)
        cross[k] = (parts[k].conj() * shifted).real[..., measured].sum(axis=-1)
        power[k] = (np.abs(parts[k]) ** 2)[..., measured].sum(axis=-1)
    return {
        **offset_sums(by_class.sum(axis=1), made),
        "log_likelihood": log_evidence - likely.sum() * np.log(2.0 * np.pi * variance),
        "max_probability": posterior.max(),
        "n_significant": n,
        "weight": posterior.sum(),
        "noise": noise,
        "class_weight": by_class.sum(axis=(1, 2)),
        "scale_signal": np.sum(by_class * cross) / scale,
        "scale_power": np.sum(by_class * power) / scale**2,
    }


def offset_sums(by_shift: Array, made: Search) -> dict[str, Array]:
    """Sum offsets, and their squared distances from the mean of each class."""
    offset = made.shifts.fine_A.reshape(-1, 2)
    away = offset - made.model.offset_mean_A[:, None]
    return {
        "class_offset_A": by_shift @ offset,
        "offset_power_A2": np.sum(by_shift * np.sum(away**2, axis=2)),
    }


def projected(volume: Volume, axes: Array, pixels: Pixels) -> Array:
    """Cut slices by the definition."""
    out = np.empty((len(axes), 2 * len(pixels.kx)), np.float32)
    make_kernels("reference").project(volume, axes, pixels, out)
    return out


def test_beyond_the_window_the_power_of_the_image_itself_is_noise(kernels: Kernels) -> None:
    pictures, those, _, _ = data(GLOBAL)
    made = global_search_of(those, kernels)

    _, sums = run(pictures, those, made)

    _, noise, _ = decode(sums, made.scales, made.sphere)
    masked = fill_outside_mean(pictures, soft_circle(BOX, 10.0, 2.0))
    power = np.abs(transform_2d(masked)) ** 2
    power[:, BOX // 2 + 1 :, 0] = 0.0
    shells = shells_2d(BOX)
    expected = [power[:, shells == r].sum() for r in range(9, 13)]
    # transforms in single precision
    np.testing.assert_allclose(noise[0, 9:], expected, rtol=1e-5)


def test_premultiplied_images_are_inserted_as_the_plain_ones(kernels: Kernels) -> None:
    # CTF X with weight CTF² is what the plain image X is turned into anyway
    pictures, plain, _, _ = data(EXHAUSTIVE, noise=0.05)
    ky, kx = frequencies_2d(BOX)
    ctf = contrast_transfer(kx, ky, plain.defocus, plain.optics[0])
    multiplied = inverse_2d(transform_2d(pictures) * ctf, BOX).astype(np.float32)
    done = replace(plain, optics=(optics("done", premultiplied=True),))
    known = model(density()[None], EXHAUSTIVE, 0.5)

    def summed(pictures: Array, those: Particles) -> tuple[Array, Array]:
        made = search(known, plan(those, EXHAUSTIVE), kernels)
        _, sums = run(pictures, those, made)
        (volume,), _, _ = decode(sums, made.scales, made.sphere)
        return volume.signal, volume.weight

    signal, weight = summed(multiplied, done)
    expected_signal, expected_weight = summed(pictures, plain)
    # both posteriors are all but one state
    np.testing.assert_allclose(weight, expected_weight, atol=2e-3 * expected_weight.max())
    np.testing.assert_allclose(signal, expected_signal, atol=2e-3 * np.abs(expected_signal).max())
