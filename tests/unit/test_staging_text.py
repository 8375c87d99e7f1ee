from dataclasses import replace

from halfmap.engine.telling.staging_text import (
    NodeReport,
    broken_lines,
    of_nodes,
    problem_lines,
    staging_lines,
)
from halfmap.io.scratch.copying import Tally

WHOLE = Tally(n_wanted=2000, n_there=2000, bytes_there=3 * 10**9, bytes_wanted=3 * 10**9)
PART = Tally(2000, 500, bytes_there=10**9, bytes_wanted=3 * 10**9, full=True)
WHY = "10 GB are left free (--keep_free_scratch)"


def node(name: str, tally: Tally = WHOLE, **more: object) -> NodeReport:
    return NodeReport(name, "/scratch/halfmap-7", tally, over=True, **more)


def test_nodes_that_are_alike_share_a_line() -> None:
    nodes = [node(f"n{k}") for k in range(5)]

    assert staging_lines(nodes, WHY) == (
        "copies: all 2,000 images (3 GB) lie in /scratch/halfmap-7 of each of 5 nodes",
    )


def test_one_node_needs_no_name() -> None:
    assert staging_lines([node("n0")], WHY) == (
        "copies: all 2,000 images (3 GB) lie in /scratch/halfmap-7",
    )


def test_a_part_is_said_with_its_numbers_and_the_reason() -> None:
    lines = staging_lines([node("n0"), node("n1", PART)], WHY)

    assert lines == (
        "copies: all 2,000 images (3 GB) lie in /scratch/halfmap-7 of n0",
        "copies: 500 of 2,000 images (1 GB of 3 GB) lie in /scratch/halfmap-7 of n1: 10 GB are "
        "left free (--keep_free_scratch). The others are read from their stacks",
    )


def test_while_copying_goes_on_it_says_so() -> None:
    going_on = replace(node("n0", PART), over=False)

    assert staging_lines([going_on], WHY) == (
        "copies: 500 of 2,000 images lie in /scratch/halfmap-7 so far",
    )


def test_a_folder_may_have_any_name() -> None:
    strange = replace(node("n0"), folder="/scratch/{x}")

    assert staging_lines([strange], WHY)[0].endswith("lie in /scratch/{x}")


def test_a_node_speaks_by_the_rank_that_has_seen_most() -> None:
    reports = [node("n0", PART), node("n0"), replace(node("n1"), over=False), node("n1", PART)]

    first, second = of_nodes(reports)

    assert (first.tally.n_there, first.over) == (2000, True)
    assert (second.tally.n_there, second.over) == (2000, False)


def test_nodes_without_copies_are_named_with_the_reason() -> None:
    nodes = [node("n0"), *(node(f"n{k}", Tally(), broken="/scratch: why") for k in range(1, 6))]

    assert broken_lines(nodes) == (
        "images that are not copied are read from their stacks on n1, n2, n3 and 2 more. "
        "/scratch: why",
    )
    assert len(staging_lines(nodes, WHY)) == 1


def test_stacks_that_could_not_be_copied_are_listed_once_and_not_all() -> None:
    problems = [f"s{k}.mrcs has changed" for k in range(5)]
    reports = [node("n0", replace(WHOLE, problems=problems)) for _ in range(2)]

    (line,) = problem_lines(of_nodes(reports))

    assert line.splitlines() == [
        "stacks that are not copied as a whole: 5",
        *(f"  {text}" for text in problems[:3]),
        "  and 2 more",
    ]


def test_what_was_lost_is_said() -> None:
    lost = replace(node("n0"), n_spoilt=3, lost="Input/output error")

    spoilt, unreadable = problem_lines([lost])

    assert spoilt.startswith("3 images in /scratch/halfmap-7 of n0 are not any longer what was")
    assert "(Input/output error)" in unreadable
