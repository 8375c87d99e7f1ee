"""Images as they come: gain, integer shift and mask; then pixels and power of their transforms.

Compiled without fast mathematics: what is not finite must stay so, to be found.
"""
# mypy: ignore-errors
# numba, not mypy, types what follows

import numpy as np

from halfmap.kernels.numba_cpu.options import EXACT, compiled


@compiled(EXACT)
def shift_and_mask(images, gain, shift_px, background, fill):
    """See `Kernels.shift_and_mask`."""
    n, height, width = images.shape
    out = np.zeros((n, 2, height, width), np.float32)
    whole = max(background.sum(), np.float32(1e-30))
    for i in range(n):
        dx, dy = shift_px[i, 0], shift_px[i, 1]
        outside = 0.0
        for y in range(max(0, dy), min(height, height + dy)):
            for x in range(max(0, dx), min(width, width + dx)):
                value = gain[i] * images[i, y - dy, x - dx]
                out[i, 0, y, x] = value
                outside += np.float64(background[y, x] * value)
        mean = np.float32(outside / np.float64(whole))
        for y in range(height):
            for x in range(width):
                value = out[i, 0, y, x]
                behind = fill[i, y, x] if fill.shape[0] else mean
                out[i, 1, y, x] = value + background[y, x] * (behind - value)
    return out


@compiled(EXACT)
def read_planes(planes, place, sign, shell, n_shells):
    """See `Kernels.read_planes`."""
    n, n_pixels = planes.shape[0], planes.shape[1]
    listed = np.empty((n, place.shape[0]), np.complex64)
    power = np.zeros((n, n_shells))
    square = np.float64(sign[0]) * np.float64(sign[0])
    for i in range(n):
        for j in range(place.shape[0]):
            listed[i, j] = planes[i, place[j]] * sign[j]
        for j in range(n_pixels):
            if shell[j] >= 0:
                value = planes[i, j]
                re, im = np.float64(value.real), np.float64(value.imag)
                power[i, shell[j]] += re * re + im * im
        for r in range(n_shells):
            power[i, r] *= square
    return listed, power
