"""In which form images are taken from their stacks: how precise, and with how much detail.

The form is a matter of reading, not of where an image was read: a copy holds what reading
gives. So results do not depend on which images had been copied when they were needed.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Float32
from numpy import ndarray as Array

from halfmap.model.cut_images import resized

FLOAT16, FLOAT32 = np.dtype("<f2"), np.dtype("<f4")
LARGEST_FLOAT16 = 65504.0


@dataclass(frozen=True, slots=True)
class ImageForm:
    """Of all images of a run."""

    rounds: bool = False
    """Whether single precision becomes half precision."""
    cuts: tuple[tuple[int, int], ...] = ()
    """Boxes whose images are cut (`halfmap.model.cut_images`), and what is left of each, px."""

    @property
    def whole(self) -> "ImageForm":
        """The same without cuts."""
        return replace(self, cuts=())

    def box(self, box: int) -> int:
        """Return the box in which images of some box are stored."""
        return dict(self.cuts).get(box, box)

    def text(self, box: int) -> str:
        """Return what is part of the name of a copy."""
        cut = "" if self.box(box) == box else f", cut to {self.box(box)} px"
        return ("half-precision" if self.rounds else "as-stored") + cut

    def stored(self, dtype: np.dtype[Any], box: int) -> np.dtype[Any]:
        """Return the type of a copy of a stack of some type and box.

        Whole numbers and half precision stay as they are, unless they are cut.
        """
        given = dtype if self.box(box) == box else FLOAT32
        return FLOAT16 if self._rounds(given) else given

    def encode(self, raw: Array) -> tuple[Array, Array]:
        """Return images as a copy holds them, and which of them it can hold."""
        cut = self._cut(raw)
        if not self._rounds(cut.dtype):
            return cut, np.ones(len(cut), bool)
        fits = _fit(cut)
        with np.errstate(over="ignore"):  # those are not kept
            return cut.astype(FLOAT16), fits

    def apply(self, raw: Array, out: Float32[Array, "image y x"]) -> None:
        """Bring images as they were read from a stack into this form.

        Parameters
        ----------
        raw
            May be ``out``.
        out
            In the box in which they are stored.
        """
        cut = self._cut(raw)
        if cut is not out:
            out[...] = cut
        if self._rounds(cut.dtype):
            fits = _fit(out)
            out[fits] = out[fits].astype(FLOAT16)

    def _cut(self, raw: Array) -> Array:
        own = raw.shape[-1]
        square = raw.shape[-2] == own
        return resized(raw, self.box(own)) if square and self.box(own) != own else raw

    def _rounds(self, dtype: np.dtype[Any]) -> bool:
        return self.rounds and dtype.kind == "f" and dtype.itemsize > FLOAT16.itemsize


def _fit(images: Array) -> Array:
    """Tell which images have only numbers that half precision can hold."""
    largest = np.abs(images.reshape(len(images), -1)).max(axis=1, initial=0.0)
    return np.asarray(largest <= LARGEST_FLOAT16)
