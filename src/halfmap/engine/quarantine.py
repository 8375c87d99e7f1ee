"""Bad images: named, left out, and only so many of them."""

import numpy as np
from jaxtyping import Int, UInt8
from numpy import ndarray as Array

from halfmap.errors import DataError
from halfmap.model.particles import Particles

REASONS = {1: "pixels are not finite", 2: "all pixels are equal", 3: "no pose has any weight"}
"""By fault code (`halfmap.steps.expectation.UnitResult`)."""


class Quarantine:
    """The particles that were left out so far; on the leader.

    A bad image costs itself, not the run: it contributes nothing, is listed, and the run goes on
    until there are more of them than the user allows.
    """

    def __init__(self, particles: Particles, limit: int) -> None:
        self.particles, self.limit = particles, limit
        self.fault = np.zeros(len(particles), np.uint8)
        self._n_announced = 0

    def check(self, rows: Int[Array, " particle"], fault: UInt8[Array, " particle"]) -> None:
        """Take note of the faults of some particles.

        Raises
        ------
        DataError
            When there are more bad particles than allowed.
        """
        self.fault[rows] = fault
        bad = np.flatnonzero(self.fault)
        if len(bad) > self.limit:
            shown = "\n".join(f"  {self.describe(row)}" for row in bad[:10])
            raise DataError(
                f"found {len(bad)} bad particles, expected at most {self.limit} "
                f"(--failsafe_threshold):\n{shown}\n"
                "Remove them from the STAR file, extract them again, or raise the threshold"
            )

    def describe(self, row: int) -> str:
        """Return one particle and what is wrong with it."""
        return f"{self.particles.name(int(row))}: {REASONS[int(self.fault[row])]}"

    def columns(self) -> dict[str, list[str]]:
        """Return the table of bad particles."""
        bad = np.flatnonzero(self.fault)
        return {
            "rlnImageName": [self.particles.name(int(row)) for row in bad],
            "hlfReason": [REASONS[int(self.fault[row])].replace(" ", "_") for row in bad],
        }
