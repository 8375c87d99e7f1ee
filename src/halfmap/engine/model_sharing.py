"""Who holds what of a model: statistics on every rank, maps once on each node.

Only the first rank of a node needs the maps, to transform them into memory that the node shares;
the others hold the model without them. The leader, unless it is the only rank, is told the
statistics of all halves.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace

import numpy as np
from jaxtyping import Float32
from numpy import ndarray as Array

from halfmap.model.half_model import HalfModel
from halfmap.parallel.collectives import broadcast, hand_over, share
from halfmap.parallel.halves import LEADER, Ranks, Team, place


def from_leader(ranks: Ranks, made: Mapping[int, HalfModel]) -> dict[int, HalfModel]:
    """Hand out the models that the leader has read or made. Collective.

    Parameters
    ----------
    made
        Of all halves, on the leader; empty elsewhere.
    """
    at_roots = {}
    for half, root in enumerate(ranks.roots):
        if ranks.council is None:
            continue
        target = place(ranks, ranks.council, half)
        mine = made.get(half)
        frame = None if mine is None else (mine.without_maps(), mine.maps.shape)
        small, shape = share(frame, ranks.council, LEADER)
        if ranks.world.rank in (root, LEADER):
            maps = np.empty(shape, np.float32) if mine is None else _contiguous(mine.maps)
            hand_over(maps, ranks.council, LEADER, target)
            if ranks.world.rank == root:
                at_roots[half] = replace(small, maps=maps)
    return from_roots(ranks, at_roots, range(ranks.n_halves))


def from_roots(
    ranks: Ranks, made: Mapping[int, HalfModel], halves: Iterable[int]
) -> dict[int, HalfModel]:
    """Give each team the model of its half, and the leader all of them without maps. Collective.

    Parameters
    ----------
    made
        By half, on the half roots.
    halves
        Which there are.
    """
    models = {}
    for half in halves:
        if half in ranks.teams:
            models[half] = _share_with_team(made.get(half), ranks.teams[half])
    if ranks.council is not None:
        for half in halves:
            mine = made.get(half)
            small = None if mine is None else mine.without_maps()
            told = share(small, ranks.council, place(ranks, ranks.council, half))
            if ranks.leads:  # a half root keeps nothing of the other half
                models.setdefault(half, told)
    return models


def maps_at_root(
    made: Mapping[int, Float32[Array, "z y x"]], n_classes: int, team: Team
) -> Float32[Array, "class z y x"] | None:
    """Collect the maps of all classes on the root of a team, None elsewhere. Collective.

    Parameters
    ----------
    made
        By class, on the ranks that make them (`Team.maker`).
    """
    box = share(made[0].shape if team.is_root else None, team.comm)
    maps = np.empty((n_classes, *box), np.float32) if team.is_root else None
    for k in range(n_classes):
        if k in made and maps is not None:
            maps[k] = made[k]
        elif k in made:
            hand_over(_contiguous(made[k]), team.comm, team.maker(k), 0)
        elif maps is not None:
            hand_over(maps[k], team.comm, team.maker(k), 0)
    return maps


def _share_with_team(model: HalfModel | None, team: Team) -> HalfModel:
    frame = None if model is None else (model.without_maps(), model.maps.shape)
    small, shape = share(frame, team.comm)
    if team.holders is None:
        return small
    maps = np.empty(shape, np.float32) if model is None else _contiguous(model.maps)
    broadcast(maps, team.holders)
    return replace(small, maps=maps)


def _contiguous(maps: Float32[Array, "..."]) -> Float32[Array, "..."]:
    return np.ascontiguousarray(maps, np.float32)
