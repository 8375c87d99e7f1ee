"""One unit of particles through the whole expectation, on a density of 24 px."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields, replace

import numpy as np
import pytest
from numpy import ndarray as Array
from small_search import (
    BOX,
    GLOBAL,
    LOCAL,
    PIXEL_A,
    density,
    images,
    model,
    optics,
    particles,
    plan,
    poses_at,
    search,
    settings,
)

from halfmap.errors import DataError
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
from halfmap.model.orientations import (
    child_angles_deg,
    child_translations_A,
    direction_pixels,
    psi_angles_deg,
)
from halfmap.model.particles import Particles, Poses
from halfmap.model.rotations import angular_distance_deg, euler_angles, euler_matrices
from halfmap.model.sampling import Sampling
from halfmap.model.sums import ExpectationSums
from halfmap.steps import accumulate, expectation, fine_search
from halfmap.steps.coarse_search import global_search, log_shift_prior
from halfmap.steps.expectation import UnitResult, Workspace, run_unit
from halfmap.steps.prepare_images import make_batch, prepare_images
from halfmap.steps.search import Search, SearchRules, coarse_axes

NOISE = 0.3
"""Of the images. The search assumes more, or coarse states would be out of reach of the best."""
ASSUMED = 4.0
N = 6


@pytest.fixture(scope="module")
def kernels() -> Kernels:
    return make_kernels()


def true_poses(sampling: Sampling, n: int = N) -> tuple[Array, Array]:
    """Poses that the fine grid holds."""
    rng = np.random.default_rng(4)
    pixel, _ = direction_pixels(sampling)
    psi = psi_angles_deg(sampling)
    rows = rng.integers(0, len(pixel), n), rng.integers(0, len(psi), n)
    angles = child_angles_deg(sampling, pixel[rows[0]], psi[rows[1]])
    offsets = child_translations_A(sampling).reshape(-1, 2)
    some = rng.integers(0, len(offsets), n)
    return angles[np.arange(n), rng.integers(0, angles.shape[1], n)], offsets[some]


def data(
    sampling: Sampling, noise: float = NOISE, those: Particles | None = None
) -> tuple[Array, Particles, Array, Array]:
    those = those or particles(N)
    angles, offsets = true_poses(sampling, len(those))
    return images(density(), those, angles, offsets, noise), those, angles, offsets


EXHAUSTIVE = replace(GLOBAL, oversampling=0)
"""One pass, so that nothing can be missed."""


def global_search_of(those: Particles, kernels: Kernels, **rules: object) -> Search:
    known = model(density()[None], GLOBAL, ASSUMED, len(those.optics))
    return search(known, plan(those, GLOBAL, SearchRules(**rules)), kernels)  # type: ignore[arg-type]


def exhaustive_search_of(those: Particles, kernels: Kernels, **rules: object) -> Search:
    known = model(density()[None], EXHAUSTIVE, ASSUMED)
    return search(known, plan(those, EXHAUSTIVE, SearchRules(**rules)), kernels)  # type: ignore[arg-type]


def run(
    pictures: Array, those: Particles, made: Search, poses: Poses | None = None
) -> tuple[UnitResult, ExpectationSums]:
    rows = np.arange(len(pictures))
    workspace, sums = Workspace(made), made.zero_sums()
    found = run_unit(pictures, rows, those, poses or Poses.unknown(len(rows)), made, workspace)
    workspace.add_to(sums)
    return found, sums


def distance_deg(found: UnitResult, angles: Array) -> Array:
    none = np.zeros((0, 3, 3))
    return angular_distance_deg(euler_matrices(found.angles_deg), euler_matrices(angles), none)


def assert_same(
    a: tuple[UnitResult, ExpectationSums], b: tuple[UnitResult, ExpectationSums]
) -> None:
    """To the last bit."""
    for field in fields(UnitResult):
        np.testing.assert_array_equal(getattr(a[0], field.name), getattr(b[0], field.name))
    for mine, other in zip(a[1].arrays(), b[1].arrays(), strict=True):
        np.testing.assert_array_equal(mine, other)


def test_the_pose_of_an_image_of_the_map_is_found(kernels: Kernels) -> None:
    pictures, those, angles, offsets = data(GLOBAL)

    found, _ = run(pictures, those, global_search_of(those, kernels))

    assert distance_deg(found, angles).max() < 1e-5
    np.testing.assert_allclose(found.offset_A, offsets, atol=1e-9)
    assert (found.max_probability > 0.3).all()
    assert (found.fault == 0).all()


def test_a_local_search_finds_the_pose_near_the_last_one(kernels: Kernels) -> None:
    pictures, those, angles, offsets = data(replace(LOCAL, offset_range_A=4.0))
    made = search(model(density()[None], LOCAL, ASSUMED), plan(those, LOCAL), kernels)
    # the last offset is a whole pixel away: the search is centred there
    last = np.tile([PIXEL_A, 0.0], (N, 1))

    found, _ = run(pictures, those, made, poses_at(angles + np.array([5.0, -4.0, 6.0]), last))

    assert distance_deg(found, angles).max() < 1e-5
    np.testing.assert_allclose(found.offset_A, offsets, atol=1e-9)


def test_without_oversampling_the_coarse_states_are_the_answer(kernels: Kernels) -> None:
    pictures, those, angles, offsets = data(EXHAUSTIVE)
    made = exhaustive_search_of(those, kernels)

    found, sums = run(pictures, those, made)

    assert distance_deg(found, angles).max() < 1e-5
    np.testing.assert_allclose(found.offset_A, offsets, atol=1e-9)
    assert sums.volume.any()


@pytest.mark.parametrize("sampling", [GLOBAL, LOCAL], ids=["global", "local"])
def test_the_compiled_unit_agrees_with_the_numpy_one(kernels: Kernels, sampling: Sampling) -> None:
    pictures, those, angles, _ = data(sampling, noise=1.0)
    known, planned = model(density()[None], sampling, 1.0), plan(those, sampling)
    poses = poses_at(angles + 3.0, np.zeros((N, 2)))

    found, sums = run(pictures, those, search(known, planned, kernels), poses)
    wanted, expected = run(
        pictures, those, search(known, planned, make_kernels("reference")), poses
    )

    np.testing.assert_array_equal(found.angles_deg, wanted.angles_deg)
    np.testing.assert_array_equal(found.offset_A, wanted.offset_A)
    # scores are sums, of order 1000, of 100 products in single precision
    np.testing.assert_allclose(found.max_probability, wanted.max_probability, atol=1e-3)
    np.testing.assert_allclose(found.log_likelihood, wanted.log_likelihood, atol=5e-3)
    np.testing.assert_allclose(found.norm, wanted.norm, rtol=1e-5)
    assert np.abs(found.n_significant - wanted.n_significant).max() <= 1
    for mine, other in zip(sums.arrays(), expected.arrays(), strict=True):
        difference = np.linalg.norm((mine - other).astype(float))
        assert difference < 2e-4 * np.linalg.norm(other.astype(float))


@pytest.mark.parametrize("sampling", [GLOBAL, LOCAL], ids=["global", "local"])
def test_a_unit_has_the_same_bits_in_a_used_workspace_and_in_any_order(
    kernels: Kernels, sampling: Sampling
) -> None:
    pictures, those, angles, _ = data(sampling, noise=1.0, those=particles(18))
    made = search(model(density()[None], sampling, 1.0), plan(those, sampling), kernels)
    poses = poses_at(angles + 3.0, np.zeros((18, 2)))
    units = [np.arange(first, last) for first, last in ((0, 7), (7, 8), (8, 18))]

    def all_units(order: list[int]) -> tuple[UnitResult, ExpectationSums]:
        workspace, sums = Workspace(made), made.zero_sums()
        rows = UnitResult.empty(18, 1)
        for u in order:
            unit = units[u]
            found = run_unit(pictures[unit], unit, those, poses[unit], made, workspace)
            workspace.add_to(sums)
            for field in fields(UnitResult):
                getattr(rows, field.name)[unit] = getattr(found, field.name)
        return rows, sums

    assert_same(all_units([0, 1, 2]), all_units([2, 0, 1]))


def test_two_threads_give_the_bits_of_one(kernels: Kernels) -> None:
    pictures, those, _, _ = data(GLOBAL, noise=1.0, those=particles(16))
    made = global_search_of(those, kernels)
    alone = run(pictures, those, made)

    with ThreadPoolExecutor(2) as threads:
        together = list(threads.map(lambda _: run(pictures, those, made), range(8)))

    for one in together:
        assert_same(one, alone)


@pytest.mark.parametrize(("value", "code"), [(np.nan, 1), (np.inf, 1), (7.0, 2)])
def test_a_bad_image_is_reported_and_adds_nothing(
    kernels: Kernels, value: float, code: int
) -> None:
    pictures, those, _, _ = data(GLOBAL)
    made = global_search_of(those, kernels)
    spoilt = pictures.copy()
    spoilt[2, 3, 4] = value
    if np.isfinite(value):
        spoilt[2] = value
    rest = np.delete(np.arange(N), 2)

    found, sums = run(spoilt, those, made)
    workspace, expected = Workspace(made), made.zero_sums()
    run_unit(pictures[rest], rest, those, Poses.unknown(N)[rest], made, workspace)
    workspace.add_to(expected)

    assert found.fault.tolist() == [0, 0, code, 0, 0, 0]
    assert found.weight[2] == 0.0
    for mine, other in zip(sums.arrays(), expected.arrays(), strict=True):
        np.testing.assert_array_equal(mine, other)


def test_a_unit_of_bad_images_only_adds_nothing(kernels: Kernels) -> None:
    _, those, _, _ = data(GLOBAL)

    found, sums = run(np.zeros((N, BOX, BOX), np.float32), those, global_search_of(those, kernels))

    assert (found.fault == 2).all()
    assert not any(array.any() for array in sums.arrays())


def test_a_direction_of_prior_zero_is_never_taken(kernels: Kernels) -> None:
    pictures, those, angles, _ = data(GLOBAL)
    free, _ = run(pictures, those, global_search_of(those, kernels))
    known = model(density()[None], GLOBAL, ASSUMED)
    _, directions = direction_pixels(GLOBAL)
    # forbid the hemisphere of the first particle
    up = directions[:, 1] < 90.0
    forbidden = up if angles[0, 1] < 90.0 else ~up
    fraction = known.direction_fraction.copy()
    fraction[:, forbidden] = 0.0
    made = search(replace(known, direction_fraction=fraction), plan(those), kernels)

    found, sums = run(pictures, those, made)

    assert (free.angles_deg[0, 1] < 90.0) != (found.angles_deg[0, 1] < 90.0)
    assert (sums.directions[0, forbidden] == 0).all()
    assert (sums.directions[0, ~forbidden] > 0).any()


def test_the_offset_prior_is_a_gaussian_of_the_whole_offset_in_angstrom(kernels: Kernels) -> None:
    # RELION adds the applied shift in pixels to the searched one in ångström here
    known = replace(model(density()[None], GLOBAL, ASSUMED), offset_sigma_A=6.0)
    made = search(known, plan(particles(1)), kernels)
    applied = np.array([[2, -1]])

    log_prior = log_shift_prior(applied, made)[0]

    offset = made.shifts.coarse_A + np.array([2 * PIXEL_A, -PIXEL_A])
    expected = -0.5 * np.sum(offset**2, axis=1) / 36.0
    np.testing.assert_allclose(log_prior - log_prior[0], expected - expected[0], rtol=1e-5)
    assert np.exp(log_prior.astype(float)).mean() == pytest.approx(1.0, rel=1e-6)


def test_a_very_wide_offset_prior_is_flat(kernels: Kernels) -> None:
    made = search(model(density()[None], GLOBAL, ASSUMED), plan(particles(1)), kernels)

    # offsets of 10 Å against 1e5 Å
    np.testing.assert_allclose(log_shift_prior(np.array([[1, 0]]), made), 0.0, atol=1e-7)


def test_a_perturbed_grid_gives_perturbed_poses(kernels: Kernels) -> None:
    pictures, those, _, _ = data(GLOBAL)
    moved = replace(GLOBAL, perturbation=0.3)
    made = search(model(density()[None], moved, ASSUMED), plan(those, moved), kernels)

    found, _ = run(pictures, those, made)

    turn = euler_matrices(np.full(3, 0.3 * 30.0))
    grid_angles = euler_angles(euler_matrices(found.angles_deg) @ turn.T)
    psi = grid_angles[:, 2] / 15.0 - 0.5  # children lie half a fine step from multiples of it
    np.testing.assert_allclose(psi, np.rint(psi), atol=1e-6)
    on_grid = (found.offset_A - 0.3 * 4.0) / 2.0 - 0.5
    np.testing.assert_allclose(on_grid, np.rint(on_grid), atol=1e-9)


def test_at_most_as_many_states_as_allowed_are_significant(kernels: Kernels) -> None:
    pictures, those, _, _ = data(GLOBAL, noise=3.0)
    noisy = model(density()[None], GLOBAL, 3.0)
    free = run(pictures, those, search(noisy, plan(those), kernels))[0].n_significant
    limit = int(free.max()) // 2

    rules = SearchRules(max_significant=limit)
    found, _ = run(pictures, those, search(noisy, plan(those, GLOBAL, rules), kernels))

    np.testing.assert_array_equal(found.n_significant, np.minimum(free, limit))


def test_no_more_states_than_allowed_are_searched_finely(kernels: Kernels) -> None:
    pictures, those, _, _ = data(GLOBAL, noise=3.0)
    rules = SearchRules(max_significant=4)
    made = search(model(density()[None], GLOBAL, 3.0), plan(those, GLOBAL, rules), kernels)
    batch = make_batch(pictures, np.arange(N), those, Poses.unknown(N), made)

    coarse = global_search(prepare_images(batch, those, made), made, Workspace(made))

    per_image = np.diff(coarse.samples.first_sample[coarse.samples.first_group])
    np.testing.assert_array_equal(per_image, coarse.n_significant)
    assert per_image.max() == 4


def test_a_constant_added_to_an_image_changes_nothing(kernels: Kernels) -> None:
    pictures, those, _, _ = data(EXHAUSTIVE)
    made = exhaustive_search_of(those, kernels)
    plain, _ = run(pictures, those, made)

    found, _ = run(pictures + np.float32(0.5), those, made)

    np.testing.assert_allclose(found.log_likelihood, plain.log_likelihood, rtol=1e-5)
    np.testing.assert_allclose(found.max_probability, plain.max_probability, rtol=1e-3)


@pytest.mark.parametrize("oversampling", [0, 1])
def test_correlation_does_not_depend_on_the_grey_scale(kernels: Kernels, oversampling: int) -> None:
    pictures, those, angles, offsets = data(EXHAUSTIVE)
    of = global_search_of if oversampling else exhaustive_search_of
    made = of(those, kernels, cross_correlation=True)

    found, _ = run(pictures, those, made)
    scaled, _ = run(5.0 * pictures, those, made)

    if not oversampling:
        assert distance_deg(found, angles).max() < 1e-5
        np.testing.assert_allclose(found.offset_A, offsets, atol=1e-9)
    np.testing.assert_array_equal(scaled.angles_deg, found.angles_deg)
    np.testing.assert_allclose(scaled.log_likelihood, found.log_likelihood, rtol=1e-5)
    assert (found.n_significant == 1).all()
    assert (found.max_probability == 1.0).all()


def test_the_finer_state_of_best_correlation_is_the_one_that_brute_force_finds(
    kernels: Kernels,
) -> None:
    pictures, those, _, _ = data(GLOBAL)
    two_pass = global_search_of(those, kernels, cross_correlation=True)
    numpy = search(two_pass.model, two_pass.plan, make_kernels("reference"))

    found, _ = run(pictures, those, two_pass)
    expected, _ = run(pictures, those, numpy)

    np.testing.assert_array_equal(found.angles_deg, expected.angles_deg)
    np.testing.assert_allclose(found.log_likelihood, expected.log_likelihood, rtol=1e-5)


def test_the_correlation_of_a_clean_image_with_its_own_projection_is_almost_one(
    kernels: Kernels,
) -> None:
    pictures, those, _, _ = data(EXHAUSTIVE, noise=0.0)

    found, _ = run(pictures, those, exhaustive_search_of(those, kernels, cross_correlation=True))

    # the mask takes a little from the image and not from the projection
    assert (found.log_likelihood > 0.99).all()
    assert (found.log_likelihood < 1.0).all()


def test_the_intensity_scale_of_brighter_images_is_measured(kernels: Kernels) -> None:
    pictures, those, _, _ = data(GLOBAL)
    made = global_search_of(those, kernels)
    plain, _ = run(pictures, those, made)

    brighter, _ = run(1.5 * pictures, those, made)

    ratio = brighter.scale_signal / brighter.scale_power
    np.testing.assert_allclose(ratio, 1.5 * plain.scale_signal / plain.scale_power, rtol=0.02)


def test_an_image_that_is_too_bright_is_dimmed_by_its_norm(kernels: Kernels) -> None:
    pictures, those, _, _ = data(GLOBAL)
    made = global_search_of(those, kernels)
    plain, sums = run(pictures, those, made)
    twice = replace(Poses.unknown(N), norm=np.full(N, 2.0))

    found, same = run(2.0 * pictures, those, made, twice)

    # a factor of two does not round
    np.testing.assert_array_equal(found.norm, 2.0 * plain.norm)
    for mine, other in zip(same.arrays(), sums.arrays(), strict=True):
        np.testing.assert_array_equal(mine, other)


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
    np.testing.assert_allclose(found.norm**2, 2.0 * expected, rtol=0.3)


@pytest.mark.parametrize("fraction", [[1.0], [0.3, 0.7]])
def test_every_number_is_that_of_the_formulas(kernels: Kernels, fraction: list[float]) -> None:
    """One pass over 576 orientations and 5 shifts, in double precision, term by term."""
    pictures, those, _, _ = data(EXHAUSTIVE, noise=6.0, those=particles(2))
    volumes = np.stack([density(), density(seed=8)])[: len(fraction)]
    known = replace(model(volumes, EXHAUSTIVE, 6.0), group_scale=np.array([1.3, 0.8]))
    known = replace(known, direction_fraction=np.outer(fraction, np.full(48, 1.0 / 48.0)))
    # each class measures the intensity scale on shells of its own
    measured = np.array([[5], [3]])[: len(fraction)]
    data_vs_prior = np.where(np.arange(13) < measured, 10.0, 1.0)
    planned = plan(those, EXHAUSTIVE, SearchRules(adaptive_fraction=0.8))
    made = search(replace(known, data_vs_prior=data_vs_prior), planned, kernels)

    found, sums = run(pictures, those, made)

    expected = [formulas(pictures[i], i, those, made) for i in range(2)]
    names = ("log_likelihood", "max_probability", "weight", "scale_signal", "scale_power")
    for name in (*names, "class_weight"):
        wanted = [one[name] for one in expected]
        # likelihoods of order 500 decide the posterior: 1e-4 relative in single precision
        np.testing.assert_allclose(getattr(found, name), wanted, rtol=5e-4, err_msg=name)
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
    axes = coarse_axes(made, made.candidates)
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
        "log_likelihood": log_evidence - likely.sum() * np.log(2.0 * np.pi * variance),
        "max_probability": posterior.max(),
        "n_significant": n,
        "weight": posterior.sum(),
        "noise": noise,
        "class_weight": by_class.sum(axis=(1, 2)),
        "scale_signal": np.sum(by_class * cross) / scale,
        "scale_power": np.sum(by_class * power) / scale**2,
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
    np.testing.assert_allclose(noise[0, 9:], expected, rtol=1e-5)


def test_of_two_maps_each_image_takes_its_own(kernels: Kernels) -> None:
    other = density(seed=8)
    pictures, those, angles, offsets = data(GLOBAL)
    pictures[::2] = images(other, those, angles, offsets, NOISE)[::2]
    known = model(np.stack([density(), other]), GLOBAL, ASSUMED)

    found, sums = run(pictures, those, search(known, plan(those), kernels))

    assert found.class_index.tolist() == [1, 0] * 3
    np.testing.assert_allclose(found.class_weight.sum(axis=1), found.weight, rtol=1e-6)
    assert sums.volume.any(axis=(1, 2)).all()
    assert distance_deg(found, angles).max() < 1e-5


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


def test_noise_that_fills_the_outside_belongs_to_the_particle(kernels: Kernels) -> None:
    pictures, those, _, _ = data(GLOBAL)
    noisy = replace(plan(those).images, zero_mask=False)
    made = search(
        model(density()[None], GLOBAL, ASSUMED), replace(plan(those), images=noisy), kernels
    )

    def masked(rows: list[int]) -> Array:
        own = np.array(rows)
        batch = make_batch(pictures[own], own, those, Poses.unknown(len(own)), made)
        return prepare_images(batch, those, made).compared.masked

    together = masked([0, 1, 2, 3])
    np.testing.assert_array_equal(masked([3, 1]), together[[3, 1]])
    assert np.abs(together[0] - together[1]).max() > 0


def test_noise_that_fills_the_outside_has_the_spectrum_of_the_noise(kernels: Kernels) -> None:
    n = 40
    those, noise = particles(n), np.linspace(2.0, 0.5, BOX // 2 + 1)
    filled = replace(settings(those), zero_mask=False, mask_radius_px=0.0, mask_edge_px=0.1)
    known = model(density()[None], GLOBAL, ASSUMED)
    known = replace(known, noise_variance=noise[None])
    made = search(known, replace(plan(those), images=filled), kernels)
    pictures = np.zeros((n, BOX, BOX), np.float32)
    batch = make_batch(pictures, np.arange(n), those, Poses.unknown(n), made)

    power = prepare_images(batch, those, made).power.mean(axis=0)

    # all of the image is outside; 40 images of 6 to 29 complex pixels a shell: 6 % or better
    shells = slice(2, 8)
    per_component = power[shells] / (2.0 * pixels_per_shell(BOX)[shells])
    np.testing.assert_allclose(per_component, noise[shells], rtol=0.2)


def test_a_particle_without_any_possible_state_is_reported_and_adds_nothing(
    kernels: Kernels,
) -> None:
    pictures, those, _, _ = data(GLOBAL)
    # an offset prior of no width, at zero: a particle whose offset is out of reach has no state
    known = replace(model(density()[None], GLOBAL, ASSUMED), offset_sigma_A=0.0)
    made = search(known, plan(those), kernels)
    offsets = np.zeros((N, 2))
    offsets[2, 0] = 10 * PIXEL_A
    offsets[3, 1] = PIXEL_A
    rest = np.delete(np.arange(N), 2)

    found, sums = run(pictures, those, made, poses_at(np.zeros((N, 3)), offsets))
    workspace, expected = Workspace(made), made.zero_sums()
    poses = poses_at(np.zeros((N, 3)), offsets)[rest]
    alone = run_unit(pictures[rest], rest, those, poses, made, workspace)
    workspace.add_to(expected)

    assert found.fault.tolist() == [0, 0, 3, 0, 0, 0]
    assert found.weight[2] == 0.0
    np.testing.assert_array_equal(found.offset_A[rest], alone.offset_A)
    np.testing.assert_array_equal(found.angles_deg[rest], alone.angles_deg)
    assert (np.abs(found.offset_A[rest]) <= 1.0).all()  # children of no shift at all
    for mine, other in zip(sums.arrays(), expected.arrays(), strict=True):
        # the matrix products of six particles round differently from those of five
        difference = np.linalg.norm((mine - other).astype(float))
        assert difference < 1e-4 * np.linalg.norm(other.astype(float))


def test_a_unit_larger_than_a_batch_gives_every_particle_its_own_result(
    kernels: Kernels, monkeypatch: pytest.MonkeyPatch
) -> None:
    pictures, those, _, _ = data(GLOBAL)
    made = global_search_of(those, kernels)
    whole, sums = run(pictures, those, made)
    monkeypatch.setattr(expectation, "COARSE_BYTES", 4 * 576 * 5 * 4)  # four particles

    found, pieces = run(pictures, those, made)

    np.testing.assert_array_equal(found.angles_deg, whole.angles_deg)
    np.testing.assert_array_equal(found.offset_A, whole.offset_A)
    np.testing.assert_allclose(found.log_likelihood, whole.log_likelihood, rtol=1e-6)
    difference = np.linalg.norm((pieces.volume - sums.volume).astype(float))
    assert difference < 1e-4 * np.linalg.norm(sums.volume.astype(float))


def test_of_a_broad_posterior_a_thousandth_is_left_out(kernels: Kernels) -> None:
    pictures, those, _, _ = data(GLOBAL, noise=6.0)
    made = search(model(density()[None], GLOBAL, 6.0), plan(those), kernels)

    found, _ = run(pictures, those, made)

    # many small states: the sum stops just above the fraction
    assert (found.max_probability < 0.3).all()
    assert (found.weight > 0.999).all()
    assert (found.weight < 0.9992).all()


def test_intensity_scales_are_kept_away_from_zero(kernels: Kernels) -> None:
    known = replace(model(density()[None], GLOBAL, ASSUMED), group_scale=np.array([-2.0, 1.5]))

    made = search(known, plan(particles(2)), kernels)

    assert made.weighting.group_scale.tolist() == [1e-3, 1.5]


def test_batches_of_fine_scores_keep_every_particle_once(
    kernels: Kernels, monkeypatch: pytest.MonkeyPatch
) -> None:
    pictures, those, _, _ = data(GLOBAL, noise=3.0)
    made = search(model(density()[None], GLOBAL, 3.0), plan(those), kernels)
    whole, sums = run(pictures, those, made)
    # 8 x 4 fine states of 4 bytes each: room for 40 samples, or one particle that has more
    monkeypatch.setattr(expectation, "FINE_BYTES", 128 * 40)
    monkeypatch.setattr(fine_search, "TABLE_BYTES", 1)
    monkeypatch.setattr(accumulate, "SLICE_BYTES", 4 * made.disc.width * 3)

    found, pieces = run(pictures, those, made)

    np.testing.assert_array_equal(found.angles_deg, whole.angles_deg)
    np.testing.assert_array_equal(found.max_probability, whole.max_probability)
    for mine, other in zip(pieces.arrays(), sums.arrays(), strict=True):
        # the order of additions in single precision differs
        difference = np.linalg.norm((mine - other).astype(float))
        assert difference < 1e-5 * np.linalg.norm(other.astype(float))


def test_images_far_above_the_noise_stop_the_run_before_integers_overflow(
    kernels: Kernels,
) -> None:
    pictures, those, _, _ = data(GLOBAL)
    made = global_search_of(those, kernels)
    workspace = Workspace(made)
    run_unit(1e12 * pictures, np.arange(N), those, Poses.unknown(N), made, workspace)

    with pytest.raises(DataError, match=r"too large for exact arithmetic.*--normalise"):
        workspace.add_to(made.zero_sums())
