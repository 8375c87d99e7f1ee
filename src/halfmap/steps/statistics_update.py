"""The statistics of a half-set that the next iteration starts from."""

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float, Float32, Int
from numpy import ndarray as Array

from halfmap.model.half_model import HalfModel
from halfmap.model.particle_totals import ParticleTotals
from halfmap.steps.maximisation import Spectra

LEAST_WEIGHT = 1e-6
"""Below this total posterior weight there was no expectation to speak of."""
SMALLEST_OFFSET_SIGMA_A = 2.0**0.5
SCALE_RANGE = 5.0
"""No scale is further than this factor from the median."""
NO_NOISE = 1e-14
"""Smaller noise variances are not believed."""


@dataclass(frozen=True, slots=True)
class UpdateRules:
    """Which statistics are re-estimated in this iteration."""

    noise: bool = True
    offset_sigma: bool = True
    offset_mean: bool = False
    """Each class has its own: 2D references, which no projection centres."""
    norm: bool = True
    mean_likelihood: bool = False
    """Likelihoods are correlations, of which the mean is reported."""
    scale: bool = True


@dataclass(frozen=True, slots=True)
class HalfStatistics:
    """What the expectation of one half-set summed, beside the volumes."""

    noise_power: Float[Array, "optics shell"]
    noise_pixels: Int[Array, "optics shell"]
    """Independent pixels of an image of the group in each shell."""
    direction_weight: Float[Array, "class direction"]
    totals: ParticleTotals
    measured: Bool[Array, "optics shell"] | bool = True
    """Where the images held the noise: it stays as it was where they were cut."""


@dataclass(frozen=True, slots=True)
class HalfMaps:
    """What the maximisation made of the volumes of one half-set."""

    maps: Float32[Array, "class z y x"]
    spectra: tuple[Spectra, ...]
    """Of each class."""
    fsc: Float[Array, " shell"]
    """Zeros when the run is not split."""


def updated_model(
    old: HalfModel, found: HalfStatistics, made: HalfMaps, rules: UpdateRules
) -> HalfModel:
    """Return the model after an iteration; accuracies are those of ``old``."""

    def of_classes(field: str) -> Float[Array, "class shell"]:
        return np.stack([getattr(spectra, field) for spectra in made.spectra])

    with_maps = replace(
        old,
        maps=made.maps,
        fsc=made.fsc,
        signal_variance=of_classes("signal_variance"),
        data_vs_prior=of_classes("data_vs_prior"),
        map_variance=of_classes("map_variance"),
        fourier_coverage=of_classes("fourier_coverage"),
    )
    return updated_statistics(with_maps, found, rules)


def updated_statistics(old: HalfModel, found: HalfStatistics, rules: UpdateRules) -> HalfModel:
    """Return the model with new statistics; the maps and their spectra stay."""
    totals = found.totals
    if totals.weight < LEAST_WEIGHT:
        return old
    model = replace(
        old,
        class_fraction=totals.class_weight / totals.weight,
        direction_fraction=_direction_fraction(old, found),
        log_likelihood=totals.log_likelihood / (totals.weight if rules.mean_likelihood else 1.0),
        mean_max_probability=totals.max_probability / totals.weight,
    )
    if rules.noise:
        expected = 2.0 * totals.optics_weight[:, None] * found.noise_pixels
        noise = noise_variance(old.noise_variance, found.noise_power, expected)
        noise = np.where(found.measured, noise, old.noise_variance)
        model = replace(model, noise_variance=noise)
    if rules.offset_sigma:
        model = replace(model, offset_sigma_A=offset_sigma_A(totals))
    if rules.offset_mean:
        model = replace(model, offset_mean_A=offset_means_A(totals))
    if rules.norm:
        model = replace(model, mean_norm=totals.norm / totals.weight)
    if rules.scale:
        model = replace(model, group_scale=group_scales(totals))
    return model


