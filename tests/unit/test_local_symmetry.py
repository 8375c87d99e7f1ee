from collections.abc import Sequence

import numpy as np
import pytest

from halfmap.model.local_symmetry import Operator
from halfmap.model.rotations import euler_matrices
from halfmap.steps.local_symmetry import symmetrise_locally

BOX, PIXEL_A = 12, 2.0


def operator(angles_deg: Sequence[float], shift_A: Sequence[float] = (0.0, 0.0, 0.0)) -> Operator:
    return Operator(euler_matrices(np.array(angles_deg, float)), np.array(shift_A, float))


def at(volume: np.ndarray, point: np.ndarray) -> float:
    """Return the trilinear value at (x, y, z) from the centre; zero beyond the outermost voxels."""
    place = np.round(np.asarray(point, float)[::-1] + BOX // 2, 9)
    if (place < 0).any() or (place > BOX - 1).any():
        return 0.0
    low = np.floor(place).astype(int)
    total = 0.0
    for corner in np.ndindex(2, 2, 2):
        voxel = low + corner
        if ((voxel >= 0) & (voxel < BOX)).all():
            total += np.prod(np.where(corner, place - low, 1 - place + low)) * volume[tuple(voxel)]
    return float(total)


def moved(volume: np.ndarray, op: Operator, *, inverse: bool = False) -> np.ndarray:
    """Return V2 with V2(R x + t) = V1(x), voxel by voxel; inverse: V2(x) = V1(R x + t)."""
    out, shift = np.empty_like(volume, float), op.shift_A / PIXEL_A
    for index in np.ndindex(volume.shape):
        x = np.array(index, float)[::-1] - BOX // 2
        source = op.rotation @ x + shift if inverse else op.rotation.T @ (x - shift)
        out[index] = at(volume, source)
    return out


def by_definition(volume: np.ndarray, regions) -> np.ndarray:
    """Local symmetry as it is written down, with no shortcut."""
    sums, weight = np.zeros(volume.shape), np.zeros(volume.shape)
    for mask, ops in regions:
        part = volume + sum(moved(volume, op, inverse=True) for op in ops)
        part = np.where(mask > 0, part * mask / (len(ops) + 1), 0.0)
        sums += part + sum(moved(part, op) for op in ops)
        weight += mask + sum(moved(mask, op) for op in ops)
    mixed = sums + (1.0 - weight) * volume
    return np.where(weight > 1.0, sums / np.maximum(weight, 1.0), mixed)


def ball(centre: Sequence[float], radius: float, edge: float = 0.0) -> np.ndarray:
    z, y, x = np.ogrid[(slice(-(BOX // 2), BOX // 2),) * 3]
    r = np.sqrt((x - centre[0]) ** 2 + (y - centre[1]) ** 2 + (z - centre[2]) ** 2)
    if edge == 0.0:
        return (r <= radius).astype(float)
    return np.asarray(np.clip((radius + edge - r) / edge, 0.0, 1.0))


@pytest.fixture
def volume() -> np.ndarray:
    return np.random.default_rng(1).normal(size=(BOX,) * 3).astype(np.float32)


def test_soft_overlapping_masks_and_any_operators_are_as_defined(volume: np.ndarray) -> None:
    regions = [
        (
            ball((2.0, 0.0, 1.0), 2.0, 2.0),
            (operator((20, 50, -70), (1.0, -3.0, 2.5)), operator((130, 35, 10), (0.5, 0, -1))),
        ),
        (ball((-3.0, 1.0, 0.0), 1.5, 1.5), (operator((0, 90, 0), (0.0, 4.0, 14.0)),)),
    ]

    found = symmetrise_locally(volume, regions, PIXEL_A)

    # float32 result of numbers of order one
    np.testing.assert_allclose(found, by_definition(volume.astype(float), regions), atol=5e-7)
    assert np.abs(found - volume).max() > 0.5


def test_a_map_that_is_symmetric_already_is_unchanged_inside_the_masks(volume: np.ndarray) -> None:
    # The cyclic group of 90° about z takes the mask to four places that do not overlap.
    quarters = [operator((angle, 0, 0)) for angle in (90, 180, 270)]
    mask = ball((3.0, 0.0, 0.0), 1.5)
    symmetric = sum(
        (moved(volume.astype(float), quarter) for quarter in quarters), volume.astype(float)
    ).astype(np.float32)

    found = symmetrise_locally(symmetric, [(mask, tuple(quarters))], PIXEL_A)

    everywhere = sum((moved(mask, quarter) for quarter in quarters), mask) > 0.5
    assert everywhere.sum() == 4 * mask.sum()
    np.testing.assert_allclose(found[everywhere], symmetric[everywhere], atol=2e-6)
    np.testing.assert_array_equal(found[~everywhere], symmetric[~everywhere])


def test_two_copies_become_their_mean_and_the_rest_stays(volume: np.ndarray) -> None:
    mask = ball((-3.0, 0.0, 0.0), 1.0)
    to_the_right = operator((0, 0, 0), (6 * PIXEL_A, 0.0, 0.0))

    found = symmetrise_locally(volume, [(mask, (to_the_right,))], PIXEL_A)

    left, right = (6, 6, 3), (6, 6, 9)
    mean = (float(volume[left]) + float(volume[right])) / 2.0
    assert found[left] == pytest.approx(mean, abs=1e-6)
    assert found[right] == pytest.approx(mean, abs=1e-6)
    np.testing.assert_array_equal(found[6, 6, 6], volume[6, 6, 6])


def test_a_copy_outside_the_box_counts_as_zero(volume: np.ndarray) -> None:
    mask = ball((0.0, 0.0, 0.0), 1.0)
    away = operator((0, 0, 0), (100 * PIXEL_A, 0.0, 0.0))

    found = symmetrise_locally(volume, [(mask, (away,))], PIXEL_A)

    assert found[6, 6, 6] == pytest.approx(volume[6, 6, 6] / 2.0)
