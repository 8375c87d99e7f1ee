"""Every backend against the numpy meaning. Tolerances: single precision is 6e-8 a number;
sums of n random terms lose about sqrt(n) of that, relative to the sum of magnitudes."""

import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy import ndarray as Array

from halfmap.errors import OptionError
from halfmap.kernels.numba_cpu import accumulate_dense, products
from halfmap.kernels.protocol import (
    GUARD,
    Grid,
    HitGeometry,
    Hits,
    Kernels,
    Pixels,
    PlaneLayout,
    Samples,
    ShellSums,
    SliceTable,
    Spectra,
    Volume,
)
from halfmap.kernels.reference import ReferenceKernels
from halfmap.kernels.registry import BACKENDS, make_kernels
from halfmap.model.disc import (
    Disc,
    counted_shells,
    interleaved,
    make_disc,
    phase_ramps,
    plane_index,
)
from halfmap.model.exact import row_starts
from halfmap.model.mask import soft_circle
from halfmap.model.padded_sphere import PaddedSphere
from halfmap.model.rotations import euler_matrices

REFERENCE = ReferenceKernels()
DISC = make_disc(16, 8)
SPHERE = PaddedSphere(r_max=8, padding=2.0)
PLANE = PaddedSphere(r_max=8, padding=2.0, flat=True)
N = len(DISC)


@pytest.fixture(params=[name for name in BACKENDS if name != "reference"])
def kernels(request: pytest.FixtureRequest) -> Kernels:
    return make_kernels(request.param)


@pytest.fixture
def pixels() -> Pixels:
    return Pixels(DISC.kx.astype(np.float32), DISC.ky.astype(np.float32))


@pytest.fixture(params=[SPHERE, PLANE], ids=["sphere", "plane"])
def sphere(request: pytest.FixtureRequest) -> PaddedSphere:
    """Of a map, and of a 2D reference."""
    return request.param


@pytest.fixture
def volume(rng: np.random.Generator, sphere: PaddedSphere) -> Volume:
    size = int(np.prod(sphere.shape))
    values = rng.normal(size=2 * size) * np.repeat(
        sphere.squared_radius().ravel() <= sphere.reach**2, 2
    )
    return Volume(values.astype(np.float32), sphere.half)


@pytest.fixture
def source(volume: Volume, pixels: Pixels) -> tuple[Volume, Pixels]:
    return volume, pixels


def some_axes(rng: np.random.Generator, sphere: PaddedSphere) -> Array:
    angles = rng.uniform(-180.0, 180.0, (24, 3))
    if sphere.flat:
        angles[:, :2] = 0.0
    matrices = euler_matrices(angles)
    return (2.0 * matrices[:, :2]).reshape(-1, 6).astype(np.float32)


@pytest.fixture
def axes(rng: np.random.Generator, sphere: PaddedSphere) -> Array:
    return some_axes(rng, sphere)


@pytest.fixture
def slices(axes: Array, volume: Volume, pixels: Pixels) -> Array:
    out = np.empty((24, DISC.width), np.float32)
    REFERENCE.project(volume, axes, pixels, out)
    return out


@pytest.fixture
def spectra(rng: np.random.Generator) -> Spectra:
    def rows() -> Array:
        return interleaved(rng.normal(size=(3, N)) + 1j * rng.normal(size=(3, N)), DISC.width)

    def weights() -> Array:
        return rng.uniform(0.0, 2.0, (3, N)).astype(np.float32)

    return Spectra(rows(), rows(), weights(), weights())


@pytest.fixture
def ramps(rng: np.random.Generator) -> Array:
    """Five coarse shifts, each with four finer ones."""
    flat = phase_ramps(DISC, rng.uniform(-3.0, 3.0, (20, 2)), 24)
    return flat.reshape(5, 4, -1)


@pytest.fixture
def samples() -> Samples:
    """Image 0 has two orientations, image 1 none, image 2 one."""
    return Samples(
        first_group=np.array([0, 2, 2, 3]),
        orientation=np.array([4, 9, 4]),
        first_sample=np.array([0, 2, 3, 6]),
        shift=np.array([0, 3, 3, 1, 2, 4], np.int32),
    )


