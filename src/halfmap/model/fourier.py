"""Fourier transforms of images and maps: layout, normalisation, centring, shells.

Conventions, fixed here and pinned by ``tests/unit/test_fourier.py``:

* forward transform: kernel ``exp(-2πi k·x / n)``, divided by the number of pixels; the inverse
  has no factor;
* half-plane storage: the last axis holds ``kx = 0 .. n/2``; row ``i`` of the others holds
  ``i`` if ``i <= n/2`` else ``i - n``, so that the Nyquist row is the *positive* frequency;
* the origin of images and maps is the pixel with index ``n // 2``; the transform is moved to it
  by alternating signs (`centring_signs`), which needs an even ``n``;
* the shell of a frequency is ``|k|`` rounded half *away from zero*.
"""

from collections.abc import Sequence
from typing import Any, overload

import numpy as np
import scipy.fft
from jaxtyping import Complex128, Float, Float32, Int
from numpy import ndarray as Array

LOW_PASS_EDGE_SHELLS = 2.0
"""Full width of the raised cosine of `low_pass`."""
NO_RESOLUTION_A = 999.0
"""What tables show as the resolution of shell 0, instead of infinity."""


@overload
def round_half_away(x: float) -> int: ...
@overload
def round_half_away(x: Array) -> Int[Array, "..."]: ...
def round_half_away(x: float | Array) -> int | Array:
    """Round to the nearest integer, halves away from zero (numpy rounds them to even).

    >>> round_half_away(2.5), round_half_away(-2.5), round_half_away(2.4)
    (3, -3, 2)
    """
    rounded = np.trunc(x + np.copysign(0.5, x))
    return rounded.astype(np.int64) if isinstance(rounded, Array) else int(rounded)


