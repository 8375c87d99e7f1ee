"""What the user decided about the automatic decisions; fixed during a run."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ScheduleRules:
    """Limits and switches of `halfmap.steps.resolution`, `sampling_schedule`, `convergence`."""

    box: int
    """Of the map, px."""
    pixel_size_A: float
    particle_diameter_A: float
    initial_low_pass_A: float = 0.0
    """The starting map is filtered to this; 0 or less: it is not."""
    first_iteration_by_correlation: bool = False
    """The first iteration says nothing about the resolution: the initial one stays."""
    automatic: bool = True
    """Sampling is refined (``--auto_refine``, ``--auto_sampling``)."""
    converges: bool = True
    """Convergence is looked for as well (``--auto_refine``)."""
    coarser_allowed: bool = False
    """Iterations take steps as coarse as their accuracy allows (``--allow_coarser_sampling``)."""
    split: bool = True
    """There are two halves, hence an FSC."""
    coarse_size_limit_px: int = -1
    """Largest window of the first pass; 0 or less: the box."""
    strict_high_resolution_A: float = -1.0
    """Finer detail does not count when poses are compared; 0 or less: no limit."""
    local_from_order: int = 4
    """HEALPix order of the coarse grid from which searches are local."""
    angles_follow_resolution: bool = False
    """Refine the angles as soon as the resolution needs them (``--auto_resol_angles``)."""
    ignore_pose_changes: bool = False
    """Neither finer sampling nor convergence waits for the poses (``--auto_ignore_angles``)."""
    minimum_resolution_shell: int = 5

    @property
    def box_A(self) -> float:
        """Length of the box: shell r is at ``box_A / r``."""
        return self.box * self.pixel_size_A
