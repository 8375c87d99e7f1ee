"""Several classes in one unit: drawn into one, or one of them empty."""

from dataclasses import replace

import numpy as np
import pytest
from small_search import GLOBAL, LOCAL, density, model, plan, poses_at, search

from halfmap.kernels.protocol import Kernels
from halfmap.model.sampling import Sampling

from .small_unit import ASSUMED, N, data, run


def test_seeded_particles_take_the_poses_of_one_class_into_their_own(kernels: Kernels) -> None:
    pictures, those, _, _ = data(GLOBAL)
    one = model(density()[None], GLOBAL, ASSUMED)
    three = model(np.stack([density()] * 3), GLOBAL, ASSUMED)
    seeds = np.array([2, 0, 1, 1, 0, 2])
    seeded = search(three, replace(plan(those), seed_class=seeds), kernels)

    found, sums = run(pictures, those, seeded)
    alone, of_one = run(pictures, those, search(one, plan(those), kernels))

    assert seeded.coarse_slices is not None
    assert len(seeded.coarse_slices) == 576  # equal maps are compared once
    assert found.class_index.tolist() == seeds.tolist()
    np.testing.assert_array_equal(found.class_weight.argmax(axis=1), seeds)
    np.testing.assert_array_equal(found.class_weight.sum(axis=1), alone.class_weight[:, 0])
    for name in ("angles_deg", "offset_A", "log_likelihood", "max_probability", "norm"):
        np.testing.assert_array_equal(getattr(found, name), getattr(alone, name))
    # inside a unit voxels are summed in single precision, here in another order
    total, expected = sums.volume.sum(axis=0), of_one.volume[0]
    np.testing.assert_allclose(total, expected, rtol=0, atol=2e-6 * np.abs(expected).max())
    np.testing.assert_array_equal(sums.noise, of_one.noise)


@pytest.mark.parametrize("sampling", [GLOBAL, LOCAL], ids=["global", "local"])
def test_an_empty_class_is_not_searched(kernels: Kernels, sampling: Sampling) -> None:
    pictures, those, angles, offsets = data(GLOBAL)
    volumes = np.stack([density(seed=8), np.zeros_like(density()), density()])
    known = model(volumes, sampling, ASSUMED)
    share = np.array([0.5, 0.0, 0.5])
    known = replace(
        known,
        class_fraction=share,
        direction_fraction=3.0 * share[:, None] * known.direction_fraction,
    )

    found, sums = run(
        pictures, those, search(known, plan(those, sampling), kernels), poses_at(angles, offsets)
    )

    assert found.class_index.tolist() == [2] * N
    assert not sums.volume[1].any()
    assert not found.class_weight[:, 1].any()
