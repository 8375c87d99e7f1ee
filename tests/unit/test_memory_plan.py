"""What is given up when memory is short, and in which order."""

from dataclasses import replace
from itertools import pairwise

import pytest

from halfmap.model.padded_sphere import PaddedSphere
from halfmap.steps.memory_plan import (
    Degrees,
    NodeLoad,
    Volumes,
    degrees_within,
    n_bytes_of_node,
    ways,
)

FOUR_RANKS = NodeLoad(workers=(2, 2), n_ranks=4, n_threads=1)
"""A leader, a worker of each half, and one of both."""
BOX_512 = Volumes(PaddedSphere(256, 2.0), 512, 1)
GIB = 2**30


def test_with_memory_enough_nothing_is_given_up() -> None:
    assert degrees_within(FOUR_RANKS, BOX_512, 1000 * GIB) == Degrees((2, 2))


def test_each_rank_holds_the_images_of_one_unit_ahead() -> None:
    none, some = (
        n_bytes_of_node(FOUR_RANKS, replace(BOX_512, images=n), Degrees((2, 2))) for n in (0, GIB)
    )

    assert some - none == 4 * GIB


def test_ranks_share_sums_before_anything_takes_longer() -> None:
    enough = n_bytes_of_node(FOUR_RANKS, BOX_512, Degrees((2, 2)))

    found = degrees_within(FOUR_RANKS, BOX_512, enough - 1)

    assert found == Degrees((1, 1), shares=True)


def test_each_way_needs_less_than_the_one_before() -> None:
    needs = [n_bytes_of_node(FOUR_RANKS, BOX_512, degrees) for degrees in ways(FOUR_RANKS)]

    # slabs do not help where making the maps is what takes most
    assert all(b <= a for a, b in pairwise(needs))
    assert needs[-1] < needs[0] / 3


def test_where_nothing_is_enough_all_is_done_that_can_be() -> None:
    assert degrees_within(FOUR_RANKS, BOX_512, 1.0) == list(ways(FOUR_RANKS))[-1]


def test_box_512_fits_into_24_gibibytes_with_four_ranks() -> None:
    found = degrees_within(FOUR_RANKS, BOX_512, 24 * GIB)

    assert n_bytes_of_node(FOUR_RANKS, BOX_512, found) <= 24 * GIB
    assert not found.on_disc


def test_a_node_that_leads_only_needs_little() -> None:
    leader = NodeLoad(workers=(0, 0), n_ranks=1, n_threads=8)

    assert degrees_within(leader, BOX_512, GIB) == Degrees((0, 0))


@pytest.mark.parametrize("n_classes", [1, 3])
def test_the_volumes_of_box_512_are_as_large_as_their_arrays(n_classes: int) -> None:
    volumes = replace(BOX_512, n_classes=n_classes)

    # 1027 x 1027 x 514 voxels of 8 bytes; of the sums half as many voxels, of 24 bytes
    assert volumes.references == n_classes * 8 * 1027 * 1027 * 514
    assert volumes.sums == pytest.approx(n_classes * 24 * 1027 * 1027 * 514 * 0.527, rel=0.01)
    assert volumes.maps == n_classes * 4 * 512**3
