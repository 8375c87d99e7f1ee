import itertools
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from scipy.ndimage import map_coordinates

from halfmap.kernels import numba_symmetry
from halfmap.kernels.numba_symmetry import largest_shell, shell_radii
from halfmap.kernels.protocol import Pixels, Volume
from halfmap.kernels.reference import ReferenceKernels
from halfmap.model.disc import make_disc
from halfmap.model.estimated_resolution import estimated_resolution_A, overall_completeness
from halfmap.model.orientations import direction_pixels
from halfmap.model.padded_sphere import PaddedSphere
from halfmap.model.reference import FourierReference
from halfmap.model.rotations import euler_matrices
from halfmap.model.sampling import Sampling
from halfmap.model.sums import FourierSums
from halfmap.model.symmetry import PointGroup, point_group
from halfmap.steps.complete_sums import hermitian, symmetrise
from halfmap.steps.maximisation import spectra
from halfmap.steps.reconstruction import reconstruct
from halfmap.steps.references import fourier_reference


def toy_map() -> np.ndarray:
    """The volume of spec section 13.4, box 16."""
    z, y, x = np.ogrid[-8:8, -8:8, -8:8]
    return np.exp(-((x - 2) ** 2 / 8 + (y + 1) ** 2 / 18 + (z - 3) ** 2 / 4)).astype(np.float32)


def no_sums(r_max: int, weight: float = 0.0) -> FourierSums:
    shape = PaddedSphere(r_max, 2.0).shape
    return FourierSums.of(np.zeros(shape, complex), np.full(shape, weight), r_max, 2.0)


def insert(
    sums: tuple[np.ndarray, np.ndarray], point: np.ndarray, values: np.ndarray, weight: float
) -> None:
    """Distribute values at points (x, y, z) over their 8 neighbours: what the kernels do."""
    half = sums[0].shape[2] - 1
    mirrored = point[:, 0] < 0
    point = np.where(mirrored[:, None], -point, point)
    values = np.where(mirrored, values.conj(), values)
    lower = np.floor(point).astype(int)
    for corner in itertools.product((0, 1), repeat=3):
        part = np.prod(np.where(corner, point - lower, 1 - point + lower), axis=1)
        x, y, z = (lower + corner).T
        where = (z + half, y + half, x)
        np.add.at(sums[0], where, part * values)
        np.add.at(sums[1], where, part * weight)


def sums_of_all_directions(reference: FourierReference) -> FourierSums:
    """Insert the slices of the 48 directions of order 1, every value and weight times 4."""
    sampling = Sampling(1, 30.0, 1.0, 1.0, 0, "C1")
    rot_tilt = direction_pixels(sampling)[1]
    angles = np.concatenate([rot_tilt, np.zeros((48, 1))], axis=1)
    disc = make_disc(2 * reference.r_max, 2 * reference.r_max)
    frequencies = np.stack([disc.kx, disc.ky], axis=1).astype(float)
    shape = reference.values.shape
    sums = np.zeros(shape, complex), np.zeros(shape)
    volume = Volume(reference.values.reshape(-1).view(np.float32), reference.half)
    for matrix in euler_matrices(angles):
        axes = reference.padding * matrix[:2]
        out = np.empty((1, 2 * len(disc)), np.float32)
        ReferenceKernels().project(
            volume,
            axes.reshape(1, 6).astype(np.float32),
            Pixels(disc.kx.astype(np.float32), disc.ky.astype(np.float32)),
            out,
        )
        insert(sums, frequencies @ axes, 4.0 * out.view(np.complex64)[0].astype(complex), 4.0)
    return hermitian(FourierSums.of(*sums, reference.r_max, reference.padding))


@pytest.fixture(scope="module")
def toy() -> tuple[FourierReference, FourierSums]:
    reference = fourier_reference(toy_map(), 12, 2.0)
    return reference, sums_of_all_directions(reference)


