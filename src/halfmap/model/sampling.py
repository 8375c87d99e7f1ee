"""Where the expectation looks: the steps and ranges of orientations and translations."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Sampling:
    """Sampling of one iteration, before oversampling."""

    healpix_order: int
    psi_step_deg: float
    offset_range_A: float
    offset_step_A: float
    oversampling: int
    """Each coarse step is halved this many times in the second pass."""
    symmetry: str
    """Point group, e.g. ``C1`` or ``D2``."""
    limit_tilt_deg: float = -91.0
    """Keep side views (positive) or top views (negative); -91 keeps all."""
    perturbation: float = 0.0
    """Random offset of the whole grid, in coarse steps, the same for angles and shifts."""
    prior_sigma_deg: tuple[float, float, float] | None = None
    """Width of the Gaussian priors on rot, tilt, psi, 0 for an angle that is free; None searches
    globally."""
    priors_follow_poses: bool = True
    """The priors sit at the present poses; otherwise where the particle table says."""
    bimodal_psi: bool = False
    """An in-plane angle and a direction are as near to the prior as their opposites."""
    relaxed_symmetry: str = ""
    """Point group that the particle has only nearly: the priors are the same at all mates."""
    fixed_angles: bool = False
    """Every particle keeps its orientation; only class and offset are looked for."""
    fixed_offsets: bool = False
    """Every particle keeps its offset, to the fraction of a pixel."""
    flat: bool = False
    """References are 2D: there is one direction, and only psi is sampled."""

    @property
    def angular_step_deg(self) -> float:
        """Coarse angular step: 60° / 2^order, or that of psi for 2D references."""
        return float(self.psi_step_deg if self.flat else 60.0 / 2**self.healpix_order)

    @property
    def n_child_directions(self) -> int:
        """Directions of the second pass below each coarse one."""
        return 1 if self.flat or self.fixed_angles else int(4**self.oversampling)

    @property
    def n_child_orientations(self) -> int:
        """Orientations of the second pass below each coarse one."""
        return 1 if self.fixed_angles else int(self.n_child_directions * 2**self.oversampling)

    @property
    def n_child_shifts(self) -> int:
        """Translations of the second pass below each coarse one."""
        return int(4**self.oversampling)

    @property
    def fine_angular_step_deg(self) -> float:
        """Angular step of the second pass."""
        return float(self.angular_step_deg / 2**self.oversampling)

    @property
    def fine_offset_step_A(self) -> float:
        """Offset step of the second pass."""
        return float(self.offset_step_A / 2**self.oversampling)
