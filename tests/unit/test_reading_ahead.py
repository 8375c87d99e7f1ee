"""Units are read before their turn comes; what goes wrong is raised where they are computed."""

import threading

import numpy as np
import pytest

from halfmap.engine.reading_ahead import ReadingAhead
from halfmap.parallel.units import Unit

UNITS = tuple(Unit(number, number % 2, 0, np.array([number, number + 1])) for number in range(4))
PATIENCE_S = 10.0


def images_of(half: int, rows: np.ndarray) -> np.ndarray:
    return 100 * half + rows


def test_what_is_read_is_the_units_and_is_given_once() -> None:
    ahead = ReadingAhead(images_of)
    with ahead.running():
        for unit in UNITS:
            ahead.announce(unit)
        for unit in UNITS:
            found = ahead.take(unit)
            assert found is None or found.tolist() == images_of(unit.half, unit.rows).tolist()
            assert ahead.take(unit) is None


def test_a_unit_whose_turn_comes_before_it_is_read_is_left_to_who_computes_it() -> None:
    begun, go = threading.Event(), threading.Event()

    def slow(half: int, rows: np.ndarray) -> np.ndarray:
        begun.set()
        assert go.wait(PATIENCE_S)
        return images_of(half, rows)

    ahead = ReadingAhead(slow)
    with ahead.running():
        ahead.announce(UNITS[0])
        ahead.announce(UNITS[1])
        assert begun.wait(PATIENCE_S)
        assert ahead.take(UNITS[1]) is None
        go.set()
        found = ahead.take(UNITS[0])
    assert found is not None


def test_an_error_is_raised_where_the_unit_is_computed() -> None:
    begun = threading.Event()

    def fail(*_: object) -> np.ndarray:
        begun.set()
        raise OSError("an accident")

    ahead = ReadingAhead(fail)
    with ahead.running():
        ahead.announce(UNITS[0])
        assert begun.wait(PATIENCE_S)
        with pytest.raises(OSError, match="an accident"):
            ahead.take(UNITS[0])
        assert ahead.take(UNITS[0]) is None  # particles are then read one by one


def test_a_unit_that_nobody_announced_is_not_read() -> None:
    ahead = ReadingAhead(images_of)
    ahead.announce(UNITS[0])  # nothing is running

    with ahead.running():
        assert ahead.take(UNITS[0]) is None


def test_in_the_end_nothing_is_kept() -> None:
    ahead = ReadingAhead(images_of)
    with ahead.running():
        ahead.announce(UNITS[0])

    assert ahead.take(UNITS[0]) is None
