"""A particle whose computation fails costs itself, not its unit and not the run.

When a unit fails, its particles are tried one by one; those that fail alone are left out, and the
others are computed together. What fails does so on any rank, so results stay the same for any
number of ranks.
"""

import sys
import traceback
from collections.abc import Callable, Sequence
from dataclasses import fields

import numpy as np
from jaxtyping import Int, UInt8
from numpy import ndarray as Array

from halfmap.errors import HalfmapError
from halfmap.io.stacks import UnreadableError
from halfmap.steps.expectation import UnitResult, Workspace
from halfmap.steps.faults import FAILED, UNREADABLE

Rows = Int[Array, " particle"]
Attempt = Callable[[Rows], tuple[UnitResult, Workspace]]
"""Computes particles in a workspace that holds nothing else."""
_said: set[str] = set()
"""A particle that fails does so in every iteration; it is said once."""


def computed_without_failing(
    attempt: Attempt, rows: Rows, name: Callable[[int], str], n_classes: int
) -> tuple[UnitResult, Workspace | None]:
    """Compute the particles of a unit, less those that fail.

    Parameters
    ----------
    attempt
        Computes some particles.
    rows
        Of the unit.
    name
        Returns the name of a particle.
    n_classes
        Of the results.

    Returns
    -------
    result
        Of all particles; those that failed have a fault.
    workspace
        What the others add up to; None if there are none.

    Raises
    ------
    Exception
        Where the unit fails but none of its particles does, or all of them do: then it is the
        program that fails. And what concerns not a particle but the run: a lack of memory, a
        stack that is gone.
    """
    try:
        return attempt(rows)
    except Exception as error:
        if not _is_of_particle(error):
            raise
        errors = [_error_of(attempt, rows[i : i + 1]) for i in range(len(rows))]
        if _all_fail_alike(errors):
            raise
    fault = np.array([_fault_of(found) for found in errors], np.uint8)
    good = np.flatnonzero(fault == 0)
    if len(good) == len(rows):
        return attempt(rows)  # the error is gone, or it is not one of a particle
    for row, found in zip(rows.tolist(), errors, strict=True):
        if found is not None:
            _say(name(row), found)
    if len(good) == 0:
        return _with_faults(UnitResult.empty(0, n_classes), good, fault), None
    result, workspace = attempt(rows[good])
    return _with_faults(result, good, fault), workspace


def _is_of_particle(error: Exception) -> bool:
    of_run = isinstance(error, HalfmapError | MemoryError)
    return isinstance(error, UnreadableError) or not of_run


def _error_of(attempt: Attempt, row: Rows) -> Exception | None:
    """Return how a particle fails alone, None if it does not."""
    try:
        attempt(row)
    except Exception as error:
        if not _is_of_particle(error):
            raise
        return error
    return None


def _all_fail_alike(errors: Sequence[Exception | None]) -> bool:
    """Whether several particles were computed and not one could be, though all were read."""
    return len(errors) > 1 and all(_fault_of(error) == FAILED for error in errors)


def _fault_of(error: Exception | None) -> int:
    if error is None:
        return 0
    return UNREADABLE if isinstance(error, UnreadableError) else FAILED


def _say(name: str, error: Exception) -> None:
    if name in _said:
        return
    _said.add(name)
    where = traceback.extract_tb(error.__traceback__)[-1]
    sys.stderr.write(
        f"halfmap: warning: {name} is left out, its computation failed: {type(error).__name__}: "
        f"{error} ({where.name}, line {where.lineno} of {where.filename})\n"
    )


def _with_faults(
    result: UnitResult, good: Int[Array, " some"], fault: UInt8[Array, " particle"]
) -> UnitResult:
    """Return the rows of some particles among those of all."""
    every = UnitResult.empty(len(fault), result.class_weight.shape[1])
    every.fault[:] = fault
    for field in fields(UnitResult):
        getattr(every, field.name)[good] = getattr(result, field.name)
    return every
