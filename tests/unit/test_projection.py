import numpy as np
import pytest
from dense_transform import dense_transform

from halfmap.kernels.protocol import Pixels, Volume
from halfmap.kernels.reference import ReferenceKernels
from halfmap.model.fourier import transform_2d
from halfmap.model.padded_sphere import PaddedSphere
from halfmap.model.padded_transform import Columns, CroppedInverse, padded_box
from halfmap.model.projection import interpolation_windows
from halfmap.model.rotations import euler_matrices
from halfmap.steps.references import fourier_reference


def window_of(box: int) -> np.ndarray:
    return np.stack(list(interpolation_windows((box, box), 2.0)))


def toy_map() -> np.ndarray:
    """The volume of spec section 13.4, box 16."""
    z, y, x = np.ogrid[-8:8, -8:8, -8:8]
    return np.exp(-((x - 2) ** 2 / 8 + (y + 1) ** 2 / 18 + (z - 3) ** 2 / 4)).astype(np.float32)


def test_the_stored_half_space_is_one_voxel_wider_than_the_sphere() -> None:
    for box, size, padding, wanted in [
        (256, 256, 2.0, 515),
        (256, 256, 1.0, 259),
        (256, 60, 2.0, 123),
        (256, 60, 1.0, 63),
        (100, 46, 2.0, 95),
        (100, 46, 1.0, 49),
        (16, 12, 2.0, 27),
        (16, 12, 1.0, 15),
    ]:
        sphere = PaddedSphere(r_max=min(size, box) // 2, padding=padding)
        assert sphere.shape == (wanted, wanted, wanted // 2 + 1)


def test_the_padded_box_is_even() -> None:
    assert padded_box(256, 2.0) == 512
    assert padded_box(256, 1.0) == 256
    assert padded_box(16, 1.3) == 22


def test_the_power_of_the_toy_reference_is_that_of_relion() -> None:
    power = fourier_reference(toy_map(), 12, 2.0).power

    wanted = [1.604935e-1, 7.312780e-2, 1.420534e-2, 1.526676e-3, 1.051003e-4, 5.197389e-6]
    # Printed by a single precision program with seven digits.
    np.testing.assert_allclose(power, [*wanted, 4.482266e-7, 0.0, 0.0], rtol=3e-6)


def test_frequency_zero_is_the_sum_over_the_map_divided_by_the_pixels_of_an_image() -> None:
    volume = toy_map()
    reference = fourier_reference(volume, 12, 2.0)

    flattened = (volume / window_of(16)).sum() / 16**2

    half = reference.half
    assert reference.values[half, half, 0] == pytest.approx(flattened, rel=1e-6)


def test_the_plane_z_zero_is_the_transform_of_the_sum_along_z() -> None:
    # Even padded frequencies are those of the unpadded box; the window is divided out beforehand.
    volume = toy_map()
    reference = fourier_reference(volume, 12, 2.0)
    image = transform_2d((volume / window_of(16)).sum(axis=0))

    half = reference.half
    for ky, kx in [(0, 1), (1, 0), (-2, 3), (4, 2), (-3, 0)]:
        centred = image[ky % 16, kx] * (-1) ** (ky + kx)
        found = reference.values[half, half + 2 * ky, 2 * kx]
        assert found == pytest.approx(centred, rel=1e-5, abs=1e-8)


def test_nothing_is_kept_outside_the_sphere() -> None:
    reference = fourier_reference(toy_map(), 10, 2.0)

    square = PaddedSphere(reference.r_max, reference.padding).squared_radius()

    assert np.all(reference.values[square > 10**2] == 0)
    assert np.all(reference.values[square <= 10**2] != 0)


def test_a_map_off_the_centre_turns_the_phase_the_right_way() -> None:
    # A point at x = centre + 3: exp(-2 pi i kx 3 / 16) at image frequency kx.
    volume = np.zeros((16, 16, 16), np.float32)
    volume[8, 8, 11] = 1.0
    reference = fourier_reference(volume, 12, 2.0)

    half = reference.half
    phase = np.angle(reference.values[half, half, 2 * 1])
    assert phase == pytest.approx(-2 * np.pi * 3 / 16, abs=1e-6)


def test_the_gridding_window_is_one_at_the_centre_and_falls_with_the_radius() -> None:
    window = window_of(16)

    assert window[8, 8, 8] == 1.0
    assert window[8, 8, 0] == pytest.approx(np.sinc(8 / 32) ** 2)
    assert window[8, 4, 5] == pytest.approx(np.sinc(5 / 32) ** 2)  # 3-4-5: radial, not a product


def columns_of(whole: np.ndarray) -> Columns:
    """Give columns of a dense transform: what a kernel does for packed sums."""
    half_z, half = len(whole) // 2, whole.shape[1] // 2

    def columns(block, phase, out) -> None:
        out[:] = 0.0
        for z in range(-half_z, half_z + 1):
            if half_z == 0 or -len(out) < 2 * z <= len(out):  # Nyquist once
                part = whole[z + half_z, block[1] + half :, block[0] :]
                turn = phase[0][z + half_z] * phase[1][block[1] + half :]
                _, n_y, n_x = out.shape
                out[z % len(out)] = part[:n_y, :n_x] * turn[:n_y, None]

    return columns


@pytest.mark.parametrize("depth", [1, 12])
@pytest.mark.parametrize("padding", [1.0, 2.0, 1.5])
def test_transforming_to_all_frequencies_and_back_gives_the_map(
    padding: float, depth: int, rng
) -> None:
    box, padded = 12, padded_box(12, padding)
    volume = rng.normal(size=(depth, box, box))
    half = padded  # so that the sphere around it has the corners of the transform
    whole = dense_transform(volume, padded, half) / padded ** (2 if depth == 1 else 3)

    way = CroppedInverse(half, (depth, box), padded)
    lines = np.empty(way.lines_shape, complex)
    for x in way.blocks:
        way.fill_lines(columns_of(whole), x, lines)
    back = np.stack([way.to_plane(plane) for plane in lines])

    np.testing.assert_allclose(back, volume, atol=1e-12)


def test_slices_of_the_toy_reference_are_those_of_relion() -> None:
    reference = fourier_reference(toy_map(), 12, 2.0)
    wanted = {
        (0, 0): 0.5665572 + 0.0j,
        (1, 0): 0.1994212 + 0.2136005j,
        (0, 1): 0.3839986 + 0.06013644j,
        (2, -3): 6.604776e-3 + 1.225265e-2j,
        (5, 2): 1.995522e-5 - 5.003889e-4j,
        (0, -2): 0.1585459 - 5.496879e-2j,
        (4, 4): -9.344581e-5 + 1.071713e-5j,
    }
    axes = reference.padding * euler_matrices(np.array([[30.0, 40.0, 50.0]]))[:, :2].reshape(1, 6)
    kx, ky = np.array(list(wanted), np.float32).T
    out = np.empty((1, 2 * len(wanted)), np.float32)

    ReferenceKernels().project(
        Volume(reference.values.reshape(-1).view(np.float32), reference.half),
        axes.astype(np.float32),
        Pixels(kx, ky),
        out,
    )

    # RELION works in single precision, on values up to 0.6.
    np.testing.assert_allclose(out.view(np.complex64)[0], list(wanted.values()), atol=1e-7)
