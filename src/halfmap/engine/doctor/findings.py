"""What an examination says: how it is, whether that will do, and what to do if not."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path


class Verdict(StrEnum):
    """How good a finding is."""

    GOOD = "good"
    NOTE = "note"
    """A run works, but could be faster or safer."""
    BAD = "bad"
    """A run will fail, or crawl."""


@dataclass(frozen=True, slots=True)
class Patient:
    """What is examined."""

    folder: Path
    """Where results would be written."""
    scratch: Path | None
    """Folder on a local disc of each node."""
    n_threads: int
    """Threads of each rank (``--j``)."""
    ranks_of_node: int = 1


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report."""

    topic: str
    verdict: Verdict
    found: str
    to_do: str = ""
    numbers: Mapping[str, float | int | str] = field(default_factory=dict)
    """What was measured, for programs."""


Exam = Callable[[Patient], Finding]


def good(topic: str, found: str, **numbers: float | int | str) -> Finding:
    """Return a finding that needs no change."""
    return Finding(topic, Verdict.GOOD, found, "", numbers)


def failed(topic: str, error: BaseException) -> Finding:
    """Return what to say of an examination that did not work out."""
    text = str(error) or type(error).__name__
    return Finding(topic, Verdict.BAD, f"could not be examined: {text}", "see the message")
