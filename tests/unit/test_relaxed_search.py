"""With a pseudo-symmetry, a local search stays at the wrong mate unless it is relaxed."""

from dataclasses import replace

import numpy as np
import pytest
from numpy import ndarray as Array
from small_search import BOX, images, model, particles, plan, poses_at, search

from halfmap.kernels.registry import make_kernels
from halfmap.model.rotations import angular_distance_deg, euler_angles, euler_matrices
from halfmap.model.sampling import Sampling
from halfmap.model.symmetry import point_group
from halfmap.steps.expectation import Workspace, run_unit

N, NOISE, ASSUMED = 12, 0.5, 2.0
NO_SYMMETRY = np.zeros((0, 3, 3))


def pseudo_symmetric(group: str) -> Array:
    """Mates of a blob under a group, all alike but for a bump beside one of them."""
    grid = np.stack(np.mgrid[:BOX, :BOX, :BOX][::-1], axis=-1) - BOX // 2
    operators = np.concatenate([np.eye(3)[None], point_group(group).right])
    volume = np.zeros((BOX,) * 3)
    for operator in operators:
        square = np.sum((grid - operator @ np.array([5.0, 2.0, 4.0])) ** 2, axis=-1)
        volume += np.exp(-square / 4.0)
    bump = np.sum((grid - np.array([5.0, -1.0, 6.0])) ** 2, axis=-1)
    return (volume + 2.0 * np.exp(-bump / 4.0)).astype(np.float32)


def found_from(wrong: Array, truth: Array, volume: Array, sampling: Sampling) -> Array:
    """Search around wrong poses; return how far the poses found are from the truth, in degrees."""
    those = particles(N)
    pictures = images(volume, those, truth, np.zeros((N, 2)), noise=NOISE)
    made = search(model(volume[None], sampling, ASSUMED), plan(those, sampling), make_kernels())
    poses = poses_at(wrong, np.zeros((N, 2)))
    found = run_unit(pictures, np.arange(N), those, poses, made, Workspace(made))
    return angular_distance_deg(
        euler_matrices(found.angles_deg), euler_matrices(truth), NO_SYMMETRY
    )


@pytest.mark.parametrize("group", ["C2", "D2", "T"])
def test_relaxed_symmetry_finds_the_right_mate_and_a_plain_local_search_does_not(
    group: str,
) -> None:
    """The wrong poses are right ones turned by an operator, another for each particle."""
    rng = np.random.default_rng(1)
    truth = np.column_stack(
        [rng.uniform(-180, 180, N), rng.uniform(40, 140, N), rng.uniform(-180, 180, N)]
    )
    right = point_group(group).right
    turned = euler_matrices(truth) @ right[rng.integers(0, len(right), N)]
    wrong, volume = euler_angles(turned), pseudo_symmetric(group)
    plain = Sampling(2, 15.0, 4.0, 4.0, 1, "C1", prior_sigma_deg=(6.0, 6.0, 6.0))

    stuck = found_from(wrong, truth, volume, plain)
    freed = found_from(wrong, truth, volume, replace(plain, relaxed_symmetry=group))

    # steps of 7.5° in the second pass; mates are 90° or more apart
    assert (freed < 10.0).mean() >= 0.9
    assert (stuck > 40.0).all()
