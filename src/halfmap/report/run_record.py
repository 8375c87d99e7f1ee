"""What the files of a run say, as a page needs it. Labels are RELION's, as in the files."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray as Array

from halfmap.report.run_files import RunFiles, StateFiles

HALVES = ("half 1", "half 2")


@dataclass(frozen=True, slots=True)
class ParticleTable:
    """The columns of a data STAR file that a page shows; None where a column is absent."""

    rot_deg: Float[Array, " particle"] | None
    tilt_deg: Float[Array, " particle"] | None
    offset_x_A: Float[Array, " particle"] | None
    offset_y_A: Float[Array, " particle"] | None
    norm: Float[Array, " particle"] | None
    max_probability: Float[Array, " particle"] | None
    n_significant: Float[Array, " particle"] | None
    half: Float[Array, " particle"] | None
    """1 or 2."""
    n: int


@dataclass(frozen=True, slots=True)
class ModelRecord:
    """What a model STAR file says; shells are those of the first class."""

    general: Mapping[str, str]
    shells: Mapping[str, Array]
    """Columns of ``model_class_1``, by their label without ``rln``."""
    classes: Mapping[str, Array]
    """Columns of ``model_classes`` that are numbers, by their label without ``rln``."""
    noise: Mapping[int, tuple[Array, Array]]
    """By optics group, from 1: frequency in 1/Å, and sigma2."""
    group_names: tuple[str, ...]
    group_scales: Array

    @property
    def resolution_A(self) -> float:
        """Current resolution; NaN when unknown."""
        return known(self.general.get("rlnCurrentResolution"))

    @property
    def nyquist_per_A(self) -> float:
        """Highest frequency of the map; NaN when unknown."""
        return 0.5 / known(self.general.get("rlnPixelSize"))


@dataclass(frozen=True, slots=True)
class StateRecord:
    """One iteration, or the end, of a run."""

    files: StateFiles
    number: int
    """Of the iteration; the end counts as one more than the last."""
    optimiser: Mapping[str, str]
    sampling: Mapping[str, str]
    models: Mapping[str, ModelRecord]

    @property
    def name(self) -> str:
        """What the page calls it."""
        return "final" if self.files.iteration is None else f"iteration {self.number}"

    @property
    def model(self) -> ModelRecord | None:
        """The joined model, or that of half 1; what both share is the same in either."""
        return self.models.get("joined") or self.models.get("half 1")

    def value(self, label: str) -> float:
        """Return a number of the optimiser, sampling or model file; NaN when unknown."""
        tables = (self.optimiser, self.sampling, self.model.general if self.model else {})
        return known(next((table[label] for table in tables if label in table), None))


@dataclass(frozen=True, slots=True)
class Timing:
    """Where the time went; one row for each iteration, rank and phase."""

    iteration: Int[Array, " row"]
    rank: Int[Array, " row"]
    phase: tuple[str, ...]
    seconds: Float[Array, " row"]


@dataclass(frozen=True, slots=True)
class RunRecord:
    """Everything a page is made of, but for maps and particles, which are read when drawn."""

    files: RunFiles
    states: tuple[StateRecord, ...]
    program: str
    """Program and version that wrote the last state."""
    command: str
    timing: Timing | None
    quarantine: tuple[tuple[str, ...], ...]
    """Head and rows of the table of bad images; empty when there is none."""
    prior: tuple[str, ...] = ()
    """What became of each map that a plug-in for the prior was given: "used", or why not."""
    missing: list[str] = field(default_factory=list)
    """What could not be read, one sentence each."""

    @property
    def last(self) -> StateRecord:
        """The end, or the last iteration there is."""
        return self.states[-1]

    @property
    def iterated(self) -> tuple[StateRecord, ...]:
        """The states after an expectation step: all but iteration 0."""
        return tuple(state for state in self.states if state.number > 0)

    @property
    def converged(self) -> bool:
        """The run came to its own end."""
        return bool(self.last.value("rlnHasConverged") == 1)

    @property
    def has_classes(self) -> bool:
        """There is more than one class."""
        return bool(self.last.value("rlnNrClasses") > 1)

    @property
    def split(self) -> bool:
        """There are two half-sets."""
        return any(half in s.models or half in s.files.maps for s in self.states for half in HALVES)


def known(value: str | None) -> float:
    """Return a number, or NaN for RELION's marks of the unknown (999, inf) and for no number.

    >>> known("3.5"), known("999.000000"), known("None"), known(None)
    (3.5, nan, nan, nan)
    """
    found = number(value)
    unknown = found in (999.0, 9_999_999.0) or not np.isfinite(found)
    return float("nan") if unknown else found


def number(value: str | None) -> float:
    """Return what a text says as a number; NaN for no number.

    >>> number("999"), number("None")
    (999.0, nan)
    """
    try:
        return float(value or "nan")
    except ValueError:
        return float("nan")
