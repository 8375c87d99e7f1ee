import numpy as np
import pytest
from dense_transform import dense_transform

from halfmap.model.fourier import frequencies_3d, low_pass, radii
from halfmap.model.fsc import map_fsc
from halfmap.model.padded_sphere import PaddedSphere
from halfmap.model.padded_transform import padded_box
from halfmap.model.sums import FourierSums
from halfmap.model.touched_voxels import n_touched, packed, planes
from halfmap.steps.half_maps import (
    downsampled_average,
    half_map_fsc,
    join_low_resolution,
    join_shell,
    low_resolution_part,
    solvent_corrected_fsc,
    with_random_phases,
    without_chance,
)
from halfmap.steps.phases import alone
from halfmap.steps.reconstruction import reconstruct
from halfmap.steps.solvent import solvent_mask

BOX, R_MAX = 32, 12


def noise_sums(rng: np.random.Generator) -> FourierSums:
    """Sums over particles of pure noise: what nothing but a leak could correlate."""
    sphere = PaddedSphere(R_MAX, 2.0)
    noise = rng.normal(size=(2, *sphere.shape))
    weight = rng.uniform(0.5, 1.5, size=sphere.shape)
    return FourierSums.of(noise[0] + 1j * noise[1], weight, R_MAX, 2.0)


def fsc_of(a: FourierSums, b: FourierSums) -> np.ndarray:
    x, y = (alone(downsampled_average(sums)) for sums in (a, b))
    parts = slice(0, 5), slice(5, len(x))
    return half_map_fsc(((part, x[part], y[part]) for part in parts), a.sphere, BOX)


def test_halves_of_independent_noise_do_not_correlate(rng) -> None:
    fsc = fsc_of(noise_sums(rng), noise_sums(rng))

    # The real part of n independent complex points scatters by 1/√(2n).
    shell = np.floor(np.sqrt(PaddedSphere(R_MAX, 1.0).squared_radius()) + 0.5)
    points = np.array([(shell == r).sum() for r in range(1, R_MAX + 1)])
    assert np.all(np.abs(fsc[1 : R_MAX + 1]) < 3 / np.sqrt(2 * points))


def test_identical_halves_correlate_perfectly(rng) -> None:
    sums = noise_sums(rng)

    np.testing.assert_allclose(fsc_of(sums, sums)[: R_MAX + 1], 1.0)


def test_shell_zero_is_one_and_shells_beyond_the_window_are_zero(rng) -> None:
    fsc = fsc_of(noise_sums(rng), noise_sums(rng))

    assert len(fsc) == BOX // 2 + 1
    assert fsc[0] == 1.0
    assert np.all(fsc[R_MAX + 1 :] == 0.0)


def test_joined_halves_correlate_perfectly_inside_the_radius_and_not_beyond(rng) -> None:
    a, b = noise_sums(rng), noise_sums(rng)

    parts = [low_resolution_part(sums, 6) for sums in (a, b)]

    fsc = fsc_of(join_low_resolution(a, parts[1], 6), join_low_resolution(b, parts[0], 6))

    # Voxels up to 6 * 2 in the padded grid; shells up to 5 lie wholly inside.
    np.testing.assert_array_equal(fsc[:6], 1.0)
    assert np.all(np.abs(fsc[8:]) < 0.2)


def test_joining_changes_nothing_outside_the_radius(rng) -> None:
    a, b = noise_sums(rng), noise_sums(rng)
    signal, weight = a.signal, a.weight

    joined = join_low_resolution(a, low_resolution_part(b, 6), 6)

    square = PaddedSphere(R_MAX, 2.0).squared_radius()
    inside = square <= 12**2
    np.testing.assert_array_equal(joined.signal[~inside], signal[~inside])
    np.testing.assert_array_equal(joined.signal[inside], 0.5 * (signal + b.signal)[inside])
    np.testing.assert_array_equal(joined.weight[inside], 0.5 * (weight + b.weight)[inside])


def test_the_other_half_is_shown_no_more_than_the_low_resolution_part(rng) -> None:
    sums = noise_sums(rng)

    part = low_resolution_part(sums, 6)

    inner = PaddedSphere(6, 2.0)
    margin = sums.half - inner.half
    own = sums.weight[margin:-margin, margin:-margin, : inner.half + 1]
    assert len(part.values) == n_touched(inner)
    np.testing.assert_array_equal(planes(packed(own, inner), inner), part.weight)


def test_halves_are_joined_up_to_the_limit_but_not_beyond_the_resolution() -> None:
    assert join_shell(40.0, 20, 64, 5.0) == 8
    assert join_shell(40.0, 6, 64, 5.0) == 6
    assert join_shell(39.0, 20, 64, 5.0) == 9  # 8.2, rounded up