# Printed with seven digits by a single precision program. Rounding drops pixels of its rim,
# |k| = r_max, which we keep: shell 6 does not compare, and shell 5, also touched, not well.
TOY_TOLERANCE = np.array([2e-6, 2e-6, 2e-6, 2e-6, 2e-6, 2e-4])


def symmetrised_copy(sums: FourierSums, group: PointGroup, n_threads: int = 1) -> FourierSums:
    return symmetrise(replace(sums, values=sums.values.copy()), group, n_threads)


def deviation(found: np.ndarray, wanted: list[float]) -> np.ndarray:
    return np.abs(found[:6] / wanted - 1)


def test_the_noise_of_the_toy_map_is_that_of_relion(toy) -> None:
    reference, sums = toy

    variance = spectra(sums, 16, reference.power, 1.0).map_variance

    wanted = [6.510417e-4, 1.082912e-2, 1.838355e-2, 3.114554e-2, 4.064164e-2, 5.257428e-2]
    assert np.all(deviation(variance, wanted) < TOY_TOLERANCE)


def test_data_versus_prior_of_the_toy_map_is_that_of_relion(toy) -> None:
    reference, sums = toy

    ratio = spectra(sums, 16, reference.power, 1.0).data_vs_prior

    wanted = [246.518, 6.752884, 0.7727204, 4.901750e-2, 2.586024e-3, 9.885797e-5]
    assert np.all(deviation(ratio, wanted) < TOY_TOLERANCE)
    assert np.all(ratio[7:] == 0)


def test_the_toy_map_is_reconstructed_as_by_relion(toy) -> None:
    reference, sums = toy
    places = [(0, 0, 0), (2, -1, 3), (-4, 2, 1), (5, 5, 5)]

    regularised = reconstruct(sums, 16, reference.power)
    plain = reconstruct(sums, 16, None)

    def at(volume: np.ndarray) -> list[float]:
        return [volume[z + 8, y + 8, x + 8] for x, y, z in places]

    # The undecided rim contributes little: its amplitudes are 1e-4 of the largest.
    wanted = [0.069639, 0.906648, -0.012264, 0.024102]
    np.testing.assert_allclose(at(regularised), wanted, atol=1e-5)
    wanted = [0.074259, 0.939565, -0.011343, 0.025577]
    np.testing.assert_allclose(at(plain), wanted, atol=5e-5)


def test_a_stronger_prior_does_not_touch_the_first_five_shells(toy) -> None:
    reference, sums = toy
    weak, strong = reference.power.copy(), reference.power.copy()
    strong[:5] *= 1e-3

    np.testing.assert_array_equal(reconstruct(sums, 16, weak), reconstruct(sums, 16, strong))
    strong[5] *= 1e-3
    assert np.abs(reconstruct(sums, 16, weak) - reconstruct(sums, 16, strong)).max() > 1e-5


def test_the_fudge_multiplies_the_prior_of_the_map(toy) -> None:
    reference, sums = toy

    fudged = reconstruct(sums, 16, reference.power, fudge=4.0)

    np.testing.assert_array_equal(fudged, reconstruct(sums, 16, 4.0 * reference.power))
    assert np.any(fudged != reconstruct(sums, 16, reference.power))


def test_nothing_summed_gives_an_empty_map() -> None:
    volume = reconstruct(no_sums(6), 16, np.ones(9))

    assert np.all(volume == 0)


def test_the_plane_x_zero_becomes_its_own_mate(rng) -> None:
    sums = no_sums(4)
    sums.values[:] = rng.normal(size=sums.values.shape)
    signal, weight = sums.signal, sums.weight

    hermitian(sums)

    plane, h = sums.signal[:, :, 0], sums.half
    np.testing.assert_array_equal(plane[h + 2, h - 3], np.conj(plane[h - 2, h + 3]))
    assert plane[h + 2, h - 3] == signal[h + 2, h - 3, 0] + np.conj(signal[h - 2, h + 3, 0])
    assert sums.weight[h + 1, h, 0] == weight[h + 1, h, 0] + weight[h - 1, h, 0]
    assert sums.weight[h, h, 0] == weight[h, h, 0]
    assert plane[h, h] == signal[h, h, 0]
    np.testing.assert_array_equal(sums.signal[:, :, 1:], signal[:, :, 1:])