def both(kernels: Kernels, call: Callable[[Kernels, Array], None], shape: tuple[int, ...]) -> None:
    """Assert that two backends fill the same array, to 1e-5 of its largest number."""
    found, expected = np.full((2, *shape), np.nan, np.float32)
    call(kernels, found)
    call(REFERENCE, expected)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5 * np.abs(expected).max())


def test_slices_agree(kernels: Kernels, volume: Volume, axes: Array, pixels: Pixels) -> None:
    both(kernels, lambda k, out: k.project(volume, axes, pixels, out), (24, DISC.width))


@pytest.mark.parametrize("name", BACKENDS)
def test_a_slice_along_the_axes_of_the_map_reads_its_voxels(
    name: str, volume: Volume, pixels: Pixels, sphere: PaddedSphere
) -> None:
    # orientation 0: pixel (kx, ky) is voxel (2 kx, 2 ky, 0) of a map padded twice
    along = np.array([[2, 0, 0, 0, 2, 0]], np.float32)
    out = np.empty((1, DISC.width), np.float32)

    make_kernels(name).project(volume, along, pixels, out)

    voxels = volume.values.view(np.complex64).reshape(sphere.shape)
    expected = voxels[sphere.half_z, sphere.half + 2 * DISC.ky, 2 * DISC.kx]
    np.testing.assert_array_equal(out.view(np.complex64)[0, :N], expected)
    assert (out[0, 2 * N :] == 0).all()


@pytest.mark.parametrize("name", BACKENDS)
def test_where_x_is_negative_the_conjugate_of_the_opposite_point_is_taken(
    name: str, volume: Volume, pixels: Pixels, sphere: PaddedSphere
) -> None:
    turned = np.array([[-2, 0, 0, 0, 2, 0]], np.float32)  # about y by 180°
    out = np.empty((1, DISC.width), np.float32)

    make_kernels(name).project(volume, turned, pixels, out)

    voxels = volume.values.view(np.complex64).reshape(sphere.shape)
    expected = voxels[sphere.half_z, sphere.half - 2 * DISC.ky, 2 * DISC.kx].conj()
    mirrored = DISC.kx > 0
    np.testing.assert_array_equal(out.view(np.complex64)[0, :N][mirrored], expected[mirrored])


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


def log_joint(rng: np.random.Generator) -> tuple[Array, Array, Array, Array]:
    scores = rng.normal(scale=5.0, size=(3, 5, 40))
    norms, orientation = rng.normal(size=(3, 40)), rng.normal(size=40)
    shift = rng.normal(size=(3, 5))
    orientation[7] = -1e30
    scores, norms, orientation, shift = (
        x.astype(np.float32) for x in (scores, norms, orientation, shift)
    )
    return scores, norms, orientation, shift


def test_weights_agree(kernels: Kernels, rng: np.random.Generator) -> None:
    scores, *priors = log_joint(rng)
    expected = scores.copy()

    peak, total = kernels.weigh(scores, *priors)
    expected_peak, expected_total = REFERENCE.weigh(expected, *priors)

    # exp of a polynomial: 4e-6 relative; arguments near 30 carry 2e-6 each
    np.testing.assert_allclose(scores, expected, rtol=2e-5, atol=1e-30)
    np.testing.assert_allclose(peak, expected_peak, rtol=1e-6)
    np.testing.assert_allclose(total, expected_total, rtol=1e-5)


@pytest.mark.parametrize("name", BACKENDS)
def test_a_forbidden_orientation_gets_no_weight(name: str, rng: np.random.Generator) -> None:
    scores, *priors = log_joint(rng)

    make_kernels(name).weigh(scores, *priors)

    assert scores[:, :, 7].max() < 1e-36
    assert scores.max() == pytest.approx(1.0, abs=1e-6)


@pytest.mark.parametrize("fraction", [0.01, 0.5, 0.9, 0.999, 0.999_999])
@pytest.mark.parametrize("spread", [0.0, 1.0, 8.0])
def test_thresholds_are_those_of_sorting(
    kernels: Kernels, rng: np.random.Generator, fraction: float, spread: float
) -> None:
    weights = np.exp(-spread * np.abs(rng.normal(size=4000))).astype(np.float32)
    first = np.array([0, 1500, 1500, 1501, 4000])
    totals = np.add.reduceat(weights.astype(np.float64), [0, 1500, 1501])
    totals = np.array([totals[0], 0.0, totals[1], totals[2]])

    found = kernels.threshold(weights, first, totals, fraction)

    expected = REFERENCE.threshold(weights, first, totals, fraction)
    np.testing.assert_array_equal(found[0], expected[0])
    np.testing.assert_array_equal(found[1], expected[1])


