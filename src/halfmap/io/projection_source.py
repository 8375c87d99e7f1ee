"""Projections of known orientation, whatever file they come from (`halfmap.io.eman`)."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from jaxtyping import Float, Float32
from numpy import ndarray as Array


@dataclass(frozen=True, slots=True)
class ProjectionHeader:
    """What is said of one projection; None where nothing is."""

    transform: Float[Array, "3 4"] | None = None
    """``xform.projection`` as stored: mirror and scale folded in, translation in column 3."""
    ptcl_repr: float | None = None
    class_qual: float | None = None
    class_ssnr: Float[Array, " radius"] | None = None
    model_id: int | None = None


class ProjectionSource(Protocol):
    """Images of one size; safe to use from several threads."""

    path: Path
    image_shape: tuple[int, int]
    """(x, y), px."""
    pixel_size_A: float
    projection_convention: bool
    """Whether translations say where the content has gone (LST), not where it has to go."""

    def __len__(self) -> int: ...

    def headers(self) -> Sequence[ProjectionHeader]:
        """Return what is said of all projections, in order; read once, by the leader."""
        ...

    def read(self, rows: Sequence[int]) -> Float32[Array, "image y x"]:
        """Read some images.

        Raises
        ------
        DataError
            If one cannot be read, or has another size.
        """
        ...
