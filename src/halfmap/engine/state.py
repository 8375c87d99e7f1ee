"""What changes from iteration to iteration."""

from dataclasses import dataclass

from halfmap.model.half_model import HalfModel
from halfmap.model.particles import Poses
from halfmap.model.schedule import Schedule


@dataclass(frozen=True, slots=True)
class State:
    """A run between two iterations, as one rank holds it."""

    schedule: Schedule
    """The same on every rank."""
    poses: Poses
    """The same on every rank."""
    models: dict[int, HalfModel]
    """Of the halves that this rank serves; the leader has all, without their maps."""
