"""The tables of a particle file while they are checked and repaired: text, column by column."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray as Array

from halfmap.io.star import TEXT, StarFile, Table


@dataclass(frozen=True, slots=True)
class ParticleSet:
    """Particles and their optics, as they stand."""

    path: Path
    particles: Table
    optics: Table
    rows: Int[Array, " particle"]
    """Row of each particle in the file, from zero."""
    others: dict[str, Table]
    lists: dict[str, dict[str, str]]

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def star(self) -> StarFile:
        """The set as a STAR file."""
        tables = {"optics": self.optics, "particles": self.particles, **self.others}
        return StarFile(self.path, {k: v for k, v in tables.items() if v}, self.lists)

    def floats(self, label: str) -> Float[Array, " particle"]:
        """Return a column of particles as numbers; NaN where it has none."""
        return as_floats(self.particles[label])

    def with_particles(self, columns: Mapping[str, Array]) -> "ParticleSet":
        """Return the set with some columns of the particles replaced or added."""
        return replace(self, particles=self.particles | {k: text(v) for k, v in columns.items()})

    def with_optics(self, columns: Mapping[str, Array]) -> "ParticleSet":
        """Return the set with some columns of the optics replaced or added."""
        return replace(self, optics=self.optics | {k: text(v) for k, v in columns.items()})

    def only(self, keep: Array) -> "ParticleSet":
        """Return the set with some of its particles."""
        particles = {label: column[keep] for label, column in self.particles.items()}
        return replace(self, particles=particles, rows=self.rows[keep])

    def file_rows(self, wrong: Array) -> tuple[int, ...]:
        """Return the rows of the file for a mask, or for some rows, of the set."""
        return tuple(sorted(self.rows[wrong].tolist()))


def as_floats(column: Array) -> Float[Array, " row"]:
    """Return text as numbers, NaN for what is none."""
    try:
        return np.asarray(column.astype(np.float64))
    except ValueError:
        return np.array([_float(word) for word in column.tolist()])


def text(values: Array) -> Array:
    """Return values as the words of a STAR file; floating point to nine digits."""
    if values.dtype.kind == "f":
        return np.array([f"{value:.9g}" for value in values.tolist()], dtype=TEXT)
    return np.array([str(value) for value in values.tolist()], dtype=TEXT)


def _float(word: object) -> float:
    try:
        return float(str(word))
    except ValueError:
        return np.nan