def with_equal_classes(model: HalfModel) -> HalfModel:
    """Give all classes the map and the spectra of the first, and equal shares."""
    n = len(model.class_fraction)

    def repeated(of_classes: Float[Array, "class ..."]) -> Float[Array, "class ..."]:
        return np.repeat(of_classes[:1], n, axis=0)

    return replace(
        model,
        maps=repeated(model.maps),
        signal_variance=repeated(model.signal_variance),
        data_vs_prior=repeated(model.data_vs_prior),
        map_variance=repeated(model.map_variance),
        fourier_coverage=repeated(model.fourier_coverage),
        class_fraction=np.full(n, 1.0 / n),
        direction_fraction=repeated(model.direction_fraction) / n,
    )


def _direction_fraction(old: HalfModel, found: HalfStatistics) -> Float[Array, "class direction"]:
    """Return the occupancy of the grid; uniform where orientations are fixed, off the grid."""
    if found.direction_weight.any():
        return np.asarray(found.direction_weight / found.totals.weight)
    share = found.totals.class_weight / found.totals.weight / old.direction_fraction.shape[1]
    return np.repeat(share[:, None], old.direction_fraction.shape[1], axis=1)


def with_uniform_directions(model: HalfModel, n_directions: int) -> HalfModel:
    """Forget which directions were occupied: the sampling has others now.

    Nor is one class more likely than another until the next iteration has counted (as in RELION);
    but an empty one stays empty.
    """
    populated = model.class_fraction > 0.0
    share = np.where(populated, 1.0 / len(populated), 0.0)[:, None] / n_directions
    return replace(model, direction_fraction=np.repeat(share, n_directions, axis=1))


def noise_variance(
    old: Float[Array, "optics shell"],
    power: Float[Array, "optics shell"],
    expected: Float[Array, "optics shell"],
) -> Float[Array, "optics shell"]:
    """Return the noise per real component of an independent pixel.

    Parameters
    ----------
    old
        Kept for a group without particles.
    power
        Residual |R - X|², summed over particles and pixels.
    expected
        What it would be for noise of variance 1: posterior weight times twice the pixels.

    Returns
    -------
    noise_variance
        A shell without noise, or without pixels, takes over that of the shell before: its inverse
        is a weight.
    """
    seen = expected.max(axis=1) > 0.0
    variance = np.where(seen[:, None], power / np.where(expected > 0.0, expected, 1.0), old)
    for shell in range(1, variance.shape[1]):
        silent = seen & (variance[:, shell] < NO_NOISE)
        variance[silent, shell] = variance[silent, shell - 1]
    return np.asarray(variance)


def group_scales(totals: ParticleTotals) -> Float[Array, " group"]:
    """Return the intensity scale of each group; their mean over particles is 1.

    The regression of the images on the model, kept within a factor 5 of the median. A single
    group has scale 1.
    """
    power = totals.scale_power
    scale = np.divide(totals.scale_signal, power, out=np.ones_like(power), where=power > 0.0)
    median = np.sort(scale)[len(scale) // 2]
    scale = np.clip(scale, median / SCALE_RANGE, median * SCALE_RANGE)
    return np.asarray(scale / weighted_mean(scale, totals.group_particles))


def weighted_mean(values: Float[Array, " n"], counts: Int[Array, " n"]) -> float:
    """Return the mean over particles of what their group has."""
    return float((values * counts).sum() / counts.sum())


def offset_means_A(totals: ParticleTotals) -> Float[Array, "class 2"]:
    """Return the mean offset of the particles of each class; 0 for a class without any."""
    weight = totals.class_weight[:, None]
    means = np.zeros_like(totals.class_offset_A)
    np.divide(totals.class_offset_A, weight, out=means, where=weight > LEAST_WEIGHT)
    return means


def offset_sigma_A(totals: ParticleTotals) -> float:
    """Return the standard deviation of one component of the offsets, at least √2 Å."""
    variance = totals.offset_power_A2 / (2.0 * totals.weight)
    return float(max(SMALLEST_OFFSET_SIGMA_A, np.sqrt(variance)))
