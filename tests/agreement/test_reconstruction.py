"""Golden ``rec``: a map from true poses by direct Fourier inversion, without prior or noise model.

The reconstruction is the program's; the insertion is written out here in a few lines of numpy, so
that it also checks the conventions of poses, offsets, CTF and centre against another program.
"""

from pathlib import Path

import mrcfile
import numpy as np
import pytest

from halfmap.io.particle_table import read_particles
from halfmap.model.ctf import CtfOptions, contrast_transfer
from halfmap.model.disc import make_disc, plane_index
from halfmap.model.fourier import centring_signs, frequencies_3d, radii, transform_2d, transform_3d
from halfmap.model.padded_sphere import PaddedSphere
from halfmap.model.rotations import euler_matrices
from halfmap.model.sums import FourierSums
from halfmap.steps.complete_sums import hermitian
from halfmap.steps.reconstruction import reconstruct

BOX, PADDING = 64, 2.0


def inserted(points: np.ndarray, values: np.ndarray, weights: np.ndarray) -> FourierSums:
    """Distribute values over the eight voxels around points in padded frequency space."""
    sphere = PaddedSphere(BOX // 2, PADDING)
    flip = points[:, 0] < 0.0
    points[flip] *= -1.0
    values[flip] = values[flip].conj()
    low = np.floor(points).astype(int)
    signal, weight = np.zeros(sphere.shape, complex), np.zeros(sphere.shape)
    for corner in np.ndindex(2, 2, 2):
        part = np.prod(np.where(corner, points - low, 1.0 - (points - low)), axis=1)
        x, y, z = (low + corner).T
        place = (z + sphere.half, y + sphere.half, x)
        np.add.at(signal, place, part * values)
        np.add.at(weight, place, part * weights)
    return FourierSums.of(signal, weight, BOX // 2, PADDING)


@pytest.fixture(scope="module")
def maps(shared: Path) -> tuple[np.ndarray, np.ndarray]:
    """Our map and RELION's."""
    golden = shared / "golden" / "relion"
    particles, poses, _ = read_particles(golden / "p240_truth.star", ctf=True, half_seed=None)
    with mrcfile.open(golden / "p240.mrcs") as file:
        images = file.data[particles.slice].astype(float)
    disc = make_disc(BOX, BOX)
    ft = transform_2d(images) * centring_signs((BOX, BOX // 2 + 1))
    ft = ft.reshape(len(images), -1)[:, plane_index(disc, BOX)]
    ft[:, 0] = 0.0  # the mean
    offset_px = poses.offset_A / particles.optics[0].pixel_size_A
    turns = np.outer(offset_px[:, 0], disc.kx) + np.outer(offset_px[:, 1], disc.ky)
    ft *= np.exp(-2j * np.pi * turns / BOX)
    ctf = np.empty(ft.shape)
    for group, optics in enumerate(particles.optics):
        own = np.flatnonzero(particles.optics_group == group)
        options = CtfOptions()
        ctf[own] = contrast_transfer(disc.kx, disc.ky, particles.defocus[own], optics, options)
    plane = np.stack([disc.kx, disc.ky]).astype(float)
    points = PADDING * np.einsum("nij,ip->npj", euler_matrices(poses.angles_deg)[:, :2], plane)
    sums = inserted(points.reshape(-1, 3), (ctf * ft).ravel(), (ctf**2).ravel())
    with mrcfile.open(golden / "rec" / "reconstruct.mrc") as file:
        return reconstruct(hermitian(sums), BOX, None), file.data.astype(float)


@pytest.mark.parametrize(("shell", "bound"), [(5, 4e-4), (15, 4e-3), (25, 1.2e-2), (30, 4e-2)])
def test_a_map_from_true_poses_is_relions(
    maps: tuple[np.ndarray, np.ndarray], shell: int, bound: float
) -> None:
    # RELION keeps or drops the pixels with |k| = box/2 by rounding. Here they have full weight, and
    # the gridding correction spreads them over all shells: whatever is chosen, they cost 2e-4 at
    # shell 5, 2e-3 at 15, 6e-3 at 25 and 2e-2 at 30. Twice that is allowed.
    ours, theirs = (transform_3d(volume) for volume in maps)
    within = np.abs(radii(frequencies_3d(BOX)) - shell) < 0.5

    error = np.linalg.norm((ours - theirs)[within]) / np.linalg.norm(theirs[within])

    assert error <= bound
