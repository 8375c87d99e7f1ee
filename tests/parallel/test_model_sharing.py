"""Who holds what of a model: the maps once on each node, the statistics everywhere."""

import numpy as np
import pytest
from mpi4py import MPI

from halfmap.engine.model_sharing import from_leader, from_roots, maps_at_root
from halfmap.model.half_model import HalfModel
from halfmap.parallel.halves import organise

COMM = MPI.COMM_WORLD
pytestmark = pytest.mark.mpi
K, BOX = 4, 6


def model(half: int) -> HalfModel:
    rng = np.random.default_rng(half)
    return HalfModel.untrained(
        maps=rng.normal(size=(K, BOX, BOX, BOX)).astype(np.float32),
        noise_variance=rng.uniform(size=(2, BOX // 2 + 1)),
        data_vs_prior=rng.uniform(size=(K, BOX // 2 + 1)),
        offset_sigma_A=3.0,
        counts=(12, 3),
    )


def assert_held_once(models: dict[int, HalfModel], n_halves: int) -> None:
    ranks = organise(COMM, n_halves)
    expected = set(range(n_halves)) if ranks.leads else set(ranks.teams)
    assert models.keys() == expected
    for half, found in models.items():
        wanted = model(half)
        np.testing.assert_array_equal(found.data_vs_prior, wanted.data_vs_prior)
        holds = half in ranks.teams and ranks.teams[half].node.rank == 0
        assert len(found.maps) == (K if holds else 0)
        if holds:
            np.testing.assert_array_equal(found.maps, wanted.maps)


@pytest.mark.parametrize("n_halves", [1, 2])
def test_what_the_leader_made_is_held_once_on_a_node(n_halves: int) -> None:
    ranks = organise(COMM, n_halves)
    made = {half: model(half) for half in range(n_halves)} if ranks.leads else {}

    assert_held_once(from_leader(ranks, made), n_halves)


@pytest.mark.parametrize("n_halves", [1, 2])
def test_what_the_roots_made_is_held_once_on_a_node(n_halves: int) -> None:
    ranks = organise(COMM, n_halves)
    made = {half: model(half) for half, team in ranks.teams.items() if team.is_root}

    assert_held_once(from_roots(ranks, made, range(n_halves)), n_halves)


def test_maps_come_together_on_the_root_whoever_made_them() -> None:
    ranks, wanted = organise(COMM, 1), model(0)
    if 0 not in ranks.teams:
        return
    team = ranks.teams[0]
    made = {k: wanted.maps[k] for k in team.classes(K)}

    found = maps_at_root(made, K, team)

    total = team.comm.allreduce(len(made))
    assert total == K  # each class is made once
    if team.is_root:
        np.testing.assert_array_equal(found, wanted.maps)
    else:
        assert found is None
