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
    offset_mean_A: Float[Array, "class 2"]
    """Offset (x, y) that is expected of the particles of each class; zeros of 3D references."""
    log_likelihood: float
    mean_max_probability: float
    accuracy_rotation_deg: Float[Array, " class"]
    accuracy_translation_A: Float[Array, " class"]
    orientability: Float[Array, " shell"]
    """Contribution of each shell to the angular accuracy; zeros when not estimated."""

    @classmethod
    def untrained(
        cls,
        maps: Float32[Array, "class z y x"],
        noise_variance: Float[Array, "optics shell"],
        data_vs_prior: Float[Array, "class shell"],
        offset_sigma_A: float,
        counts: tuple[int, int],
    ) -> "HalfModel":
        """Return what is known before the first iteration; ``counts``: directions, scale groups.

        All classes and directions are equally likely, all scales and norms are 1.
        """
        n_classes, (n_directions, n_groups) = len(maps), counts
        nothing = np.zeros_like(data_vs_prior)
        return cls(
            maps=maps,
            noise_variance=noise_variance,
            signal_variance=nothing,
            data_vs_prior=data_vs_prior,
            map_variance=nothing,
            fourier_coverage=nothing,
            fsc=nothing[0],
            class_fraction=np.full(n_classes, 1.0 / n_classes),
            direction_fraction=np.full((n_classes, n_directions), 1.0 / (n_classes * n_directions)),
            group_scale=np.ones(n_groups),
            mean_norm=1.0,
            offset_sigma_A=offset_sigma_A,
            offset_mean_A=np.zeros((n_classes, 2)),
            log_likelihood=0.0,
            mean_max_probability=0.0,
            accuracy_rotation_deg=np.zeros(n_classes),
            accuracy_translation_A=np.zeros(n_classes),
            orientability=nothing[0],
        )

    @property
    def flat(self) -> bool:
        """Whether the maps are 2D references: of one plane."""
        return bool(self.maps.shape[1] == 1)

    def without_maps(self) -> "HalfModel":
        """Return the statistics alone, all that the leader is told; of the maps the box is kept."""
        return replace(self, maps=np.empty((0, *self.maps.shape[1:]), np.float32))
