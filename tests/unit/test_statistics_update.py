from dataclasses import replace

import numpy as np
import pytest

from halfmap.model.fourier import pixels_per_shell
from halfmap.model.half_model import HalfModel
from halfmap.model.optics import Defocus, Optics
from halfmap.model.particle_totals import ParticleTotals
from halfmap.model.particles import Particles
from halfmap.steps.maximisation import Spectra
from halfmap.steps.statistics_update import (
    HalfMaps,
    HalfStatistics,
    UpdateRules,
    group_scales,
    noise_variance,
    offset_means_A,
    offset_sigma_A,
    updated_model,
    updated_statistics,
    with_uniform_directions,
)

N_SHELLS = 9


def old_model() -> HalfModel:
    return HalfModel(
        maps=np.zeros((1, 16, 16, 16), np.float32),
        noise_variance=np.full((2, N_SHELLS), 5.0),
        signal_variance=np.ones((1, N_SHELLS)),
        data_vs_prior=np.ones((1, N_SHELLS)),
        map_variance=np.ones((1, N_SHELLS)),
        fourier_coverage=np.ones((1, N_SHELLS)),
        fsc=np.zeros(N_SHELLS),
        class_fraction=np.ones(1),
        direction_fraction=np.full((1, 4), 0.25),
        group_scale=np.ones(3),
        mean_norm=1.0,
        offset_sigma_A=10.0,
        offset_mean_A=np.zeros((1, 2)),
        log_likelihood=0.0,
        mean_max_probability=0.0,
        accuracy_rotation_deg=np.array([3.0]),
        accuracy_translation_A=np.array([2.0]),
        orientability=np.zeros(N_SHELLS),
    )


def totals(**changes: object) -> ParticleTotals:
    some = ParticleTotals(
        n_particles=10,
        class_weight=np.array([8.0]),
        class_offset_A=np.array([[16.0, -4.0]]),
        optics_weight=np.array([8.0, 0.0]),
        norm=7.2,
        group_particles=np.array([5, 3, 2]),
        scale_signal=np.array([2.0, 3.0, 0.0]),
        scale_power=np.array([2.0, 2.0, 0.0]),
        offset_power_A2=400.0,
        log_likelihood=-123.0,
        max_probability=6.0,
    )
    return replace(some, **changes)


def found(**changes: object) -> HalfStatistics:
    power = np.zeros((2, N_SHELLS))
    power[0] = 2.0 * 8.0 * pixels_per_shell(16) * 3.0
    return HalfStatistics(
        power,
        np.tile(pixels_per_shell(16), (2, 1)),
        np.array([[4.0, 2.0, 2.0, 0.0]]),
        totals(**changes),
    )


def test_statistics_are_means_over_the_posterior_weight() -> None:
    model = updated_statistics(old_model(), found(), UpdateRules())

    np.testing.assert_allclose(model.class_fraction, [1.0])
    np.testing.assert_allclose(model.direction_fraction, [[0.5, 0.25, 0.25, 0.0]])
    assert model.mean_norm == pytest.approx(0.9)
    assert model.mean_max_probability == pytest.approx(0.75)
    assert model.offset_sigma_A == pytest.approx(5.0)
    assert model.log_likelihood == -123.0
    np.testing.assert_allclose(model.noise_variance[0], 3.0)


def test_a_group_without_particles_keeps_its_noise() -> None:
    model = updated_statistics(old_model(), found(), UpdateRules())

    np.testing.assert_array_equal(model.noise_variance[1], 5.0)


def test_what_is_fixed_stays() -> None:
    rules = UpdateRules(noise=False, offset_sigma=False, norm=False, scale=False)

    model = updated_statistics(old_model(), found(), rules)

    np.testing.assert_array_equal(model.noise_variance, 5.0)
    assert model.offset_sigma_A == 10.0
    assert model.mean_norm == 1.0
    np.testing.assert_array_equal(model.group_scale, 1.0)


def test_without_any_weight_nothing_is_updated() -> None:
    old = old_model()

    assert updated_statistics(old, found(class_weight=np.zeros(1)), UpdateRules()) is old


def test_a_single_scale_group_has_scale_one() -> None:
    old = replace(old_model(), group_scale=np.ones(1))
    one = found(
        group_particles=np.array([10]), scale_signal=np.array([3.0]), scale_power=np.array([2.0])
    )

    np.testing.assert_allclose(updated_statistics(old, one, UpdateRules()).group_scale, [1.0])


def test_scales_average_to_one_over_the_particles() -> None:
    scales = group_scales(totals())

    # Ratios 1, 1.5 and, without power, 1; their mean over particles is 1.15.
    np.testing.assert_allclose(scales, np.array([1.0, 1.5, 1.0]) / 1.15)


