import time
from collections.abc import Callable

import numpy as np
import pytest
from mpi4py import MPI

from halfmap.errors import CollectiveError, DataError
from halfmap.model.sums import ExpectationSums
from halfmap.parallel import collectives, node_memory, reduce_network
from halfmap.parallel.collectives import all_or_none, broadcast, from_root
from halfmap.parallel.halves import meet, organise
from halfmap.parallel.leases import LocalDesk, RemoteDesk, lead, work
from halfmap.parallel.node_memory import NodeArrays
from halfmap.parallel.node_sums import SharedSums, SpoiltError
from halfmap.parallel.reduce_network import reduce_sums
from halfmap.parallel.units import LeaseBook, Unit, cut_units

COMM = MPI.COMM_WORLD
pytestmark = pytest.mark.mpi


def sums_of(rank: int) -> ExpectationSums:
    rng = np.random.default_rng(rank)
    sums = ExpectationSums.zeros(2, 50, (3, 5), 7)
    for array in sums.arrays():
        array += rng.integers(-(2**55), 2**55, array.shape)
    return sums


def shared_sums(group: MPI.Intracomm) -> SharedSums:
    """Return a copy that the ranks of a group share, to which each has added its own."""
    shapes = [array.shape for array in sums_of(0).arrays()]
    shared = SharedSums(shapes, COMM.size, NodeArrays(group), COMM.rank)
    with shared.adding(COMM.rank):
        pairs = zip(shared.sums.arrays(), sums_of(COMM.rank).arrays(), strict=True)
        for slab, (total, own) in enumerate(pairs):
            with shared.slab(slab):
                total += own
    return shared


