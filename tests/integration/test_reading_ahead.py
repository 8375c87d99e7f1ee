"""The images of the next unit are read while one is computed."""

import threading

import numpy as np
import pytest

from halfmap.engine import expectation
from halfmap.engine.summing import Summing

from .tiny_project import Run, assert_ran, refine

PATIENCE_S = 10.0


@pytest.mark.usefixtures("tiny_project")
def test_a_unit_is_not_over_before_the_next_is_read(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first unit ends when the second has been read, which nobody else would do."""
    n_read, second, over = 0, threading.Event(), []
    read, compute = Summing._read, expectation.run_unit

    def noting(self: Summing, half: int, rows: np.ndarray) -> np.ndarray:
        nonlocal n_read
        images = read(self, half, rows)
        n_read += 1
        if n_read == 2:
            second.set()
        return images

    def waiting(*known: object) -> object:
        over.append(second.wait(PATIENCE_S))
        return compute(*known)

    monkeypatch.setattr(Summing, "_read", noting)
    monkeypatch.setattr(expectation, "run_unit", waiting)

    assert_ran(run(refine()))

    assert over == [True, True, True]
    assert n_read == 3  # each once
