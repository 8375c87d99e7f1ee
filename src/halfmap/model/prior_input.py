"""What a plug-in for the prior is given: one map of one half, and what is known about it.

Part of the interface that users write against (docs/priors.md): fields are added, never taken away.
"""

from dataclasses import dataclass

from jaxtyping import Float, Float32
from numpy import ndarray as Array


@dataclass(frozen=True, slots=True)
class PriorInput:
    """One reconstructed map. Arrays are copies: to change them changes nothing here.

    Shells run from 0 to box/2; shell r is box * pixel_size_A / r ångström. Variances are per real
    component of the Fourier transform of a projection (docs/conventions.md).
    """

    map: Float32[Array, "z y x"]
    """Reconstructed with the ordinary prior, before masks; one plane if the reference is 2D."""
    pixel_size_A: float
    particle_diameter_A: float
    symmetry: str
    """Point group, such as ``D7``; the map has it already."""
    iteration: int
    """Counted from 1."""
    class_number: int
    """Counted from 1."""
    window_px: int
    """Fourier window of the reconstruction: the map has nothing beyond shell window_px / 2."""
    noise_variance: Float[Array, " shell"]
    """Of the reconstruction (rlnReferenceSigma2); 0 where there are no data."""
    signal_variance: Float[Array, " shell"]
    """tau2 of the ordinary prior, which ``map`` has been regularised with."""
    data_vs_prior: Float[Array, " shell"]
    """Signal-to-noise ratio; 1 is where the data begin to lose against the prior."""
    fsc: Float[Array, " shell"]
    """Gold-standard FSC, all that is known of the other half; zeros when the run is not split."""
