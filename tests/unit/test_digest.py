"""A digest covers everything, or refuses."""

from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from halfmap.engine.keeping.digest import digest


@dataclass
class Pair:
    first: Any
    second: Any


class Colour(Enum):
    RED = 1
    BLUE = 2


ONES = np.ones(3)
DIFFERENT = (
    *(None, True, 1, 1.0, "1", b"1", Path("1"), (), (1,), (1, (2,)), ((1,), 2), Colour.RED),
    *(
        Colour.BLUE,
        ONES,
        ONES.astype(np.float32),
        ONES[None],
        ONES * 1.0000000000000002,
        np.arange(3),
    ),
    *(Pair(1, 2), Pair(2, 1), Pair(ONES, None), Pair((1, 2), None)),
)


def test_what_differs_in_anything_has_another_digest() -> None:
    digests = [digest(value) for value in DIFFERENT]

    assert len(set(digests)) == len(DIFFERENT)
    assert digests == [digest(value) for value in DIFFERENT]


def test_the_layout_in_memory_does_not_matter() -> None:
    table = np.arange(12.0).reshape(3, 4)

    assert digest(table) == digest(np.asfortranarray(table))
    assert digest(np.float64(1.5)) == digest(1.5)


@pytest.mark.parametrize("value", [{"a": 1}, {1, 2}, print, object()])
def test_what_cannot_be_told_apart_is_refused(value: object) -> None:
    with pytest.raises(TypeError, match="no digest covers"):
        digest((1, value))
