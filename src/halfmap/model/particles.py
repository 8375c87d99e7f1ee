"""The particle table as plain arrays: what stays, and what each iteration re-estimates.

Rows are in the order of the run's table (the input sorted stably by micrograph name).
Everything counts from zero here; the STAR columns count from one.
"""

from dataclasses import dataclass, fields

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray as Array

from halfmap.model.optics import Defocus, Optics


@dataclass(frozen=True, slots=True)
class ImagePlaces:
    """Where one image of each particle lies, as `Particles` has it."""

    stacks: tuple[str, ...]
    stack: Int[Array, " particle"]
    slice: Int[Array, " particle"]


@dataclass(frozen=True, slots=True)
class Particles:
    """What never changes during a run."""

    stacks: tuple[str, ...]
    """Paths of the image stacks."""
    stack: Int[Array, " particle"]
    """Index into ``stacks``."""
    slice: Int[Array, " particle"]
    """Image of that stack, from zero."""
    optics: tuple[Optics, ...]
    optics_group: Int[Array, " particle"]
    """Index into ``optics``."""
    scale_groups: tuple[str, ...]
    """Names of the groups that share an intensity scale (micrographs, unless named)."""
    scale_group: Int[Array, " particle"]
    half: Int[Array, " particle"]
    """0 or 1; all 0 when the set is not split."""
    defocus: Defocus
    prior_deg: Float[Array, "particle 3"] | None = None
    """Where the priors on rot, tilt, psi sit that do not follow the poses; NaN where the table does
    not say. None: it says nothing."""
    prior_offset_A: Float[Array, "particle 2"] | None = None
    """Where the prior on the offset sits, x and y; None: at zero."""
    inserted: ImagePlaces | None = None
    """Other images that the map of the last iteration is made of (rlnReconstructImageName)."""

    def __len__(self) -> int:
        return len(self.stack)

    def name(self, row: int) -> str:
        """Return the image as the STAR file names it, ``000001@stack.mrcs``."""
        return f"{self.slice[row] + 1:06d}@{self.stacks[self.stack[row]]}"


@dataclass(frozen=True, slots=True)
class Poses:
    """What every iteration re-estimates, one row a particle."""

    angles_deg: Float[Array, "particle 3"]
    """rot, tilt, psi."""
    offset_A: Float[Array, "particle 2"]
    """x, y; the shift to be applied to the image to centre it."""
    class_index: Int[Array, " particle"]
    """Best class; -1 before the first iteration."""
    norm: Float[Array, " particle"]
    """Normalisation correction; an image is multiplied by mean / own."""
    log_likelihood: Float[Array, " particle"]
    max_probability: Float[Array, " particle"]
    n_significant: Int[Array, " particle"]

    @classmethod
    def unknown(cls, n: int) -> "Poses":
        """Return the poses of particles that nobody has looked at."""
        return cls(
            angles_deg=np.zeros((n, 3)),
            offset_A=np.zeros((n, 2)),
            class_index=np.full(n, -1),
            norm=np.ones(n),
            log_likelihood=np.zeros(n),
            max_probability=np.zeros(n),
            n_significant=np.zeros(n, dtype=np.int64),
        )

    def __len__(self) -> int:
        return len(self.norm)

    def __getitem__(self, rows: object) -> "Poses":
        """Return the poses of some particles."""
        return Poses(*(getattr(self, field.name)[rows] for field in fields(self)))