@pytest.mark.parametrize("name", BACKENDS)
def test_the_sum_must_exceed_the_fraction_not_just_reach_it(name: str) -> None:
    weights = np.array([0.5, 0.25, 0.25, 1.0], np.float32)

    smallest, count = make_kernels(name).threshold(
        weights, np.array([0, 4]), np.array([2.0]), fraction=0.75
    )

    # 1 + 0.5 is exactly 0.75 of the total: one more is needed
    assert (smallest[0], count[0]) == (0.25, 3)


@pytest.mark.parametrize("name", BACKENDS)
def test_a_fraction_of_one_takes_every_positive_weight(name: str) -> None:
    weights = np.array([0.5, 0.0, 1.0, 1e-6], np.float32)

    smallest, count = make_kernels(name).threshold(
        weights, np.array([0, 4]), weights.sum(dtype=np.float64)[None], fraction=1.0
    )

    assert (smallest[0], count[0]) == (np.float32(1e-6), 3)


def test_samples_are_the_same(kernels: Kernels, rng: np.random.Generator) -> None:
    weights = rng.uniform(size=(3, 5, 40)).astype(np.float32)
    weights[1] = 0.0
    smallest = np.array([0.9, 0.0, 0.99], np.float32)

    found = kernels.list_samples(weights, smallest)

    for mine, expected in zip(found, REFERENCE.list_samples(weights, smallest), strict=True):
        np.testing.assert_array_equal(mine, expected)


@pytest.mark.parametrize("name", BACKENDS)
def test_samples_name_the_states_that_reach_the_threshold(name: str) -> None:
    weights = np.zeros((1, 2, 3), np.float32)
    weights[0, 0, 2], weights[0, 1, 2], weights[0, 1, 0] = 1.0, 0.5, 0.5

    listed = make_kernels(name).list_samples(weights, np.array([0.5], np.float32))

    assert listed.orientation.tolist() == [0, 2]
    assert listed.first_sample.tolist() == [0, 1, 3]
    assert listed.shift.tolist() == [1, 0, 1]


def test_fine_scores_agree_in_tables_of_any_part(
    kernels: Kernels, spectra: Spectra, ramps: Array, samples: Samples, slices: Array
) -> None:
    slot = np.array([0, 1, 0])

    def score(k: Kernels, out: Array) -> None:
        for first in (0, 1):
            table = SliceTable(slices.reshape(3, 8, -1)[first : first + 1], first, slot)
            k.fine_scores(spectra, ramps, samples, table, out)

    both(kernels, score, (6, 8, 4))