def test_an_outlying_scale_is_pulled_to_five_times_the_median() -> None:
    outlying = totals(scale_signal=np.array([1.0, 100.0, 0.01]), scale_power=np.ones(3))

    scales = group_scales(outlying)

    np.testing.assert_allclose(scales / scales[0], [1.0, 5.0, 0.2])


def test_offsets_never_become_certain() -> None:
    assert offset_sigma_A(totals(offset_power_A2=1.0)) == pytest.approx(np.sqrt(2))


def test_a_shell_without_noise_takes_that_of_the_shell_before() -> None:
    power = np.tile(2.0 * pixels_per_shell(16).astype(float), (1, 1))
    power[0, 6:8] = 0.0

    variance = noise_variance(np.zeros((1, N_SHELLS)), power, 2.0 * pixels_per_shell(16)[None])

    np.testing.assert_allclose(variance, 1.0)


def test_new_directions_are_equally_likely() -> None:
    fraction = with_uniform_directions(old_model(), 8).direction_fraction

    np.testing.assert_array_equal(fraction, np.full((1, 8), 1 / 8))


def test_the_new_model_has_the_new_maps_and_keeps_the_accuracies() -> None:
    shells = np.arange(N_SHELLS, dtype=float)
    made = HalfMaps(
        maps=np.ones((1, 16, 16, 16), np.float32),
        spectra=(Spectra(shells, shells + 1, shells + 2, shells + 3),),
        fsc=shells + 4,
    )

    model = updated_model(old_model(), found(), made, UpdateRules())

    assert model.maps[0, 0, 0, 0] == 1.0
    rows = (model.map_variance, model.signal_variance, model.data_vs_prior, model.fourier_coverage)
    for n, row in enumerate(rows):
        np.testing.assert_array_equal(row, [shells + n])
    np.testing.assert_array_equal(model.fsc, shells + 4)
    assert model.mean_norm == pytest.approx(0.9)
    assert model.accuracy_rotation_deg[0] == 3.0


class Reports:
    """Five particles' reports."""

    class_weight = np.array([[1.0, 0.0], [0.5, 0.5], [0.25, 0.5], [0.0, 1.0], [7.0, 7.0]])
    class_offset_A = class_weight[:, :, None] * np.array([2.0, -1.0])
    norm = np.array([1.0, 2.0, 3.0, 4.0, 100.0])
    scale_signal = np.array([1.0, 2.0, 3.0, 4.0, 100.0])
    scale_power = np.array([2.0, 4.0, 6.0, 8.0, 100.0])
    offset_power_A2 = np.array([1.0, 1.0, 1.0, 2.0, 100.0])
    log_likelihood = np.array([-1.0, -2.0, -3.0, -4.0, -100.0])
    max_probability = np.array([0.5, 0.5, 0.25, 0.25, 1.0])


def test_totals_are_taken_over_the_rows_of_one_half_and_by_group() -> None:
    optics = Optics("one", 300.0, 2.7, 0.1, 5.0, 16)
    zeros = np.zeros(5)
    particles = Particles(
        stacks=("a.mrcs",),
        stack=np.zeros(5, int),
        slice=np.arange(5),
        optics=(optics, optics, optics),
        optics_group=np.array([0, 1, 1, 0, 0]),
        scale_groups=("m1", "m2"),
        scale_group=np.array([1, 0, 1, 1, 1]),
        half=np.array([0, 0, 0, 0, 1]),
        defocus=Defocus(zeros, zeros, zeros, zeros, zeros, zeros),
    )

    summed = ParticleTotals.of_rows(Reports(), particles, np.array([0, 1, 2, 3]))

    assert summed.n_particles == 4
    np.testing.assert_array_equal(summed.class_weight, [1.75, 2.0])
    np.testing.assert_array_equal(summed.class_offset_A, [[3.5, -1.75], [4.0, -2.0]])
    assert summed.weight == 3.75
    np.testing.assert_array_equal(summed.optics_weight, [2.0, 1.75, 0.0])
    np.testing.assert_array_equal(summed.group_particles, [1, 3])
    np.testing.assert_array_equal(summed.scale_signal, [2.0, 8.0])
    np.testing.assert_array_equal(summed.scale_power, [4.0, 16.0])
    assert (summed.norm, summed.offset_power_A2) == (10.0, 5.0)
    assert (summed.log_likelihood, summed.max_probability) == (-10.0, 1.5)


def test_the_mean_offset_of_a_class_is_that_of_its_own_particles() -> None:
    # RELION divides by the weight of all classes
    summed = totals(
        class_weight=np.array([6.0, 2.0, 0.0]),
        class_offset_A=np.array([[12.0, -6.0], [3.0, 1.0], [0.0, 0.0]]),
    )

    np.testing.assert_allclose(offset_means_A(summed), [[2.0, -1.0], [1.5, 0.5], [0.0, 0.0]])
