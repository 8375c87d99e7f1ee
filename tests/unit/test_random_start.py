from dataclasses import replace

import numpy as np
import pytest
from small_search import BOX, PIXEL_A, density, images, model, particles, plan, poses_at, search

from halfmap.kernels.registry import make_kernels
from halfmap.model.exact import decode
from halfmap.model.fourier import low_pass
from halfmap.model.particles import Poses
from halfmap.model.sampling import Sampling
from halfmap.steps.complete_sums import hermitian
from halfmap.steps.random_start import drawn_poses, insert_as_drawn
from halfmap.steps.reconstruction import reconstruct
from halfmap.steps.workspace import Workspace

FLAT = Sampling(0, 30.0, 4.0, 4.0, 0, "C1", flat=True)
SOLID = replace(FLAT, flat=False)
N = 40


def correlation(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.corrcoef(a.ravel(), b.ravel())[0, 1])


@pytest.mark.parametrize("flat", [True, False])
def test_particles_inserted_at_their_true_poses_give_the_map_back(flat: bool) -> None:
    truth = density().sum(axis=0)[None] if flat else density()
    sampling = FLAT if flat else SOLID
    those, rng = particles(N), np.random.default_rng(2)
    angles = rng.uniform(-180.0, 180.0, (N, 3)) * ([0.0, 0.0, 1.0] if flat else [1.0, 0.5, 1.0])
    pictures = images(truth, those, angles, np.zeros((N, 2)))
    blank = np.zeros_like(truth)
    made = search(model(np.stack([blank, blank]), sampling, 1.0), plan(those, sampling),
                  make_kernels())  # fmt: skip
    poses = replace(poses_at(angles, np.zeros((N, 2))), class_index=np.arange(N) % 2)
    workspace, sums = Workspace(made), made.zero_sums()

    result = insert_as_drawn(pictures, np.arange(N), those, poses, made, workspace)

    workspace.add_to(sums)
    fourier, _, _ = decode(sums, made.scales, made.sphere)
    expected = low_pass(truth, PIXEL_A, BOX * PIXEL_A / 7.0)
    for own in fourier:  # each class of half of the particles
        found = low_pass(reconstruct(hermitian(own), BOX, None), PIXEL_A, BOX * PIXEL_A / 7.0)
        # 20 slices leave gaps in the space of a 3D map, none in a plane
        assert correlation(found, expected) > (0.99 if flat else 0.8)
    assert not result.fault.any()


def test_bad_images_are_named_and_left_out() -> None:
    those = particles(4)
    pictures = np.random.default_rng(0).normal(size=(4, BOX, BOX)).astype(np.float32)
    pictures[2] = np.nan
    blank = np.zeros((1, 1, BOX, BOX), np.float32)
    made = search(model(blank, FLAT, 1.0), plan(those, FLAT), make_kernels())
    workspace = Workspace(made)
    poses = drawn_poses(Poses.unknown(4), 1, seed=1, flat=True)

    result = insert_as_drawn(pictures, np.arange(4), those, poses, made, workspace)

    assert result.fault.tolist() == [0, 0, 1, 0]
    assert workspace.n_particles == 3
    assert np.isfinite(workspace.grid.values).all()


def test_classes_are_dealt_in_turn_and_angles_drawn_alike_everywhere() -> None:
    before = replace(Poses.unknown(1000), offset_A=np.full((1000, 2), 3.0))

    flat = drawn_poses(before, 3, seed=5, flat=True)
    solid = drawn_poses(before, 3, seed=5, flat=False)

    assert flat.class_index[:5].tolist() == [0, 1, 2, 0, 1]
    assert not flat.angles_deg[:, :2].any()
    np.testing.assert_array_equal(flat.offset_A, before.offset_A)
    np.testing.assert_array_equal(drawn_poses(before, 3, 5, flat=True).angles_deg, flat.angles_deg)
    # uniform over whole turns, and tilt over half a turn: means to 3 of 1000 samples' errors
    np.testing.assert_allclose(solid.angles_deg.mean(axis=0), [180.0, 90.0, 180.0], atol=10.0)
