"""Sizes of a direct reconstruction: of the images, padded, of the volume, of the map.

All are (x, y) or (x, y, z). Padded images and volumes are even; a frequency of an image keeps its
fraction of Nyquist in the volume, whatever the two sizes.
"""

from typing import NamedTuple


class Sizes(NamedTuple):
    """What is made of what."""

    image: tuple[int, int]
    """(x, y) as read, px."""
    padded: tuple[int, int]
    """(x, y) of the images that are transformed."""
    volume: tuple[int, int, int]
    """(x, y, z) of the volume that is summed."""
    output: tuple[int, int, int]
    """(x, y, z) of the map that is written."""

    @property
    def half_volume(self) -> tuple[int, int, int]:
        """Shape (z, y, x) of the half volume that holds the sums: x from 0 to Nyquist."""
        x, y, z = self.volume
        return z, y, x // 2 + 1

    def crowded(self) -> list[str]:
        """Say which padded sizes do not hold an image."""
        lengths = zip("xy", self.image, self.padded, strict=True)
        return [
            f"--pad: found {padded} along {axis}, expected at least the {image} px of the images"
            for axis, image, padded in lengths
            if padded < image
        ]


_GOOD: tuple[int, ...] = (
    *(16, 24, 32, 36, 40, 44, 48, 52, 56, 60, 64, 72, 84, 96, 100, 104, 112, 120, 128, 132, 140),
    *(168, 180, 192, 196, 208, 216, 220, 224, 240, 256, 260, 288, 300, 320, 352, 360, 384, 416),
    *(440, 448, 480, 512),
)
"""Sizes whose transforms are fast, as EMAN2 lists them; beyond, those of prime factors up to 7."""
AUTOMATIC_PADDING = 1.25


def good_size(at_least: float) -> int:
    """Return the smallest even size, not below, whose transform is fast.

    >>> [good_size(1.25 * n) for n in (64, 96, 128, 200, 360, 400, 512)]
    [84, 120, 168, 256, 480, 512, 640]
    """
    listed = next((size for size in _GOOD if size >= at_least), None)
    if listed is not None:
        return listed
    size = int(-(-at_least // 2)) * 2
    while _remainder(size) > 1:
        size += 2
    return size


def _remainder(size: int) -> int:
    for prime in (2, 3, 5, 7):
        while size % prime == 0:
            size //= prime
    return size


def resolved_sizes(
    image: tuple[int, int],
    padded: tuple[int, ...],
    volume: tuple[int, ...],
    output: tuple[int, ...],
) -> Sizes:
    """Return the sizes of a reconstruction.

    Parameters
    ----------
    image
        (x, y), px.
    padded
        One length or two; none: the larger of the image's, made even; (-1,): the automatic one.
    volume, output
        One length or three; none: those of the padded images, and of the images.
    """
    largest = max(image)
    if padded == (-1,):
        padded = (good_size(AUTOMATIC_PADDING * largest),)
    own = padded or (largest + largest % 2,)
    x, y = (own * 2)[:2]
    of_volume = volume or (max(x, y),)
    of_output = output or (largest,)
    return Sizes(image, (x, y), _three(of_volume), _three(of_output))


def _three(lengths: tuple[int, ...]) -> tuple[int, int, int]:
    x, y, z = (lengths * 3)[:3]
    return x, y, z