@pytest.mark.parametrize(("children", "shifts"), [(1, 1), (8, 4), (64, 16), (5, 6)])
def test_fine_scores_agree_for_any_oversampling(
    kernels: Kernels, rng: np.random.Generator, children: int, shifts: int
) -> None:
    width = 32
    image = rng.normal(size=(1, width)).astype(np.float32)
    one = Spectra(image, image, *rng.uniform(size=(2, 1, width // 2)).astype(np.float32))
    copies = rng.normal(size=(2, shifts, width)).astype(np.float32)
    listed = Samples(*(np.array(v) for v in ([0, 1], [0], [0, 2])), np.array([0, 1], np.int32))
    cut = rng.normal(size=(1, children, width)).astype(np.float32)

    both(
        kernels,
        lambda k, out: k.fine_scores(
            one, copies, listed, SliceTable(cut, 0, np.zeros(1, np.int64)), out
        ),
        (2, children, shifts),
    )


def fine_problem(rng: np.random.Generator) -> tuple[Array, Array, Array]:
    scores = rng.normal(scale=3.0, size=(6, 8, 4)).astype(np.float32)
    return scores, *(rng.normal(size=s).astype(np.float32) for s in (3, (3, 5)))


def test_fine_weights_agree(kernels: Kernels, samples: Samples, rng: np.random.Generator) -> None:
    scores, orientation, shift = fine_problem(rng)
    expected = scores.copy()

    found = kernels.weigh_fine(scores, samples, orientation, shift)
    wanted = REFERENCE.weigh_fine(expected, samples, orientation, shift)

    np.testing.assert_allclose(scores, expected, rtol=2e-5, atol=1e-30)
    np.testing.assert_allclose(found[0][[0, 2]], wanted[0][[0, 2]], rtol=1e-6)
    np.testing.assert_allclose(found[1], wanted[1], rtol=1e-5)


def hits_of(k: Kernels, samples: Samples, rng: np.random.Generator) -> tuple[Hits, Array]:
    scores, orientation, shift = fine_problem(rng)
    _, totals = REFERENCE.weigh_fine(scores, samples, orientation, shift)
    return k.list_hits(scores, samples, np.array([0.3, 0.0, 0.05], np.float32), totals)


def test_hits_are_the_same(kernels: Kernels, samples: Samples) -> None:
    found, best = hits_of(kernels, samples, np.random.default_rng(5))
    expected, expected_best = hits_of(REFERENCE, samples, np.random.default_rng(5))

    np.testing.assert_array_equal(best, expected_best)
    for name in Hits._fields[:-1]:
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name))
    np.testing.assert_allclose(found.posterior, expected.posterior, rtol=1e-6)


@pytest.mark.parametrize("name", BACKENDS)
def test_of_equal_states_the_first_is_the_best(name: str, samples: Samples) -> None:
    weights = np.zeros((6, 8, 4), np.float32)
    weights[1, 2, 3] = weights[2, 0, 0] = weights[4, 1, 1] = 1.0

    _, best = make_kernels(name).list_hits(weights, samples, np.ones(3, np.float32), np.ones(3))

    assert best.tolist() == [1 * 32 + 2 * 4 + 3, -1, 4 * 32 + 1 * 4 + 1]


def empty_grid(n_classes: int, sphere: PaddedSphere) -> Grid:
    rows = row_starts(sphere)
    return Grid(np.zeros((n_classes, 3 * rows[-1] + GUARD), np.float32), rows, sphere.half)


def accumulated(
    k: Kernels, samples: Samples, spectra: Spectra, ramps: Array, slices: Array, axes: Array
) -> tuple[Grid, ShellSums]:
    hits, _ = hits_of(REFERENCE, samples, np.random.default_rng(5))
    pixels = Pixels(DISC.kx.astype(np.float32), DISC.ky.astype(np.float32))
    # hits of an image lie on different slices, in rising order; images share slices
    row = np.concatenate([np.arange(m) for m in np.diff(hits.first_hit)])
    geometry = HitGeometry(pixels, DISC.shell.astype(np.int32), axes, np.arange(24) % 2, row)
    grid = empty_grid(2, SPHERE if axes[:, 2].any() else PLANE)
    sums = ShellSums(np.zeros((3, 2, 13)), np.zeros((3, 2, 13)))
    flat = ramps.reshape(20, -1)
    k.accumulate(spectra, flat, hits, slices, geometry, (grid, sums))
    return grid, sums


def test_accumulated_sums_agree(
    kernels: Kernels, samples: Samples, spectra: Spectra, ramps: Array, slices: Array, axes: Array
) -> None:
    problem = (samples, spectra, ramps, slices, axes)

    grid, sums = accumulated(kernels, *problem)

    expected_grid, expected_sums = accumulated(REFERENCE, *problem)
    # voxels are sums of up to a hundred terms in single precision
    largest = np.abs(expected_grid.values).max()
    np.testing.assert_allclose(grid.values, expected_grid.values, rtol=0, atol=2e-6 * largest)
    for mine, wanted in zip(sums, expected_sums, strict=True):
        np.testing.assert_allclose(mine, wanted, rtol=0, atol=2e-6 * np.abs(wanted).max())


def test_flat_posteriors_are_accumulated_as_peaked_ones(
    monkeypatch: pytest.MonkeyPatch,
    samples: Samples,
    spectra: Spectra,
    ramps: Array,
    sphere: PaddedSphere,
) -> None:
    # as if every posterior were flat, in pieces that do not divide the number of slices
    monkeypatch.setattr(accumulate_dense, "SHIFTS_PER_HIT", 0)
    monkeypatch.setattr(accumulate_dense, "CHUNK", 5)
    axes = some_axes(np.random.default_rng(3), sphere)
    cut = np.empty((24, DISC.width), np.float32)
    cut[:] = np.random.default_rng(4).normal(size=cut.shape)

    grid, sums = accumulated(make_kernels("numba"), samples, spectra, ramps, cut, axes)

    expected_grid, expected_sums = accumulated(REFERENCE, samples, spectra, ramps, cut, axes)
    largest = np.abs(expected_grid.values).max()
    np.testing.assert_allclose(grid.values, expected_grid.values, rtol=0, atol=2e-6 * largest)
    for mine, wanted in zip(sums, expected_sums, strict=True):
        np.testing.assert_allclose(mine, wanted, rtol=0, atol=2e-6 * np.abs(wanted).max())


def test_masses_agree(kernels: Kernels, samples: Samples) -> None:
    hits, _ = hits_of(REFERENCE, samples, np.random.default_rng(5))

    found = kernels.masses(hits, 20)

    for mine, wanted in zip(found, REFERENCE.masses(hits, 20), strict=True):
        np.testing.assert_allclose(mine, wanted, rtol=1e-12)
    assert (found[1].sum(axis=1)[[0, 2]] > 0.1).all()


@pytest.mark.parametrize("name", BACKENDS)
def test_insertion_conserves_the_weight(
    name: str, samples: Samples, spectra: Spectra, ramps: Array, slices: Array, axes: Array
) -> None:
    # The interpolation weights around a point sum to one: nothing is lost at the rim.
    grid, _ = accumulated(make_kernels(name), samples, spectra, ramps, slices, axes)

    hits, _ = hits_of(REFERENCE, samples, np.random.default_rng(5))
    weight = REFERENCE.masses(hits, 20)[1].sum(axis=1)
    expected = weight @ spectra.weight.astype(np.float64).sum(axis=1)
    assert grid.values[:, 2:-GUARD:3].sum(dtype=np.float64) == pytest.approx(expected, rel=1e-5)


def flushable(rng: np.random.Generator, sphere: PaddedSphere) -> Grid:
    grid = empty_grid(2, sphere)
    grid.values[:, :-GUARD] = rng.normal(size=(2, grid.values.shape[1] - GUARD))
    return grid


def scales() -> Array:
    """A power of two for each squared radius."""
    n = int(SPHERE.squared_radius().max()) + 1
    return np.exp2(np.arange(2 * n).reshape(n, 2) % 30 + 10.0)


def test_flushed_integers_are_the_same_to_the_last_bit(
    kernels: Kernels, sphere: PaddedSphere
) -> None:
    out = np.ones((2, 2, int(np.prod(sphere.shape)), 3), np.int64)
    grids = [flushable(np.random.default_rng(1), sphere) for _ in range(2)]

    assert kernels.flush(grids[0], scales(), 2.0**60, out[0])
    assert REFERENCE.flush(grids[1], scales(), 2.0**60, out[1])

    np.testing.assert_array_equal(out[0], out[1])
    assert not grids[0].values.any()
    beyond = sphere.squared_radius().ravel() > (sphere.reach + 2) ** 2
    assert (out[0][:, beyond] == 1).all()


@pytest.mark.parametrize("name", BACKENDS)
def test_a_number_ends_at_its_voxel_times_its_scale(name: str) -> None:
    grid, out = empty_grid(1, SPHERE), np.zeros((1, int(np.prod(SPHERE.shape)), 3), np.int64)
    row = (SPHERE.half + 3) * SPHERE.shape[1] + SPHERE.half - 2  # z = 3, y = -2
    grid.values[0, 3 * (grid.row_start[row] + 5) : 3 * (grid.row_start[row] + 5) + 3] = 1, -2, 3
    scale = np.stack([np.full(999, 4.0), np.full(999, 8.0)], axis=-1)
    scale[9 + 4 + 25] = 16.0, 32.0

    assert make_kernels(name).flush(grid, scale, 1e6, out)

    volume = out.reshape(*SPHERE.shape, 3)
    assert volume[SPHERE.half + 3, SPHERE.half - 2, 5].tolist() == [16, -32, 96]
    assert np.count_nonzero(out) == 3


@pytest.mark.parametrize("name", BACKENDS)
@pytest.mark.parametrize("bad", [3e5, np.nan])
def test_a_flush_says_when_a_number_is_too_large(name: str, bad: float) -> None:
    grid, out = empty_grid(1, SPHERE), np.zeros((1, int(np.prod(SPHERE.shape)), 3), np.int64)
    grid.values[0, 1000] = bad

    with np.errstate(invalid="ignore"):
        assert not make_kernels(name).flush(grid, np.full((999, 2), 1024.0), 2.0**28, out)


def layout_of(disc: Disc, box: int) -> PlaneLayout:
    where = plane_index(disc, box)
    sign = (1.0 - 2.0 * ((disc.kx + disc.ky) % 2)) / box**2
    shells = counted_shells(disc.size, box).ravel().astype(np.int32)
    return PlaneLayout(where, sign.astype(np.float32), shells, box // 2 + 1)


def test_reading_transforms_agrees(kernels: Kernels, rng: np.random.Generator) -> None:
    planes = (rng.normal(size=(4, 24, 13)) + 1j * rng.normal(size=(4, 24, 13))).astype(np.complex64)
    layout = layout_of(DISC, 24)

    listed, power = kernels.read_planes(planes, layout)

    expected_listed, expected_power = REFERENCE.read_planes(planes, layout)
    np.testing.assert_allclose(listed, expected_listed, rtol=1e-6)
    np.testing.assert_allclose(power, expected_power, rtol=1e-6)


def masking(rng: np.random.Generator, n_fill: int) -> tuple[Array, ...]:
    images = rng.normal(2.0, 1.0, size=(4, 24, 20)).astype(np.float32)
    gain = rng.uniform(0.5, 2.0, 4).astype(np.float32)
    shift = np.array([[0, 0], [3, -2], [-30, 1], [-1, 7]])
    background = np.clip(rng.uniform(-0.5, 1.5, (24, 20)), 0.0, 1.0).astype(np.float32)
    fill = rng.normal(size=(n_fill, 24, 20)).astype(np.float32)
    return images, gain, shift, background, fill


@pytest.mark.parametrize("n_fill", [0, 4])
def test_shifted_and_masked_images_agree(
    kernels: Kernels, rng: np.random.Generator, n_fill: int
) -> None:
    problem = masking(rng, n_fill)

    found = kernels.shift_and_mask(*problem)

    np.testing.assert_allclose(found, REFERENCE.shift_and_mask(*problem), rtol=0, atol=2e-6)


@pytest.mark.parametrize("name", BACKENDS)
def test_a_shift_moves_x_by_its_first_number_and_lets_zeros_enter(name: str) -> None:
    image = np.ones((1, 8, 8), np.float32)
    image[0, 2, 5] = 9.0
    nothing = np.zeros((8, 8), np.float32)

    (moved, masked), *_ = make_kernels(name).shift_and_mask(
        image, np.ones(1, np.float32), np.array([[2, -1]]), nothing, np.zeros((0, 8, 8), np.float32)
    )

    assert moved[1, 7] == 9.0
    assert (moved[:, :2] == 0).all()
    assert (moved[7] == 0).all()
    np.testing.assert_array_equal(moved, masked)


@pytest.mark.parametrize("name", BACKENDS)
def test_the_mask_fills_with_the_mean_of_the_outside(name: str) -> None:
    # numbers from RELION: x + y/2 on 16 px, radius 4, edge 3
    y, x = np.mgrid[-8:8, -8:8]
    image = (x + 0.5 * y).astype(np.float32)[None]
    background = soft_circle(16, 4.0, 3.0).astype(np.float32)

    masked = make_kernels(name).shift_and_mask(
        image,
        np.ones(1, np.float32),
        np.zeros((1, 2), np.int64),
        background,
        np.zeros((0, 16, 16), np.float32),
    )[0, 1]

    expected = {(7, 7): -1.203439, (5, 0): 3.449140, (0, 6): -0.152579, (3, 0): 3.0}
    for (x_, y_), value in expected.items():
        assert masked[y_ + 8, x_ + 8] == pytest.approx(value, abs=2e-6)


def test_kept_machine_code_is_forgotten_when_any_file_of_the_kernels_changes() -> None:
    # numba looks at the file of a function only, not at those of the functions it calls
    kept = products.cone_scores._cache._cache_file._source_stamp

    digest = hashlib.sha256()
    for path in sorted(Path(products.__file__).parent.glob("*.py")):
        digest.update(path.read_bytes())

    assert kept[1] == digest.hexdigest()


def test_an_unknown_backend_is_refused_by_name() -> None:
    with pytest.raises(OptionError, match="no kernels are called 'cuda'; expected one of numba"):
        make_kernels("cuda")
