"""Modulation transfer function (MTF) of a detector: how it damps the images that it records.

Images of several detectors are brought to their mean: divided by the own curve, multiplied by the
mean of the different ones. So the images of a single detector stay as they are, and
splitting an optics group changes nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy import ndarray as Array


@dataclass(frozen=True, slots=True)
class Detector:
    """One MTF curve."""

    frequency_per_A: tuple[float, ...]
    """Rising."""
    response: tuple[float, ...]
    """Above 0."""

    def at(self, frequency_per_A: Float[Array, "..."]) -> Float[Array, "..."]:
        """Interpolate the curve; beyond its ends it is constant."""
        return np.asarray(np.interp(frequency_per_A, self.frequency_per_A, self.response))


def to_mean_detector(
    own: Detector | None,
    all_groups: Sequence[Detector | None],
    frequency_per_A: Float[Array, "..."],
) -> Float[Array, "..."]:
    """Return the factor on the transforms of one optics group.

    Parameters
    ----------
    own
        Of that group; None if nobody knows.
    all_groups
        Of every group: the different ones are averaged.
    frequency_per_A
        Where.
    """
    different = [d for d in dict.fromkeys(all_groups) if d is not None]
    if own is None or len(different) < 2:
        return np.ones_like(frequency_per_A)
    mean = np.mean([detector.at(frequency_per_A) for detector in different], axis=0)
    return np.asarray(mean / own.at(frequency_per_A))