@pytest.mark.parametrize("n_copies", [1, 2, COMM.size])
def test_the_reduced_integers_are_the_sum_over_ranks(
    monkeypatch: pytest.MonkeyPatch, n_copies: int
) -> None:
    monkeypatch.setattr(reduce_network, "CHUNK_VOXELS", 7)  # several chunks, the last one short
    expected = sums_of(0)
    for rank in range(1, COMM.size):
        expected = expected + sums_of(rank)
    shared = shared_sums(COMM.Split(COMM.rank * n_copies // COMM.size, COMM.rank))
    COMM.Barrier()

    total = reduce_sums(shared, COMM)

    for k in range(2):  # a class is summed where its map is made
        if COMM.rank == k % COMM.size:
            np.testing.assert_array_equal(total.volume[k], expected.volume[k])
    if COMM.rank == 0:
        np.testing.assert_array_equal(total.noise, expected.noise)
        np.testing.assert_array_equal(total.directions, expected.directions)


def test_a_shared_copy_knows_whose_units_it_holds() -> None:
    shared = shared_sums(COMM)
    COMM.Barrier()

    with shared.whole():
        assert shared.units == list(range(COMM.size))
    assert shared.is_keeper == (COMM.rank == 0)


def test_a_unit_that_was_added_in_part_spoils_the_copy_for_all() -> None:
    shared = shared_sums(COMM)
    if COMM.rank == COMM.size - 1:
        with pytest.raises(DataError, match="too large"), shared.adding(0):
            raise DataError("too large")
    COMM.Barrier()

    with pytest.raises(SpoiltError), shared.whole():
        pass


def test_a_broadcast_array_arrives_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(collectives, "CHUNK_BYTES", 24)
    array = np.arange(10.0) if COMM.rank == 0 else np.zeros(10)

    broadcast(array, COMM)

    np.testing.assert_array_equal(array, np.arange(10.0))


def test_an_array_that_cannot_be_filled_in_place_is_refused() -> None:
    with pytest.raises(ValueError, match="copy"):
        broadcast(np.zeros((2, 3)).T, COMM)


def test_an_error_of_the_root_is_raised_on_every_rank() -> None:
    def read() -> int:
        raise DataError("no such file: p.star")

    with pytest.raises(DataError, match=r"p\.star"):
        from_root(read, COMM)


def fail_on_rank(rank: int) -> None:
    if COMM.rank == rank:
        raise DataError("gone")


def test_a_failure_on_one_rank_is_raised_on_all_with_its_exit_code() -> None:
    last = COMM.size - 1
    wanted = f"^reading failed on rank {last}: gone$" if COMM.size > 1 else "^gone$"

    with (
        pytest.raises(CollectiveError, match=wanted) as caught,
        all_or_none(COMM, "reading"),
    ):
        fail_on_rank(last)

    assert caught.value.exit_code == DataError.exit_code


def cannot_open(place: object) -> None:
    """Take the place of opening the memory of another rank."""


@pytest.mark.parametrize("opened", [node_memory._opened, cannot_open], ids=["shared", "copies"])
def test_any_rank_of_a_node_shares_its_array(
    monkeypatch: pytest.MonkeyPatch, opened: Callable[..., int | None]
) -> None:
    monkeypatch.setattr(node_memory, "_opened", opened)
    node = COMM.Split_type(MPI.COMM_TYPE_SHARED)
    last, wanted = node.size - 1, np.arange(12.0).reshape(4, 3)
    with NodeArrays(node) as arrays:
        found = arrays.share(wanted if node.rank == last else None, (4, 3), np.float64, last)

        np.testing.assert_array_equal(found, wanted)


def test_ranks_of_a_node_see_one_array() -> None:
    node = COMM.Split_type(MPI.COMM_TYPE_SHARED)
    with NodeArrays(node) as arrays:
        shared, rows = arrays.empty((2 * node.size, 3), np.float32)
        shared[rows] = node.rank
        node.Barrier()
        np.testing.assert_array_equal(shared[:, 0], np.repeat(np.arange(node.size), 2))
        node.Barrier()


@pytest.mark.parametrize("n_rows", [1, 4])
def test_an_array_of_any_number_of_rows_is_shared(n_rows: int) -> None:
    # the last of many ranks has all rows of one to fill: that does not make it alone
    node = COMM.Split_type(MPI.COMM_TYPE_SHARED)
    wanted = np.arange(3.0 * n_rows).reshape(n_rows, 3)
    with NodeArrays(node) as arrays:
        seen = arrays.share(wanted if node.rank == 0 else None, wanted.shape, np.float64)
        np.testing.assert_array_equal(seen, wanted)
        node.Barrier()


def test_memory_that_was_shared_is_given_back_even_if_the_array_is_kept() -> None:
    node = COMM.Split_type(MPI.COMM_TYPE_SHARED)
    with NodeArrays(node) as arrays:
        shared, rows = arrays.empty((4 * node.size,), np.float64)
        shared[rows] = 1.0
        node.Barrier()
    node.Barrier()

    np.testing.assert_array_equal(shared, 0.0 if node.size > 1 else 1.0)


def test_where_memory_cannot_be_shared_each_rank_has_a_copy(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(node_memory, "_opened", cannot_open)
    node = COMM.Split_type(MPI.COMM_TYPE_SHARED)
    wanted = np.arange(12.0).reshape(4, 3)
    with NodeArrays(node) as arrays:
        _, rows = arrays.empty((4, 3), np.float64)
        copy = arrays.share(wanted if node.rank == 0 else None, (4, 3), np.float64)

        assert rows == slice(0, 4)  # all of them: nobody fills a part for this rank
        np.testing.assert_array_equal(copy, wanted)
        copy[:] = node.rank
        node.Barrier()
        np.testing.assert_array_equal(copy, node.rank)


def run_units(compute, units: tuple[Unit, ...], n_threads: int = 1) -> dict[int, int]:
    ranks, results = organise(COMM, 2), {}
    book = LeaseBook(units)

    def accept(unit: Unit, result: int) -> None:
        results[unit.number] = result

    if COMM.size == 1:
        work(LocalDesk(book, ranks.served[0], accept), compute, 0, n_threads)
    elif ranks.leads:
        lead(book, ranks, accept)
    else:
        work(RemoteDesk(units, COMM), compute, COMM.rank, n_threads)
    return results


@pytest.mark.parametrize("n_threads", [1, 2])
def test_every_unit_is_computed_once_and_comes_back(n_threads: int) -> None:
    units = cut_units(np.arange(300) % 2, np.zeros(300, int))

    results = run_units(lambda unit: int(unit.rows.sum()), units, n_threads)

    if COMM.rank == 0:
        assert results == {unit.number: int(unit.rows.sum()) for unit in units}


def test_a_failing_unit_ends_all_ranks_with_its_message() -> None:
    units = cut_units(np.arange(300) % 2, np.zeros(300, int))

    def compute(unit: Unit) -> int:
        if unit.number == 5:
            raise DataError("image 000007@a.mrcs cannot be read")
        return 0

    with pytest.raises(CollectiveError, match=r"000007@a\.mrcs cannot be read"):
        run_units(compute, units)


def test_a_worker_that_has_left_hears_of_a_later_failure() -> None:
    # One unit a half: the worker of the first leaves while that of the second still computes.
    units = cut_units(np.arange(2), np.zeros(2, int))

    def compute(unit: Unit) -> int:
        if unit.half == 1:
            time.sleep(0.2)
            raise DataError("image 000007@a.mrcs cannot be read")
        return 0

    with pytest.raises(CollectiveError, match=r"000007@a\.mrcs cannot be read"):
        run_units(compute, units)


def test_both_half_roots_see_both_halves_and_nobody_else_does() -> None:
    ranks = organise(COMM, 2)
    own = {h: np.full((2, 3), 10.0 + h) for h, team in ranks.teams.items() if team.is_root}

    if ranks.meeting is not None:
        shown = meet(ranks, own)
        np.testing.assert_array_equal([shown[0][0, 0], shown[1][0, 0]], [10.0, 11.0])
    assert (ranks.meeting is not None) == (COMM.rank in ranks.roots)


def test_half_communicators_join_the_workers_of_a_half_only() -> None:
    ranks = organise(COMM, 2)

    for half, team in ranks.teams.items():
        members = team.comm.allgather(COMM.rank)
        assert members == [r for r, halves in enumerate(ranks.served) if half in halves]
