"""Some images of a file, as EMAN2's programs name them: ``file.hdf:inclusion^exclusion``.

Both are lists of whole numbers and of Python's slices, with commas between; no inclusion is all.
"""

import re
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool
from numpy import ndarray as Array

_ITEM = re.compile(r"\d{1,9}|(-?\d{1,9})?:(-?\d{1,9})?(:(-?[1-9]\d{0,8})?)?")


class ChosenImages(NamedTuple):
    """A file, and which of its images are meant."""

    file: str
    inclusion: tuple[str, ...] = ()
    exclusion: tuple[str, ...] = ()

    def unreadable(self) -> list[str]:
        """Return the items that are neither numbers nor slices."""
        return [item for item in self.inclusion + self.exclusion if not _ITEM.fullmatch(item)]

    def of(self, n_images: int) -> Bool[Array, " image"]:
        """Say which images are meant, of so many."""
        wanted = _among(self.inclusion or (":",), n_images)
        return np.asarray(wanted & ~_among(self.exclusion, n_images))


def chosen_images(text: str) -> ChosenImages:
    """Take a name apart; what stands before the first colon or ^ is the file."""
    file, rest = re.fullmatch(r"([^:^]*):?(.*)", text, re.DOTALL).groups()  # type: ignore[union-attr]
    inclusion, _, exclusion = rest.partition("^")
    return ChosenImages(file, *(tuple(filter(None, s.split(","))) for s in (inclusion, exclusion)))


def _among(items: tuple[str, ...], n_images: int) -> Bool[Array, " image"]:
    named = np.zeros(n_images, bool)
    for item in items:
        if ":" in item:
            named[slice(*(int(part) if part else None for part in item.split(":")))] = True
        else:
            named[int(item) : int(item) + 1] = True
    return named