def test_without_symmetry_nothing_is_added(toy) -> None:
    sums = toy[1]

    assert symmetrise(sums, point_group("C1")) is sums


def test_two_fold_symmetry_adds_the_voxel_turned_by_half_a_circle(toy) -> None:
    sums = toy[1]
    h = sums.half

    both = symmetrised_copy(sums, point_group("C2"))

    # 180° about z takes (x, y, z) to (-x, -y, z), stored as the conjugate of (x, y, -z).
    for z, y, x in [(3, 2, 4), (-5, 1, 0), (0, 0, 7), (2, -6, 3)]:
        mate = sums.signal[h - z, h + y, x].conj()
        wanted = sums.signal[h + z, h + y, x] + mate
        assert both.signal[h + z, h + y, x] == pytest.approx(wanted, rel=1e-9, abs=1e-12)
        weight = sums.weight[h + z, h + y, x] + sums.weight[h - z, h + y, x]
        assert both.weight[h + z, h + y, x] == pytest.approx(weight)


@pytest.mark.parametrize("name", ["D2", "O", "I1", "CI"])
def test_symmetry_adds_what_is_interpolated_at_each_mate(name: str, toy) -> None:
    sums, group = toy[1], point_group(name)
    whole = np.concatenate([sums.signal[::-1, ::-1, :0:-1].conj(), sums.signal], axis=2)
    weights = np.concatenate([sums.weight[::-1, ::-1, :0:-1], sums.weight], axis=2)
    voxels = np.array([(3, 2, 1), (0, 0, 0), (6, -5, 2), (0, -3, 4), (12, 0, 0), (4, 1, -11)])

    found = symmetrised_copy(sums, group)

    mates = np.concatenate([np.eye(3)[None], group.right]) @ voxels.T  # operator, xyz, voxel
    at = (mates[:, ::-1].transpose(1, 0, 2) + sums.half).reshape(3, -1)
    real, imaginary, weight = (
        map_coordinates(part, at, order=1).reshape(-1, len(voxels)).sum(axis=0)
        for part in (whole.real, whole.imag, weights)
    )
    x, y, z = voxels.T
    where = (z + sums.half, y + sums.half, x)
    np.testing.assert_allclose(found.signal[where], real + 1j * imaginary, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(found.weight[where], weight, rtol=1e-9)


def test_threads_do_not_change_a_bit_of_the_symmetrised_sums(toy) -> None:
    one, three = (symmetrised_copy(toy[1], point_group("I2"), n_threads=n) for n in (1, 3))

    np.testing.assert_array_equal(one.signal, three.signal)
    np.testing.assert_array_equal(one.weight, three.weight)


@pytest.mark.parametrize("name", ["D2", "I1"])
def test_shell_by_shell_in_place_is_what_all_at_once_would_be(
    name: str, monkeypatch: pytest.MonkeyPatch, rng
) -> None:
    sums = no_sums(12)
    sums.values[:] = rng.normal(size=sums.values.shape)
    hermitian(sums)
    assert len(shell_radii(sums.sphere)) > 6

    found = symmetrised_copy(sums, point_group(name))

    monkeypatch.setattr(numba_symmetry, "MOST_SHELLS", 1)
    assert len(shell_radii(sums.sphere)) == 2
    np.testing.assert_array_equal(found.values, symmetrised_copy(sums, point_group(name)).values)


@pytest.mark.parametrize("r_max", [1, 2, 9, 40])
def test_room_for_two_shells_holds_any_shell(r_max: int) -> None:
    sphere = PaddedSphere(r_max, 2.0)
    square = sphere.squared_radius()

    largest = max(
        ((square <= outer**2) & (square > (inner**2 if inner else -1))).sum()
        for outer, inner in pairwise(shell_radii(sphere))
    )

    assert largest <= largest_shell(sphere) < 1.5 * largest + 60 * sphere.reach**2 / 2


def test_voxels_outside_the_sphere_are_not_symmetrised(toy) -> None:
    sums = toy[1]

    found = symmetrised_copy(sums, point_group("D2"))

    outside = PaddedSphere(6, 2.0).squared_radius() > 12**2
    np.testing.assert_array_equal(found.weight[outside], sums.weight[outside])
    assert np.any(sums.weight[outside] > 0)


def test_the_signal_follows_from_the_fsc_where_there_is_one() -> None:
    sums = no_sums(6, weight=0.5)
    fsc = np.array([1.0, 0.9, 0.5, 0.143, 0.0, 0.0, 0.0, 0.0, 0.0])

    half = spectra(sums, 16, None, 1.0, fsc)
    joined = spectra(sums, 16, None, 1.0, fsc, joined=True)

    np.testing.assert_allclose(half.map_variance[:6], 1 / (8 * 0.5))
    assert half.data_vs_prior[1:4] == pytest.approx([9.0, 1.0, 0.16686], abs=1e-5)
    assert half.data_vs_prior[0] == pytest.approx(999.0)
    assert half.data_vs_prior[8] == pytest.approx(0.001 / 0.999)
    np.testing.assert_allclose(half.signal_variance, half.data_vs_prior * half.map_variance)
    assert half.signal_variance[8] == 0
    assert joined.data_vs_prior[2:4] == pytest.approx([4.449, 1.00088], abs=1e-3)


def test_the_fudge_multiplies_the_signal() -> None:
    sums = no_sums(6, weight=0.5)
    fsc = np.full(9, 0.5)

    np.testing.assert_allclose(spectra(sums, 16, None, 4.0, fsc).data_vs_prior, 4.0)
    plain = spectra(sums, 16, np.ones(9), 1.0).data_vs_prior
    np.testing.assert_allclose(spectra(sums, 16, np.ones(9), 4.0).data_vs_prior, 4.0 * plain)


def test_coverage_is_the_fraction_of_voxels_where_data_outweigh_the_prior() -> None:
    weight = np.zeros(PaddedSphere(6, 2.0).shape)
    weight[len(weight) // 2 :] = 1.0  # z >= 0 only
    sums = FourierSums.of(np.zeros(weight.shape, complex), weight, 6, 2.0)

    coverage = spectra(sums, 16, np.full(9, 1 / 8), 1.0).fourier_coverage

    square = PaddedSphere(6, 2.0).squared_radius()
    shell_3 = np.floor(np.sqrt(square) / 2 + 0.5) == 3
    assert coverage[3] == pytest.approx(shell_3[sums.half :].sum() / shell_3.sum())
    assert coverage[8] == 0


def test_without_a_prior_or_an_fsc_there_are_no_spectra() -> None:
    with pytest.raises(TypeError, match="power of the reference"):
        spectra(no_sums(4), 16, None, 1.0)


def test_the_estimated_resolution_is_before_the_first_loss() -> None:
    ratio = np.array([9.0, 5.0, 2.0, 0.9, 3.0, 0.1, 0.0])

    assert estimated_resolution_A(ratio, 12, 2.0) == pytest.approx(24.0 / 2)
    assert estimated_resolution_A(np.full(7, 2.0), 12, 2.0) == pytest.approx(24.0 / 6)
    assert estimated_resolution_A(np.zeros(7), 12, 2.0) == 999.0


def test_completeness_averages_the_coverage_inside_the_resolution() -> None:
    ratio = np.array([9.0, 5.0, 0.0, 0.0])
    coverage = np.array([1.0, 0.5, 0.25, 0.0])

    assert overall_completeness(ratio, coverage) == 1.0  # only |component| <= 0
    assert overall_completeness(np.array([9.0, 5.0, 4.0, 0.0]), coverage) == pytest.approx(
        (1.0 + 26 * 0.5) / 27
    )
