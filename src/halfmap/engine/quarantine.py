"""Bad images: named, left out, and only so many of them."""

import numpy as np
from jaxtyping import Int, UInt8
from numpy import ndarray as Array

from halfmap.errors import DataError
from halfmap.model.particles import Particles
from halfmap.steps.faults import CONSTANT, FAILED, NO_WEIGHT, NOT_NUMBERS, UNREADABLE

REASONS = {
    NOT_NUMBERS: "pixels are NaN, infinite or beyond 1e15",
    CONSTANT: "all pixels are equal",
    NO_WEIGHT: "no pose has any weight",
    FAILED: "its computation failed",
    UNREADABLE: "the disc cannot read it",
}
SHOWN = 10
"""Particles named in a message; the rest is counted."""


class Quarantine:
    """The particles that were left out so far; on the leader.

    A bad image costs itself, not the run: it contributes nothing, is listed, and the run goes on
    until there are more of them than the user allows.
    """

    def __init__(self, particles: Particles, limit: int) -> None:
        self.particles, self.limit = particles, limit
        self.fault = np.zeros(len(particles), np.uint8)
        self._said = np.zeros(len(particles), np.bool_)

    @property
    def rows(self) -> Int[Array, " bad"]:
        """Rows of the bad particles."""
        return np.flatnonzero(self.fault)

    def check(self, rows: Int[Array, " particle"], fault: UInt8[Array, " particle"]) -> None:
        """Take note of the faults of some particles.

        Raises
        ------
        DataError
            When there are more bad particles than allowed, or a half has no others.
        """
        if np.array_equal(self.fault[rows], fault):
            return
        self.fault[rows] = fault
        if len(self.rows) > self.limit:
            raise DataError(
                f"found {len(self.rows)} bad particles so far, expected at most {self.limit} "
                f"(--failsafe_threshold):\n{self._listed(self.rows)}\n"
                "Remove them from the STAR file, extract them again, or raise the threshold"
            )
        for half in np.unique(self.particles.half[rows]):
            every = np.flatnonzero(self.particles.half == half)
            if self.fault[every].all():
                raise DataError(
                    f"found no good particle in a set of {len(every)}, expected some:\n"
                    f"{self._listed(every)}\nExtract the particles again"
                )

    def describe(self, row: int) -> str:
        """Return one particle and what is wrong with it."""
        return f"{self.particles.name(int(row))}: {REASONS[int(self.fault[row])]}"

    def news(self) -> str:
        """Return what to say of the particles that were found bad since the last call, if any."""
        new = np.flatnonzero((self.fault > 0) & ~self._said)
        self._said[new] = True
        particles = "particle is" if len(new) == 1 else "particles are"
        return f"{len(new)} bad {particles} left out:\n{self._listed(new)}" if len(new) else ""

    def columns(self) -> dict[str, list[str]]:
        """Return the table of bad particles."""
        return {
            "rlnImageName": [self.particles.name(int(row)) for row in self.rows],
            "hlfReason": [REASONS[int(self.fault[row])].replace(" ", "_") for row in self.rows],
        }

    def _listed(self, rows: Int[Array, " bad"]) -> str:
        lines = [f"  {self.describe(int(row))}" for row in rows[:SHOWN]]
        if len(rows) > SHOWN:
            lines.append(f"  and {len(rows) - SHOWN:,} more")
        return "\n".join(lines)
