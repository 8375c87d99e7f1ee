"""The resolution of a map as its model file states it, and how much of Fourier space is covered."""

import numpy as np
from jaxtyping import Float
from numpy import ndarray as Array

from halfmap.model.fourier import shell_resolution_A


def estimated_shell(data_vs_prior: Float[Array, " shell"]) -> int:
    """Return the last shell before the data lose against the prior for the first time."""
    below = np.flatnonzero(data_vs_prior < 1.0)
    return max(0, int(below[0]) - 1) if below.size else len(data_vs_prior) - 1


def estimated_resolution_A(
    data_vs_prior: Float[Array, " shell"], box: int, pixel_size_A: float
) -> float:
    """Return the resolution of a class (rlnEstimatedResolution), in ångström."""
    return shell_resolution_A(estimated_shell(data_vs_prior), box, pixel_size_A)


def overall_completeness(
    data_vs_prior: Float[Array, " shell"], fourier_coverage: Float[Array, " shell"]
) -> float:
    """Return the mean coverage up to the resolution (rlnOverallFourierCompleteness)."""
    shell = estimated_shell(data_vs_prior)
    axis = np.arange(-shell + 1, shell)
    radius = np.sqrt(axis[:, None, None] ** 2 + axis[:, None] ** 2 + axis**2).astype(np.int64)
    inside = radius[radius <= shell]
    return float(fourier_coverage[inside].mean()) if inside.size else 0.0
