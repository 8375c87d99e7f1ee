"""Structure factor: how much intensity a specimen has at each spatial frequency."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy import ndarray as Array


@dataclass(frozen=True, slots=True)
class StructureFactor:
    """A curve of intensities, linear between its points."""

    frequency_per_A: Float[Array, " point"]
    """Increasing."""
    intensity: Float[Array, " point"]

    def at(self, frequency_per_A: Float[Array, "*k"], beyond_is_zero: bool) -> Float[Array, "*k"]:
        """Return intensities at some frequencies.

        Beyond the curve they are those of its ends, or zero.
        """
        ends = (0.0, 0.0) if beyond_is_zero else (None, None)
        known = self.frequency_per_A, self.intensity
        return np.asarray(np.interp(frequency_per_A, *known, left=ends[0], right=ends[1]))