def test_the_average_divides_sums_of_padded_voxels() -> None:
    sphere = PaddedSphere(R_MAX, 2.0)
    signal, weight = np.zeros(sphere.shape, complex), np.zeros(sphere.shape)
    h = sphere.half
    # Padded components 3 and 4 are unpadded 2 (halves go away from zero), -3 and -4 are -2.
    signal[h + 3, h - 4, 3], weight[h + 3, h - 4, 3] = 6.0, 1.0
    signal[h + 4, h - 3, 4], weight[h + 4, h - 3, 4] = 2.0 + 4.0j, 3.0

    average = alone(downsampled_average(FourierSums.of(signal, weight, R_MAX, 2.0)))

    middle = R_MAX + 1
    assert average.shape == (2 * middle + 1, 2 * middle + 1, middle + 1)
    assert average[middle + 2, middle - 2, 2] == pytest.approx((8.0 + 4.0j) / 4.0)
    assert np.count_nonzero(average) == 1


def sums_of_map(volume: np.ndarray) -> FourierSums:
    padded = padded_box(BOX, 2.0)
    sphere = PaddedSphere(BOX // 2, 2.0)
    signal = dense_transform(volume, padded, sphere.half) / BOX**2
    inside = sphere.squared_radius() <= sphere.reach**2
    return FourierSums.of(signal * inside, inside.astype(float), BOX // 2, 2.0)


def half_maps(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    z, y, x = np.ogrid[-16:16, -16:16, -16:16]
    signal = np.exp(-((x - 2) ** 2 / 12 + (y + 1) ** 2 / 18 + (z - 3) ** 2 / 9))
    return tuple(
        reconstruct(sums_of_map(signal + rng.normal(size=signal.shape, scale=0.1)), BOX, None)
        for _ in range(2)
    )


def test_the_correction_takes_out_what_the_mask_correlates(rng) -> None:
    # Two maps that share nothing but what fills the same narrow mask.
    mask = solvent_mask(BOX, 1.0, 10.0, 3.0)
    a, b = (low_pass(rng.normal(size=mask.shape), 1.0, 6.0) + mask for _ in range(2))

    corrected = solvent_corrected_fsc(a, b, mask, BOX, rng)

    assert np.mean(corrected[8:]) < np.mean(map_fsc(a * mask, b * mask)[8:])


def test_the_corrected_fsc_of_a_masked_particle_exceeds_the_unmasked(rng) -> None:
    a, b = half_maps(rng)
    mask = solvent_mask(BOX, 1.0, 18.0, 4.0)

    corrected = solvent_corrected_fsc(a, b, mask, 24, rng)

    unmasked = map_fsc(a, b)
    crossing = int(np.flatnonzero(unmasked < 0.5)[0])
    assert corrected[crossing] > unmasked[crossing]
    assert np.all(corrected[13:] == 0.0)


def test_the_correction_begins_two_shells_beyond_the_first_random_one(rng) -> None:
    a, b = half_maps(rng)
    mask = solvent_mask(BOX, 1.0, 18.0, 4.0)
    first_random = int(np.flatnonzero(map_fsc(a, b)[1:] < 0.8)[0]) + 1

    corrected = solvent_corrected_fsc(a, b, mask, BOX, rng)

    masked = map_fsc(a * mask, b * mask)
    np.testing.assert_array_equal(corrected[: first_random + 2], masked[: first_random + 2])
    assert np.all(corrected[first_random + 2 : first_random + 5] != masked[first_random + 2 :][:3])


def test_correlations_that_never_fall_are_not_corrected(rng) -> None:
    a, _ = half_maps(rng)

    np.testing.assert_allclose(solvent_corrected_fsc(a, a, np.zeros_like(a), BOX, rng), 1.0)


def test_chance_is_taken_out_from_two_shells_beyond_the_random_phases() -> None:
    masked = np.array([1.0, 0.9, 0.7, 0.6, 0.3])
    by_chance = np.array([0.0, 0.5, 0.6, 0.2, 0.35])

    np.testing.assert_allclose(without_chance(masked, by_chance, 3), [1.0, 0.9, 0.7, 0.5, 0.0])


def test_random_phases_keep_amplitudes_and_low_frequencies(rng) -> None:
    a, _ = half_maps(rng)

    randomised = with_random_phases(a, 5, rng)

    before, after = np.fft.rfftn(a.astype(float)), np.fft.rfftn(randomised)
    radius = radii(frequencies_3d(BOX))
    high = radius >= 5
    np.testing.assert_allclose(np.abs(after), np.abs(before), rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(after[~high], before[~high], rtol=1e-6, atol=1e-9)
    assert np.abs(map_fsc(a, randomised)[6:]).max() < 0.3
    assert np.all(np.abs(np.angle(after / before)[radius == 5]) > 1e-6)


def test_a_shell_that_chance_alone_explains_divides_by_nothing() -> None:
    above = np.nextafter(1.0, 2.0)  # where rounding may bring a correlation of 1

    corrected = without_chance(np.array([above, above]), np.array([1.0, 0.0]), 0)

    np.testing.assert_allclose(corrected, [0.0, 1.0])
