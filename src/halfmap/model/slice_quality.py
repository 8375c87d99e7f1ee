"""Which slices are kept, by their quality numbers: small is good."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray as Array


class KeepRule(NamedTuple):
    """What ``--keep``, ``--keepsig`` and ``--keepabs`` say."""

    keep: float = 1.0
    of_sigma: bool = False
    """``keep`` counts standard deviations above the mean."""
    absolute: bool = False
    """``keep`` is the largest quality number."""


def largest_kept(quality: Float[Array, " slice"], rule: KeepRule) -> float:
    """Return the largest quality number that is kept."""
    if rule.absolute:
        return rule.keep
    if not len(quality) or quality.std() == 0.0:
        return np.inf
    if rule.of_sigma:
        return float(quality.mean() + rule.keep * quality.std())
    place = int(len(quality) * (rule.keep or 1.0))
    return float(np.sort(quality)[place]) if 0 <= place < len(quality) else np.inf


def kept(quality: Float[Array, " slice"], rule: KeepRule) -> Bool[Array, " slice"]:
    """Say which slices are kept."""
    return np.asarray(quality <= largest_kept(quality, rule))


def quality_of_weight(weight: Float[Array, " slice"]) -> Float[Array, " slice"]:
    """Return the quality numbers of slices that have no other: many particles are good."""
    return np.asarray(1.0 / (weight + 1e-5))