def _signed_frequencies(box: int) -> Int[Array, " box"]:
    index = np.arange(box)
    return np.where(index <= box // 2, index, index - box)


def frequencies_2d(box: int) -> tuple[Int[Array, "box half"], Int[Array, "box half"]]:
    """Return ``(ky, kx)`` of every stored pixel of an image's transform."""
    ky, kx = np.meshgrid(_signed_frequencies(box), np.arange(box // 2 + 1), indexing="ij")
    return ky, kx


def frequencies_3d(
    box: int, *, flat: bool = False
) -> tuple[Int[Array, "z y half"], Int[Array, "z y half"], Int[Array, "z y half"]]:
    """Return ``(kz, ky, kx)`` of every stored voxel of a map's transform: read-only views.

    ``flat``: of a map of one plane, whose only ``kz`` is 0.
    """
    k = _signed_frequencies(box)
    along_z = k[:1] if flat else k
    kz, ky, kx = np.meshgrid(along_z, k, np.arange(box // 2 + 1), indexing="ij", copy=False)
    return kz, ky, kx


def radii(frequencies: Sequence[Array]) -> Float[Array, "..."]:
    """Return ``|k|``, not rounded, of the frequencies of `frequencies_2d` or `frequencies_3d`."""
    squared = np.zeros(frequencies[0].shape)
    for k in frequencies:
        squared += k * k
    return np.sqrt(squared, out=squared)


def shells_2d(box: int) -> Int[Array, "box half"]:
    """Return the shell of every stored pixel of an image's transform."""
    return round_half_away(radii(frequencies_2d(box)))


def shells_3d(box: int, *, flat: bool = False) -> Int[Array, "z y half"]:
    """Return the shell of every stored voxel of a map's transform."""
    return round_half_away(radii(frequencies_3d(box, flat=flat)))


def centring_signs(shape: tuple[int, ...]) -> Float[Array, "..."]:
    """Return the ±1 that move the phase origin to pixel ``n // 2`` (even ``n`` only).

    Parameters
    ----------
    shape
        Of the stored half transform, last axis the half one.
    """
    parity = sum(np.ogrid[tuple(slice(n) for n in shape)]) % 2
    return np.asarray(1.0 - 2.0 * parity)


def transform_2d(images: Float[Array, "*image y x"]) -> Complex128[Array, "*image y half"]:
    """Return the Fourier transforms of images, divided by the number of pixels."""
    return _forward(images, (-2, -1))


def transform_3d(volume: Float[Array, "*map z y x"]) -> Complex128[Array, "*map z y half"]:
    """Return the Fourier transform of a map, divided by the number of voxels."""
    return _forward(volume, (-3, -2, -1))


def _forward(x: Array, axes: tuple[int, ...]) -> Array:
    double = np.asarray(x, dtype=np.float64)
    return np.asarray(scipy.fft.rfftn(double, axes=axes, norm="forward"))


def inverse_2d(ft: Complex128[Array, "*image y half"], box: int) -> Float[Array, "*image y x"]:
    """Return the images of box ``box`` that `transform_2d` turns into ``ft``."""
    return np.asarray(scipy.fft.irfftn(ft, s=(box,) * 2, axes=(-2, -1), norm="forward"))


def inverse_3d(ft: Complex128[Array, "*map z y half"], box: int) -> Float[Array, "*map z y x"]:
    """Return the map of box ``box`` that `transform_3d` turns into ``ft``."""
    shape = (min(ft.shape[-3], box), box, box)
    return np.asarray(scipy.fft.irfftn(ft, s=shape, axes=(-3, -2, -1), norm="forward"))


def crop_transform(ft: Array, size: int) -> Array:
    """Window the transforms of images to a new even size.

    A smaller window keeps the same ``(kx, ky)``, its Nyquist row being the positive frequency.
    A larger one is filled inside the circle of the old Nyquist frequency only: the corners of
    the old window are dropped.

    Parameters
    ----------
    ft
        Transforms of shape (..., box, box/2 + 1), not centred or centred.
    size
        New box, px.
    """
    return _window(ft, size, 2)


def crop_transform_3d(ft: Array, size: int) -> Array:
    """Window the transform of a map to a new even size, as `crop_transform` does for images."""
    return _window(ft, size, 3)


def _window(ft: Array, size: int, dimensions: int) -> Array:
    box = ft.shape[-2]
    small = min(box, size)
    signed = _signed_frequencies(small)
    half = np.arange(small // 2 + 1)
    source: Any = (..., *np.ix_(*[signed % box] * (dimensions - 1), half))
    inside = ft[source]
    if size <= box:
        return np.asarray(inside)
    frequencies = frequencies_2d(box) if dimensions == 2 else frequencies_3d(box)
    squared = sum(k**2 for k in frequencies)
    shape = ft.shape[:-dimensions] + (size,) * (dimensions - 1) + (size // 2 + 1,)
    enlarged = np.zeros(shape, ft.dtype)
    target: Any = (..., *np.ix_(*[signed % size] * (dimensions - 1), half))
    enlarged[target] = np.where(squared <= (box // 2) ** 2, inside, 0)
    return enlarged


def pixels_per_shell(box: int) -> Int[Array, " shell"]:
    """Count the independent pixels of an image's transform in each shell, 0 to box/2.

    The half line ``kx = 0, ky < 0`` repeats ``ky > 0`` and is left out.
    """
    ky, kx = frequencies_2d(box)
    shell = shells_2d(box)
    counted = (shell <= box // 2) & ~((kx == 0) & (ky < 0))
    return np.bincount(shell[counted], minlength=box // 2 + 1)


def radial_mean(
    power: Float[Array, "..."], shells: Int[Array, "..."], n: int
) -> Float[Array, " shell"]:
    """Return the mean of ``power`` over each of the shells ``0 .. n - 1``; 0 where one is empty."""
    inside = shells < n
    flat = shells[inside]
    total = np.bincount(flat, weights=power[inside], minlength=n)
    return np.asarray(total / np.maximum(np.bincount(flat, minlength=n), 1))


def shell_resolution_A(shell: float, box: int, pixel_size_A: float) -> float:
    """Return the resolution of a shell in ångström; 999 for shell 0.

    >>> shell_resolution_A(64, 256, 1.2)
    4.8
    """
    return box * pixel_size_A / shell if shell > 0 else NO_RESOLUTION_A


def resolution_shell(resolution_A: float, box: int, pixel_size_A: float) -> int:
    """Return the shell of a resolution in ångström.

    >>> resolution_shell(60.0, 256, 1.2)
    5
    """
    return round_half_away(box * pixel_size_A / resolution_A)


def low_pass(
    volume: Float[Array, "z y x"], pixel_size_A: float, resolution_A: float
) -> Float32[Array, "z y x"]:
    """Filter a map with a raised cosine, two shells wide, centred at a resolution.

    The filter is evaluated at the exact ``|k|``, not at the shell. A resolution of 0 or less
    leaves the map as it is.
    """
    if resolution_A <= 0.0:
        return np.asarray(volume, dtype=np.float32)
    box = volume.shape[-1]
    ft = transform_3d(volume)
    stored = frequencies_3d(box, flat=len(volume) == 1)
    for plane, frequencies in zip(ft, zip(*stored, strict=True), strict=True):
        plane *= low_pass_factor(radii(frequencies), box * pixel_size_A, resolution_A)
    return inverse_3d(ft, box).astype(np.float32)


def low_pass_factor(
    radius: Float[Array, "*k"], box_A: float, resolution_A: float
) -> Float[Array, "*k"]:
    """Return what `low_pass` multiplies frequencies by, ``radius`` in shells."""
    edge = box_A / resolution_A + LOW_PASS_EDGE_SHELLS / 2.0
    ramp = np.clip((edge - radius) / LOW_PASS_EDGE_SHELLS, 0.0, 1.0)
    return np.asarray(0.5 - 0.5 * np.cos(np.pi * ramp))


def resample_volume(
    volume: Float[Array, "z y x"],
    pixel_size_A: float,
    target_pixel_size_A: float,
    target_box: int,
    odd_to_even: int = -1,
) -> tuple[Float32[Array, "z y x"], float]:
    """Bring a map, cubic or flat, to another pixel size and box; grey values and centre stay.

    The map is resampled in Fourier space to a whole even number of pixels, so the pixel size is
    reached only nearly; then it is cropped, or padded with zeros, around its centre. One that
    has the pixel size is not resampled.

    Parameters
    ----------
    odd_to_even
        Added to an odd number of pixels: -1 or +1.

    Returns
    -------
    volume
        Of box ``target_box``.
    pixel_size_A
        The true pixel size of the result.
    """
    box = volume.shape[-1]
    new_box = round_half_away(box * pixel_size_A / target_pixel_size_A)
    if new_box == box:
        return _window_map(volume, target_box).astype(np.float32), pixel_size_A
    if box % 2:  # the voxel n // 2 is the centre of even boxes only
        volume, box = _window_map(volume, box + 1), box + 1
        new_box = round_half_away(box * pixel_size_A / target_pixel_size_A)
    new_box += odd_to_even * (new_box % 2)
    crop = crop_transform if len(volume) == 1 else crop_transform_3d
    resampled = inverse_3d(crop(transform_3d(volume), new_box), new_box)
    return _window_map(resampled, target_box).astype(np.float32), box * pixel_size_A / new_box


def window_image(image: Float[Array, "y x"], box: int) -> Float[Array, "box box"]:
    """Crop an image, or pad it with zeros, around the pixel n // 2."""
    old = image.shape[-1]
    if old == box:
        return image
    common = min(old, box)
    source = slice(old // 2 - common // 2, old // 2 - common // 2 + common)
    target = slice(box // 2 - common // 2, box // 2 - common // 2 + common)
    windowed = np.zeros((box,) * 2)
    windowed[target, target] = image[source, source]
    return windowed


def _window_map(volume: Float[Array, "z y x"], box: int) -> Float[Array, "z y x"]:
    """Crop a map, or pad it with zeros, around the voxel n // 2."""
    old = volume.shape[-1]
    common = min(old, box)
    source = slice(old // 2 - common // 2, old // 2 - common // 2 + common)
    target = slice(box // 2 - common // 2, box // 2 - common // 2 + common)
    if len(volume) == 1:
        windowed = np.zeros((1, box, box))
        windowed[:, target, target] = volume[:, source, source]
    else:
        windowed = np.zeros((box,) * 3)
        windowed[(target,) * 3] = volume[(source,) * 3]
    return windowed
