"""Conventions that need more than one module to be seen, and the page that lists them all."""

import re
from pathlib import Path

import numpy as np
import pytest
from jaxtyping import Float
from numpy import ndarray as Array

from halfmap.model.disc import make_disc, phase_ramps, plane_index
from halfmap.model.fourier import (
    centring_signs,
    frequencies_2d,
    inverse_2d,
    transform_2d,
    transform_3d,
)
from halfmap.model.rotations import euler_matrices

REPOSITORY = Path(__file__).resolve().parents[2]
BOX = 16
SIGNS_2D, SIGNS_3D = centring_signs((BOX, BOX // 2 + 1)), centring_signs((BOX, BOX, BOX // 2 + 1))
QUARTER_TURNS = [(0, 0, 0), (90, 0, 0), (0, 0, 90), (0, 90, 0), (90, 90, 0), (180, 90, 270)]


def blob(*centre_px: float) -> Float[Array, "..."]:
    """A Gaussian around (x, y) or (x, y, z), counted from the pixel n // 2."""
    axes = np.meshgrid(*[np.arange(BOX) - BOX // 2] * len(centre_px), indexing="ij")
    distance = sum((axis - at) ** 2 for axis, at in zip(axes, reversed(centre_px), strict=True))
    return np.asarray(np.exp(-distance / (2.0 * 1.2**2)))


def slice_of(volume: Float[Array, "z y x"], matrix: Float[Array, "3 3"]) -> Array:
    """Centred transform of a projection, for rotations that map the grid onto itself."""
    ft = transform_3d(volume) * SIGNS_3D * BOX
    ky, kx = frequencies_2d(BOX)
    k = np.stack([kx, ky, 0 * kx], axis=-1) @ np.round(matrix)  # row vector: Aᵀ k
    x, y, z = np.moveaxis(k.astype(int), -1, 0)
    mate = x < 0
    x, y, z = (np.where(mate, -c, c) for c in (x, y, z))
    values = ft[z % BOX, y % BOX, x]
    return np.where(mate, values.conj(), values)


@pytest.mark.parametrize("angles", QUARTER_TURNS)
def test_a_density_at_r_is_seen_at_the_first_two_components_of_a_times_r(
    angles: tuple[int, int, int],
) -> None:
    matrix = euler_matrices(np.array(angles, float))
    place = np.array([3.0, -2.0, 1.0])

    image = inverse_2d(slice_of(blob(*place), matrix) * SIGNS_2D, BOX)

    x, y, _ = matrix @ place
    depth = blob(0.0, 0.0, 0.0)[:, BOX // 2, BOX // 2].sum()
    # The projection is the plain sum over voxels. Its Nyquist frequency, where +n/2 and -n/2 are
    # one, is the only thing the turned grid lacks: 2e-3 of a blob of 1.2 px.
    np.testing.assert_allclose(image, blob(x, y) * depth, atol=2e-3)


def test_without_rotation_a_slice_is_the_transform_of_the_sum_along_z() -> None:
    volume = blob(3.0, -2.0, 1.0)

    projected = transform_2d(volume.sum(axis=0)) * SIGNS_2D

    np.testing.assert_allclose(slice_of(volume, np.eye(3)), projected, atol=1e-16)


def test_an_offset_is_the_shift_that_brings_the_particle_to_the_centre() -> None:
    centred = blob(0.0, 0.0)
    off_centre = np.roll(centred, (-3, +5), axis=(0, 1))  # the particle is at x = 5, y = -3
    offset_px = np.array([[-5.0, 3.0]])
    disc = make_disc(BOX, BOX)

    ramp = phase_ramps(disc, offset_px, BOX)[0].view(np.complex64)[: len(disc)]

    index = plane_index(disc, BOX)
    moved = transform_2d(off_centre).ravel()[index] * ramp
    expected = transform_2d(centred).ravel()[index]
    np.testing.assert_allclose(moved, expected, atol=1e-6 * expected[0].real)  # float32 ramps


def test_every_test_that_the_page_of_conventions_names_exists() -> None:
    page = (REPOSITORY / "docs" / "conventions.md").read_text(encoding="utf-8")
    named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", page)

    assert len(named) > 20
    for path, test in named:
        code = (REPOSITORY / path).read_text(encoding="utf-8")
        assert re.search(rf"^def {test}\(", code, re.MULTILINE), f"{path}::{test}"
