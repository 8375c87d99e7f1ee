"""Layouts, the course of a run, advice and what is asked of Slurm."""

from dataclasses import replace

import pytest

from halfmap.engine.planning.advice import Disc, advice, submission
from halfmap.engine.planning.layout import Layout
from halfmap.engine.planning.memory import sums_of
from halfmap.steps.memory_plan import Degrees

GIB = 2**30
DISC = Disc(results=GIB, checkpoints=0, scratch=0, free=100 * GIB)


def layout(n_ranks: int, n_nodes: int = 1, n_threads: int = 1, cores: int = 16) -> Layout:
    node = tuple(rank * n_nodes // n_ranks for rank in range(n_ranks))
    return Layout(node, 2, n_threads, cores, 64 * GIB)


def peak(ranks: Layout) -> int:
    """10 GiB for each rank of the fullest node, 1 GiB for each thread of it."""
    fullest = max(ranks.node.count(node) for node in range(ranks.n_nodes))
    return fullest * (10 + ranks.n_threads) * GIB


def test_a_leader_hands_out_and_halves_have_ranks_beside_each_other() -> None:
    asked = layout(9, 2)
    assert asked.leads_only(0)
    assert not layout(1).leads_only(0)
    assert asked.team(0) == (1, 3, 5, 7)
    assert asked.beside(1, 0) == (1, 3)
    assert asked.beside(5, 0) == (5, 7)
    assert asked.roots == (1, 2)


@pytest.mark.parametrize(("n_ranks", "threads"), [(1, 1), (2, 1), (4, 3), (9, 8), (30, 16)])
def test_no_more_threads_work_than_there_are_cores(n_ranks: int, threads: int) -> None:
    assert layout(n_ranks).n_working_threads == threads


def test_classes_are_dealt_to_the_ranks_of_a_half() -> None:
    asked = replace(layout(4), n_halves=1)
    assert [asked.n_own_classes(rank, 0, 4) for rank in range(4)] == [0, 2, 1, 1]


def test_a_plan_that_fits_is_left_alone() -> None:
    assert list(advice(layout(5), peak, DISC, padding=2.0)) == []


def test_too_many_ranks_for_the_memory_are_replaced_by_threads() -> None:
    (text,) = advice(layout(16), peak, DISC, padding=2.0)
    assert "memory: a node needs 176.0 GiB, expected at most 64.0 GiB" in text
    # 3 workers of 5 threads each on 16 cores: 4 x 15 GiB.
    assert "Start 4 ranks with --j 5: 60.0 GiB a node, 15 threads at work" in text


def test_advice_for_thousands_of_ranks_asks_about_few_plans() -> None:
    asked: list[Layout] = []

    def counted(ranks: Layout) -> int:
        asked.append(ranks)
        return 10**15

    list(advice(layout(2049, 64), counted, DISC, padding=2.0))
    assert len(asked) < 40  # one less on each node at a time, and some other kinds of plan


def test_more_threads_than_cores_are_said_to_wait() -> None:
    (text,) = advice(layout(3, n_threads=16), lambda _: 0, DISC, padding=2.0)
    assert "32 threads would work on the 16 cores" in text
    assert "fewer threads (--j)" in text


def test_a_full_disc_is_said() -> None:
    full = replace(DISC, free=GIB // 2)
    (text,) = advice(layout(3), lambda _: 0, full, padding=2.0)
    assert text.startswith("disc: the run writes 1.0 GiB and 0.5 GiB are free")


def test_what_never_fits_is_advised_another_padding_or_node() -> None:
    (padded,) = advice(layout(3), lambda _: 10**15, DISC, padding=2.0)
    (plain,) = advice(layout(3), lambda _: 10**15, DISC, padding=1.0)
    assert "--pad 1" in padded
    assert "nodes with more memory" in plain


def test_slurm_is_asked_for_margins() -> None:
    asked = submission(layout(9, 3, n_threads=4), 10 * GIB, 3600.0, replace(DISC, scratch=GIB))
    assert asked.lines() == [
        "#SBATCH --nodes=3",
        "#SBATCH --ntasks=9",
        "#SBATCH --cpus-per-task=4",
        "#SBATCH --mem=12G",  # 15 % more than 10
        "#SBATCH --time=1:30:00",  # half as long again
        "#SBATCH --tmp=1G",
    ]


def test_a_disc_has_room_for_copies_and_for_what_is_left_free() -> None:
    disc = replace(DISC, scratch=3 * GIB, kept_free=10 * GIB)
    assert submission(layout(3), GIB, 60.0, disc).tmp_GiB == 13


def test_ranks_that_share_sums_have_one_copy_of_each_name() -> None:
    asked = layout(9)  # ranks 1, 3, 5, 7 and 2, 4, 6, 8
    own, shared, on_disc = (
        [list(sums_of(GIB, asked, degrees, rank)) for rank in range(1, 9)]
        for degrees in (
            Degrees((4, 4)),
            Degrees((2, 1), shares=True),
            Degrees((2, 1), shares=True, on_disc=True),
        )
    )
    assert [item.shared for (item,) in own] == [""] * 8
    copies = [item.shared for (item,) in shared]
    assert len(set(copies[::2])) == 2
    assert len(set(copies[1::2])) == 1
    assert on_disc == [[]] * 8
