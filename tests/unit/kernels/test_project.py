"""Slices of the map, against the numpy meaning and the voxels themselves."""

import numpy as np
import pytest
from numpy import ndarray as Array

from halfmap.kernels.protocol import Kernels, Pixels, Volume
from halfmap.kernels.registry import BACKENDS, make_kernels
from halfmap.model.padded_sphere import PaddedSphere

from .small_problem import DISC, N, both


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
