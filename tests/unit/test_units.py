import numpy as np
import pytest

from halfmap.parallel.units import LARGEST_UNIT, LeaseBook, Unit, cut_units, renumbered


def cut(n: int, n_halves: int = 2, n_groups: int = 3) -> tuple[Unit, ...]:
    rng = np.random.default_rng(n)
    return cut_units(rng.integers(0, n_halves, n), rng.integers(0, n_groups, n))


@pytest.mark.parametrize("n", [2, 9, 116, 5000])
def test_every_particle_is_in_exactly_one_unit(n: int) -> None:
    rows = np.concatenate([unit.rows for unit in cut(n)])

    np.testing.assert_array_equal(np.sort(rows), np.arange(n))


def test_units_are_numbered_by_their_place() -> None:
    assert [unit.number for unit in cut(300)] == list(range(len(cut(300))))


def test_a_unit_holds_particles_of_one_half_only() -> None:
    half = np.random.default_rng(0).integers(0, 2, 500)

    for unit in cut_units(half, np.zeros(500, int)):
        assert set(half[unit.rows]) == {unit.half}


def test_units_stay_below_the_largest_size() -> None:
    assert max(len(unit.rows) for unit in cut(10_000)) <= LARGEST_UNIT


def test_a_unit_holds_images_of_one_geometry_only() -> None:
    geometry = np.random.default_rng(1).integers(0, 3, 900)

    for unit in cut_units(np.arange(900) % 2, geometry):
        assert set(geometry[unit.rows]) == {unit.geometry}


def test_a_worker_gets_units_of_its_own_half_only() -> None:
    book = LeaseBook(cut(400))

    while unit := book.lease(worker=1, halves=(1,)):
        assert unit.half == 1
        book.finish(unit.number, worker=1)

    assert not book.complete  # half 0 still waits


def test_a_worker_of_both_halves_is_sent_where_most_is_left() -> None:
    units = [Unit(i, half, 0, np.array([i])) for i, half in enumerate([0, 1, 1, 1])]
    book = LeaseBook(units)

    leased = [book.lease(worker=3, halves=(0, 1)) for _ in range(4)]

    assert [unit.half for unit in leased if unit] == [1, 1, 0, 1]


def test_a_result_from_a_worker_that_does_not_hold_the_unit_is_refused() -> None:
    book = LeaseBook(cut(100))
    unit = book.lease(worker=1, halves=(0,))
    assert unit is not None

    with pytest.raises(RuntimeError, match="does not hold"):
        book.finish(unit.number, worker=2)


def test_some_units_make_a_book_of_their_own() -> None:
    units = [unit for unit in cut(400) if unit.number % 3 == 1]
    book = LeaseBook(renumbered(units))

    leased = [book.lease(1, [0, 1]) for _ in units]

    for unit in leased:
        assert unit is not None
        np.testing.assert_array_equal(unit.rows, units[unit.number].rows)
        book.finish(unit.number, 1)
    assert book.complete
