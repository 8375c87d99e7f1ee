"""What filters multiply by at the spatial frequency s; all but `band` are 1 at s = 0.

Any unit, as long as all are the same.
"""

import numpy as np
from jaxtyping import Float
from numpy import ndarray as Array

LOWEST_OF_FIT_A = 15.0
"""Below this resolution the power of a map is that of its shape."""
_PASS, _STOP = 0.882, 10.624
"""Of Butterworth's filter: response where the fall begins, and one over it where it ends."""
_FALL = 0.15


def gaussian(s: Float[Array, "*k"], width: float) -> Float[Array, "*k"]:
    """Return exp(-s² / width²)."""
    if width <= 0.0:
        return np.asarray((s == 0.0).astype(np.float64))
    return np.asarray(np.exp(-((s / width) ** 2)))


def gaussian_band(s: Float[Array, "*k"], centre: float, width: float) -> Float[Array, "*k"]:
    """Return exp(-(s - centre)² / (2 width²))."""
    return gaussian(s - centre, np.sqrt(2.0) * width)


def top_hat(s: Float[Array, "*k"], limit: float) -> Float[Array, "*k"]:
    """Return 1 up to the limit, which is included."""
    return np.asarray((s <= limit).astype(np.float64))


def band(s: Float[Array, "*k"], low: float, high: float) -> Float[Array, "*k"]:
    """Return 1 from ``low`` on and below ``high``."""
    return np.asarray(((s >= low) & (s < high)).astype(np.float64))


def tanh(s: Float[Array, "*k"], limit: float, fall_off: float) -> Float[Array, "*k"]:
    """Return a step at the limit, smooth over ``fall_off`` of it."""
    if limit <= 0.0:
        return np.zeros_like(s)
    steepness = np.pi / (2.0 * fall_off * limit)
    step = np.tanh(steepness * (s + limit)) - np.tanh(steepness * (s - limit))
    return np.asarray(0.5 * step)


def end_of_fall(low: float) -> float:
    """Return where Butterworth's fall ends, if only its beginning is given."""
    return float(low + _FALL * np.log10(1.0 / low)) if low > 0.0 else low


def butterworth(s: Float[Array, "*k"], low: float, high: float) -> Float[Array, "*k"]:
    """Return Butterworth's step between two frequencies."""
    if not 0.0 < low < high:
        return top_hat(s, low)
    order = 2.0 * np.log10(_PASS / np.sqrt(_STOP**2 - 1.0)) / np.log10(low / high)
    middle = low / _PASS ** (2.0 / order)
    return np.asarray(np.sqrt(1.0 / (1.0 + (s / middle) ** order)))
