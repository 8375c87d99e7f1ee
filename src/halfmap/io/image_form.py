"""In which precision images are taken from their stacks.

The form is a matter of reading, not of where an image was read: a copy holds what reading
gives. So results do not depend on which images had been copied when they were needed.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float32
from numpy import ndarray as Array

FLOAT16 = np.dtype("<f2")
LARGEST_FLOAT16 = 65504.0


@dataclass(frozen=True, slots=True)
class ImageForm:
    """Of all images of a run."""

    name: str
    """Part of the name of a copy."""
    rounds: bool
    """Whether single precision becomes half precision."""

    def stored(self, dtype: np.dtype[Any]) -> np.dtype[Any]:
        """Return the type of a copy; whole numbers and half precision stay as they are."""
        return FLOAT16 if self._rounds(dtype) else dtype

    def encode(self, raw: Array) -> tuple[Array, Array]:
        """Return images as a copy holds them, and which of them it can hold."""
        if not self._rounds(raw.dtype):
            return raw, np.ones(len(raw), bool)
        fits = _fit(raw)
        with np.errstate(over="ignore"):  # those are not kept
            return raw.astype(FLOAT16), fits

    def apply(self, images: Float32[Array, "image y x"], dtype: np.dtype[Any]) -> None:
        """Bring images that were read from a stack of some type into this form, in place."""
        if self._rounds(dtype):
            fits = _fit(images)
            images[fits] = images[fits].astype(FLOAT16)

    def _rounds(self, dtype: np.dtype[Any]) -> bool:
        return self.rounds and dtype.kind == "f" and dtype.itemsize > FLOAT16.itemsize


AS_STORED = ImageForm("as-stored", rounds=False)
HALF_PRECISION = ImageForm("half-precision", rounds=True)


def _fit(images: Array) -> Array:
    """Tell which images have only numbers that half precision can hold."""
    largest = np.abs(images.reshape(len(images), -1)).max(axis=1, initial=0.0)
    return np.asarray(largest <= LARGEST_FLOAT16)
