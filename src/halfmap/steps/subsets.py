"""Random subsets of the particles for the first iterations (``--fast_subsets``)."""

import numpy as np
from jaxtyping import Int
from numpy import ndarray as Array

PER_CLASS = 1500
"""Particles of one class that the first iterations make do with."""
PER_FLAT_CLASS = 100
"""The same of a 2D class."""
LATER_SHARE = 0.3
"""Of all particles: as many at least in the last iterations with subsets."""
LAST_ITERATION = 15
"""From then on all particles take part."""


def subset_size(iteration: int, n_particles: int, n_classes: int, *, flat: bool) -> int:
    """Return how many particles take part in an iteration, at most all.

    >>> [subset_size(i, 100_000, 4, flat=False) for i in (1, 5, 6, 10, 11, 15, 16)]
    [6000, 6000, 18000, 18000, 30000, 30000, 100000]
    """
    first = n_classes * (PER_FLAT_CLASS if flat else PER_CLASS)
    if iteration <= 5:
        wanted = first
    elif iteration <= 10:
        wanted = 3 * first
    elif iteration <= LAST_ITERATION:
        wanted = max(3 * first, int(LATER_SHARE * n_particles))
    else:
        wanted = n_particles
    return min(wanted, n_particles)


def drawn_rows(
    half: Int[Array, " particle"], size: int, seed: tuple[int, int]
) -> Int[Array, " drawn"]:
    """Draw particles of each half without repetition, and return their rows in rising order.

    Parameters
    ----------
    half
        Of every particle.
    size
        Particles of each half; of a smaller half all.
    seed
        Of the run, and the iteration: each draws anew, the same on every rank.
    """
    rng = np.random.default_rng(seed)
    drawn = [rng.permutation(np.flatnonzero(half == own))[:size] for own in np.unique(half)]
    return np.sort(np.concatenate(drawn))
