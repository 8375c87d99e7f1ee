import numpy as np
import pytest
from numpy import ndarray as Array
from scipy.ndimage import map_coordinates

from halfmap.model.fourier import centring_signs, frequencies_2d, inverse_2d, transform_2d
from halfmap.model.map_extent import map_extent_A
from halfmap.model.rotations import euler_matrices
from halfmap.model.spline_projection import slices, spline_transform
from halfmap.steps.references import fourier_reference

BOX, SIGMA_PX = 48, 2.0
AXIS = np.arange(BOX) - BOX // 2


@pytest.fixture
def centres(rng: np.random.Generator) -> Array:
    """Thirty places (x, y, z) within 0.7 of the box."""
    directions = rng.normal(size=(30, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    return directions * (0.3 * BOX * rng.uniform(size=(30, 1)) ** (1 / 3))


def bell(centre: float) -> Array:
    return np.exp(-((AXIS - centre) ** 2) / (2 * SIGMA_PX**2))


def blobs(centres: Array) -> Array:
    volume = sum(bell(z)[:, None, None] * bell(y)[:, None] * bell(x) for x, y, z in centres)
    return np.asarray(volume, np.float32)


def projected_blobs(centres: Array) -> Array:
    """The projection along z, from the formula."""
    image = sum(bell(y)[:, None] * bell(x) for x, y, _ in centres)
    return np.asarray(image) * SIGMA_PX * np.sqrt(2 * np.pi)


def images(volume: Array, angles_deg: Array) -> Array:
    signs = centring_signs((BOX, BOX // 2 + 1))
    return inverse_2d(slices(spline_transform(volume), euler_matrices(angles_deg)) * signs, BOX)


def test_the_projection_of_pose_zero_is_the_sum_along_z(rng: np.random.Generator) -> None:
    # Noise within 0.7 of the box: every frequency up to Nyquist counts.
    inside = AXIS**2 + AXIS[:, None] ** 2 + AXIS[:, None, None] ** 2 < (0.35 * BOX) ** 2
    volume = (rng.normal(size=(BOX,) * 3) * inside).astype(np.float32)

    image = images(volume, np.zeros((1, 3)))[0]

    ft = transform_2d(volume.sum(axis=0))
    ft[np.hypot(*np.meshgrid(np.fft.fftfreq(BOX), np.fft.rfftfreq(BOX), indexing="ij")) >= 0.5] = 0
    expected = inverse_2d(ft, BOX)
    # Aliasing of the kernel at 0.175 cycles: (0.175 / 0.825)^6 = 9e-5.
    assert np.linalg.norm(image - expected) < 2e-4 * np.linalg.norm(expected)


def test_a_density_at_r_appears_at_the_first_two_components_of_a_r(centres: Array) -> None:
    angles_deg = np.array([[30.0, 40.0, 50.0], [-100.0, 155.0, 10.0], [0.0, 90.0, 0.0]])

    found = images(blobs(centres), angles_deg)

    for image, rotation in zip(found, euler_matrices(angles_deg), strict=True):
        expected = projected_blobs(centres @ rotation.T)
        # As above, and float32 coefficients.
        assert np.linalg.norm(image - expected) < 1e-4 * np.linalg.norm(expected)


def test_slices_are_those_of_the_refinement_up_to_its_interpolation(centres: Array) -> None:
    volume = blobs(centres)
    rotations = euler_matrices(np.array([[30.0, 40.0, 50.0], [-100.0, 155.0, 10.0]]))
    reference = fourier_reference(volume, BOX, 2.0)
    ky, kx = frequencies_2d(BOX)
    inside = np.hypot(kx, ky) < BOX // 2 - 1

    found = slices(spline_transform(volume), rotations)[:, inside]

    for slice_, rotation in zip(found, rotations, strict=True):
        place = 2.0 * (np.outer(kx[inside], rotation[0]) + np.outer(ky[inside], rotation[1]))
        mirrored = place[:, 0] < 0
        place[mirrored] *= -1.0
        corner = place[:, ::-1] + [reference.half, reference.half, 0]
        expected = map_coordinates(reference.values, corner.T, order=1)
        expected[mirrored] = expected[mirrored].conj()
        # Trilinear interpolation with padding 2: some per cent.
        assert np.linalg.norm(slice_ - expected) < 0.04 * np.linalg.norm(expected)


def test_projections_add_up_to_the_sum_of_the_map(centres: Array) -> None:
    volume = blobs(centres)

    found = images(volume, np.array([[10.0, 20.0, 30.0]]))

    assert found.sum() == pytest.approx(volume.sum(), rel=1e-4)


def test_the_extent_of_a_map_is_the_sphere_around_its_particle() -> None:
    far = blobs(np.array([[0.0, 0.0, 0.0], [12.0, 0.0, 0.0]]))

    # Smoothed to 20 A, half a blob and half the filter (about 10 A) are added at the end.
    assert 2 * 12.0 * 4.0 < map_extent_A(far, 4.0) < 2 * (12.0 * 4.0 + 22.0)
