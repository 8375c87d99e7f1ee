"""A table of four particles, read with some columns changed."""

from pathlib import Path

import pytest

from halfmap.errors import DataError
from halfmap.io.particle_table import read_particles
from halfmap.io.star import write_star

OPTICS = {
    "rlnOpticsGroup": [1],
    "rlnOpticsGroupName": ["og1"],
    "rlnVoltage": [300.0],
    "rlnSphericalAberration": [2.7],
    "rlnAmplitudeContrast": [0.1],
    "rlnImagePixelSize": [1.5],
    "rlnImageSize": [8],
    "rlnImageDimensionality": [2],
}


PARTICLES = {
    "rlnImageName": ["1@s.mrcs", "2@s.mrcs", "3@s.mrcs", "1@t.mrcs"],
    "rlnMicrographName": ["b.mrc", "a.mrc", "b.mrc", "a.mrc"],
    "rlnDefocusU": [10000.0, 11000.0, 12000.0, 13000.0],
    "rlnOpticsGroup": [1, 1, 1, 1],
}


def read_table(tmp_path: Path, optics=None, particles=None, *, ctf=True, half_seed=None):
    """Read the table above with some columns changed; None removes a column."""
    blocks = {}
    for name, base, changed in (("optics", OPTICS, optics), ("particles", PARTICLES, particles)):
        columns = base | (changed or {})
        blocks[name] = {label: column for label, column in columns.items() if column is not None}
    write_star(tmp_path / "p.star", blocks)
    return read_particles(tmp_path / "p.star", ctf=ctf, half_seed=half_seed)


def problems_of(tmp_path: Path, optics=None, particles=None, **how) -> list[str]:
    with pytest.raises(DataError) as error:
        read_table(tmp_path, optics, particles, **how)
    return str(error.value).split("\n")[1:]
