"""How every figure of a page looks: colours, sizes, axes; and how it becomes a data URI.

Colours mean the same everywhere: half 1 is blue, half 2 is orange, what joins both is dark ink;
earlier iterations are the same ink, paler. matplotlib is loaded when the first figure is drawn.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator, Sequence
from colorsys import hsv_to_rgb
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float
from numpy import ndarray as Array

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK = "#1f2933"
COLOURS = {"joined": INK, "half 1": "#2468a8", "half 2": "#c2570c"}
GUIDE = "#7b8794"
GRID = "#e4e7eb"
SERIES = ("#2f6f73", "#8a5a9e", "#b0892f", "#5c6b7a", "#a24b5c", "#6a8f3c", "#4a6fb0")
"""For what is neither a half nor joined: phases, ranks, optics groups."""

_BRIGHTNESS = (0.75, 0.5, 0.85)

WIDTH_IN = 5.4

_ROUND = ((1, 2, 5), (3, 4), (1.5, 2.5), (6, 7, 8, 9), (1.2, 3.5, 4.5))
"""Leading digits of resolutions worth a label, in falling order of worth."""


class Absent(Exception):
    """A figure cannot be drawn; the message says what is missing and why."""


@contextmanager
def house_style() -> Iterator[None]:
    """Apply the look to everything that is drawn and saved inside."""
    import matplotlib

    settings: Any = {
        "font.family": "DejaVu Sans",
        "font.size": 9.5,
        "axes.titlesize": 10,
        "axes.titlelocation": "left",
        "axes.edgecolor": GUIDE,
        "axes.labelcolor": INK,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.grid": True,
        "axes.axisbelow": True,
        "grid.color": GRID,
        "grid.linewidth": 0.8,
        "xtick.color": GUIDE,
        "ytick.color": GUIDE,
        "xtick.labelcolor": INK,
        "ytick.labelcolor": INK,
        "legend.frameon": False,
        "legend.fontsize": 8.5,
        "lines.linewidth": 1.7,
        "lines.markersize": 4.5,
        "text.color": INK,
        "figure.facecolor": "white",
        "svg.fonttype": "path",
        # The same run gives the same page, byte for byte.
        "svg.hashsalt": "halfmap",
    }
    with matplotlib.rc_context(settings):
        yield


def new_figure(height_in: float = 3.4) -> Figure:
    """Return an empty figure as wide as a card of the page."""
    from matplotlib.figure import Figure

    return Figure(figsize=(WIDTH_IN, height_in), layout="constrained")


def svg_uri(figure: Figure) -> str:
    """Return a figure as a data URI that an ``img`` shows."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="svg", metadata=_NO_DATE)
    return _data_uri("image/svg+xml", buffer.getvalue())


# matplotlib leaves out what is None; a date would make every page differ.
_NO_DATE: Any = {"Date": None, "Creator": None}


def grey_uri(picture: Float[Array, "y x"], low: float, high: float) -> str:
    """Return a picture as the data URI of a grey PNG; ``low`` is black, ``high`` white.

    The first row is drawn at the bottom, so that y points up as in a plot.
    """
    from PIL import Image  # comes with matplotlib, whose own PNGs are in colour: thrice the size

    span = high - low if high > low else 1.0
    grey = np.clip((picture[::-1] - low) / span, 0.0, 1.0) * 255.0
    buffer = io.BytesIO()
    Image.fromarray(np.round(grey).astype(np.uint8)).save(buffer, format="png", optimize=True)
    return _data_uri("image/png", buffer.getvalue())


def age_colours(n: int) -> list[str]:
    """Return ``n`` greys, old and pale to new and dark; the last is ink."""
    from matplotlib.colors import LinearSegmentedColormap, to_hex

    ramp = LinearSegmentedColormap.from_list("age", ["#cbd2d9", INK])
    return [to_hex(ramp(i / max(n - 1, 1))) if n > 1 else INK for i in range(n)]


def series_colours(n: int) -> list[str]:
    """Return ``n`` colours that differ: those of `SERIES`, or around the wheel if they are more."""
    from matplotlib.colors import to_hex

    if n <= len(SERIES):
        return list(SERIES[:n])
    # Neighbours on the wheel differ in brightness too.
    return [to_hex(hsv_to_rgb(k / n, 0.7, _BRIGHTNESS[k % len(_BRIGHTNESS)])) for k in range(n)]


def resolution_axis(axes: Axes, nyquist_per_A: float) -> None:
    """Let x run in 1/Å from 0 to Nyquist, labelled with the resolution in Å."""
    axes.set_xticks(*_resolution_ticks(nyquist_per_A))
    axes.set_xlim(0.0, nyquist_per_A)
    axes.set_xlabel("resolution (Å)")


def resolution_upwards(axes: Axes, nyquist_per_A: float) -> None:
    """Let y run in 1/Å from 0 to Nyquist, labelled with the resolution in Å: up is better."""
    axes.set_yticks(*_resolution_ticks(nyquist_per_A))
    axes.set_ylim(0.0, nyquist_per_A)
    axes.set_ylabel("resolution (Å)")


def _resolution_ticks(nyquist_per_A: float) -> tuple[list[float], list[str]]:
    """Return frequencies to label and their labels in Å, the roundest numbers first served."""
    ticks: list[float] = []
    for digits in _ROUND:
        for spacing_A in (digit * 10.0**power for power in (2, 1, 0, -1) for digit in digits):
            frequency = 1.0 / spacing_A
            inside = 0.05 * nyquist_per_A < frequency <= 1.0001 * nyquist_per_A
            if inside and all(abs(frequency - t) > 0.065 * nyquist_per_A for t in ticks):
                ticks.append(frequency)
    return sorted(ticks), [f"{1.0 / tick:.3g}" for tick in sorted(ticks)]


def need_iterations(states: Sequence[object]) -> None:
    """Refuse to draw a development of which less than two points are known."""
    if len(states) < 2:
        raise Absent(
            "nothing to compare: fewer than two iterations left files; "
            "what is known stands in the table of iterations"
        )


def iteration_axis(axes: Axes, numbers: list[int]) -> None:
    """Let x count iterations, in whole numbers."""
    from matplotlib.ticker import MaxNLocator

    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axes.set_xlim(min(numbers) - 0.5, max(numbers) + 0.5)
    axes.set_xlabel("iteration")


def _data_uri(mime: str, data: bytes) -> str:
    return f"data:{mime};base64,{base64.b64encode(data).decode('ascii')}"
