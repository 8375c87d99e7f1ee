"""Every column that we read or write, with its unit and its meaning: one table for all.

`halfmap refine --print_metadata_labels` prints it, error messages quote it, and
`halfmap check` takes from it which columns of a table a run understands.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum

from halfmap.io import labels_particles, labels_run


class Use(Enum):
    """What becomes of a column."""

    READ = "read"
    KEPT = "kept"
    """Written back as it was read."""
    WRITTEN = "written"
    """Made anew; what the input says is not used."""


@dataclass(frozen=True, slots=True)
class Label:
    """One column, or one value of a list block."""

    name: str
    """Without the underscore that begins it in a STAR file."""
    unit: str
    """Empty for pure numbers and names."""
    use: Use
    meaning: str

    def __str__(self) -> str:
        return f"{self.meaning}, {self.unit}" if self.unit else self.meaning


def _parsed(text: str) -> Iterator[tuple[str, Label]]:
    for line in text.strip().splitlines():
        name, unit, use, meaning = (part.strip() for part in line.split("|"))
        yield name, Label(name, "" if unit == "-" else unit, Use(use), meaning)


SECTIONS: Mapping[str, Mapping[str, Label]] = {
    "Particles": dict(_parsed(labels_particles.IMAGES)),
    "Poses": dict(_parsed(labels_particles.POSES)),
    "CTF and optics": dict(_parsed(labels_particles.OPTICS)),
    "Model": dict(_parsed(labels_run.MODEL)),
    "Sampling": dict(_parsed(labels_run.SAMPLING)),
    "State of a run": dict(_parsed(labels_run.OPTIMISER)),
    "Of halfmap alone": dict(_parsed(labels_particles.OWN)),
}

LABELS: Mapping[str, Label] = {
    name: label for section in SECTIONS.values() for name, label in section.items()
}
