"""What the two halves share from one iteration to the next: steps, limits, counters.

Nothing of a map is in here, only decisions. Every rank holds the same schedule and
advances it by the same pure functions, so no decision is ever sent.
"""

from dataclasses import dataclass

from halfmap.model.sampling import Sampling


@dataclass(frozen=True, slots=True)
class Changes:
    """How far the best poses moved in one iteration (mean over particles)."""

    orientations_deg: float
    offsets_A: float
    classes: float
    """Fraction of particles that changed class."""


NO_CHANGES_YET = Changes(orientations_deg=999.0, offsets_A=999.0, classes=9_999_999.0)


@dataclass(frozen=True, slots=True)
class Schedule:
    """State of the automatic refinement after ``iteration`` iterations."""

    iteration: int
    sampling: Sampling
    initial_sampling: Sampling
    """As asked for; RELION's change test keeps using its steps (`halfmap.steps.convergence`)."""
    resolution_shell: int
    """Current resolution; shell r is box * pixel / r ångström."""
    best_resolution_shell: int
    size_increment: int
    """Shells beyond the current resolution that are included; never decreases."""
    current_size: int = 0
    """Fourier window of the last iteration, px (even)."""
    coarse_size: int = 0
    high_fsc_at_limit: bool = False
    """Sticky: once the FSC exceeded 0.2 at the edge of the window."""
    mean_max_probability: float = 0.0
    iterations_without_resolution_gain: int = 0
    iterations_without_large_changes: int = 0
    changes: Changes = NO_CHANGES_YET
    smallest_changes: Changes = NO_CHANGES_YET
    accuracy_rotation_deg: float = 999.0
    accuracy_translation_A: float = 999.0
    fine_enough: bool = False
    """The angular sampling is finer than the expected accuracy can use."""
    converged: bool = False
    """The iteration at hand is the last: halves joined, all data to Nyquist."""
