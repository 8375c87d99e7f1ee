import pytest

from halfmap.parallel.halves import halves_served


@pytest.mark.parametrize("n_ranks", range(1, 9))
def test_every_half_has_a_worker_on_any_number_of_ranks(n_ranks: int) -> None:
    served = halves_served(n_ranks, n_halves=2)

    assert len(served) == n_ranks
    assert {half for halves in served for half in halves} == {0, 1}


@pytest.mark.parametrize("n_ranks", range(2, 9))
def test_no_half_has_more_hands_than_the_other(n_ranks: int) -> None:
    served = halves_served(n_ranks, n_halves=2)
    hands = [sum(half in halves for halves in served) for half in (0, 1)]

    assert hands[0] == hands[1]


def test_the_leader_only_leads_when_there_are_workers() -> None:
    assert halves_served(3, n_halves=1) == ((), (0,), (0,))
