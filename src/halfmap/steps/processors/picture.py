"""What a processor works on, and how it is declared."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any, Self

import numpy as np
from jaxtyping import Float32
from numpy import ndarray as Array

from halfmap.errors import DataError


@dataclass(frozen=True, slots=True)
class Picture:
    """An image or a map."""

    values: Float32[Array, "..."]
    """(y, x) or (z, y, x); the origin is the pixel n // 2."""
    pixel_size_A: float
    """0: unknown."""
    seed: tuple[int, ...] = (0,)
    """Of processors that draw random numbers; another one for each image."""

    def with_values(self, values: Array, pixel_size_A: float | None = None) -> Self:
        """Return the picture with other values, and perhaps another pixel size."""
        size = self.pixel_size_A if pixel_size_A is None else pixel_size_A
        single = np.ascontiguousarray(values, np.float32)
        return replace(self, values=single, pixel_size_A=size)

    def known_pixel_size_A(self, given: Mapping[str, Any]) -> float:
        """Return the pixel size: the parameter ``apix``, or that of the picture.

        Raises
        ------
        DataError
            If neither is known.
        """
        size = float(given["apix"] or self.pixel_size_A)
        if size <= 0.0:
            raise DataError(
                "found no pixel size in the header, and this processor needs one. "
                "Give it the parameter apix=, or the program --apix."
            )
        return size


class Kind(Enum):
    """What the value of a parameter is."""

    NUMBER = "number"
    WHOLE = "whole number"
    FLAG = "0 or 1"
    TEXT = "text"
    NUMBERS = "numbers with commas between them"
    MAP = "file of an image or a map"
    CURVE = "file of a structure factor"


@dataclass(frozen=True, slots=True)
class Parameter:
    """What a processor can be told."""

    name: str
    kind: Kind
    default: float | int | str | None
    """None: there is none; see `needed`."""
    help: str
    needed: bool = False
    least: float | None = None
    """Smallest value that makes sense."""


Given = Mapping[str, Any]
"""The value of each parameter: that of the user, or the default."""
Apply = Callable[[Picture, Given], Picture]


@dataclass(frozen=True, slots=True)
class Processor:
    """One of EMAN2's processors."""

    name: str
    help: str
    """One sentence, with the formula."""
    apply: Apply
    parameters: tuple[Parameter, ...] = ()
    one_of: tuple[str, ...] = ()
    """Names of parameters of which one must be given."""
