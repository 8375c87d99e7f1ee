"""Processors on the images of a unit, and on the map in the end."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float, Float32
from numpy import ndarray as Array

from halfmap.errors import DataError
from halfmap.steps.processors.picture import Picture
from halfmap.steps.processors.registry import Ready, process


@dataclass(frozen=True, slots=True)
class ImageProcessing:
    """What is done to images before they are padded; the same whoever does it."""

    processors: tuple[Ready, ...]
    pixel_size_A: float

    def __call__(
        self, images: Float32[Array, "image y x"], rows: Sequence[int]
    ) -> Float32[Array, "image y x"]:
        """Return images processed, perhaps of another size.

        Parameters
        ----------
        images
            As read, their edges at 0.
        rows
            Their numbers in the input, from which random numbers follow.

        Raises
        ------
        DataError
            If a processor cannot be used on images.
        """
        if not self.processors:
            return images
        pictures = [
            process(Picture(image, self.pixel_size_A, (int(row),)), self.processors)
            for image, row in zip(images, rows, strict=True)
        ]
        return np.stack([picture.values for picture in pictures])


UNPROCESSED = ImageProcessing((), 0.0)


def processed_map(
    volume: Float[Array, "z y x"],
    pixel_size_A: float,
    processors: Sequence[Ready],
    warn: Callable[[str], None],
) -> Picture:
    """Return a map after some processors; one that cannot be used is left out, with a warning.

    A map that took hours to make is not lost for its last step.
    """
    picture = Picture(np.asarray(volume, np.float32), pixel_size_A)
    for number, each in enumerate(processors):
        try:
            picture = process(replace(picture, seed=(number,)), [each])
        except DataError as error:
            warn(f"{error} The map is written without it.")
    return picture
