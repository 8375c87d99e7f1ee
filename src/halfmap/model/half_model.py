"""What one half-set has learnt: its maps and its statistics. No other half may see it.

Shells run from 0 to box/2. Variances are per real component of the Fourier transform
(docs/conventions.md). A run that is not split has one half.
"""

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float, Float32
from numpy import ndarray as Array


@dataclass(frozen=True, slots=True)
class HalfModel:
    """Everything that expectation and maximisation hand to each other."""

    maps: Float32[Array, "class z y x"]
    noise_variance: Float[Array, "optics shell"]
    """sigma2, one spectrum per optics group; zero where nothing is known."""
    signal_variance: Float[Array, "class shell"]
    """tau2."""
    data_vs_prior: Float[Array, "class shell"]
    """SSNR of the map; 1 is where the data begin to lose against the prior."""
    map_variance: Float[Array, "class shell"]
    """sigma2 of the reconstruction (rlnReferenceSigma2)."""
    fourier_coverage: Float[Array, "class shell"]
    fsc: Float[Array, " shell"]
    """Gold-standard FSC; zeros when the run is not split."""
    class_fraction: Float[Array, " class"]
    direction_fraction: Float[Array, "class direction"]
    """Occupancy of each sampling direction; sums to class_fraction."""
    group_scale: Float[Array, " group"]
    """Intensity scale of each scale group."""
    mean_norm: float
    offset_sigma_A: float
    log_likelihood: float
    mean_max_probability: float
    accuracy_rotation_deg: Float[Array, " class"]
    accuracy_translation_A: Float[Array, " class"]
    orientability: Float[Array, " shell"]
    """Contribution of each shell to the angular accuracy; zeros when not estimated."""

    def without_maps(self) -> "HalfModel":
        """Return the statistics alone, all that the leader is told; of the maps the box is kept."""
        return replace(self, maps=np.empty((0, *self.maps.shape[1:]), np.float32))
