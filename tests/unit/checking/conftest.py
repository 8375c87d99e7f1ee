from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from halfmap.cli.main import main
from halfmap.io.mrc import write_stack
from halfmap.io.star import Table, read_star, write_star

BOX, PIXEL_A, N = 16, 2.0, 6

OPTICS = {
    "rlnOpticsGroup": [1],
    "rlnOpticsGroupName": ["og1"],
    "rlnVoltage": [300.0],
    "rlnSphericalAberration": [2.7],
    "rlnAmplitudeContrast": [0.1],
    "rlnImagePixelSize": [PIXEL_A],
    "rlnImageSize": [BOX],
    "rlnImageDimensionality": [2],
}
PARTICLES = {
    "rlnImageName": [f"{k + 1:06d}@s.mrcs" for k in range(N)],
    "rlnMicrographName": ["b.mrc", "a.mrc", "b.mrc", "a.mrc", "a.mrc", "a.mrc"],
    "rlnDefocusU": [10000.0 + k for k in range(N)],
    "rlnDefocusV": [9000.0 + k for k in range(N)],
    "rlnOpticsGroup": [1] * N,
}

Columns = Mapping[str, object] | None


class Checked:
    """What a command left."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.err = code, err
        self.out = " ".join(out.split())
        """On one line."""


class Project:
    """A table of six particles with its stack, in the working folder."""

    table = Path("p.star")

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys
        rng = np.random.default_rng(4)
        self.images = rng.normal(size=(N, BOX, BOX)).astype(np.float32)
        write_stack(Path("s.mrcs"), self.images, PIXEL_A)
        self.write()

    def write(self, particles: Columns = None, optics: Columns = None) -> None:
        """Write the table with some columns changed; None removes a column."""
        blocks = {}
        for name, base, new in (("optics", OPTICS, optics), ("particles", PARTICLES, particles)):
            columns = base | dict(new or {})
            blocks[name] = {k: v for k, v in columns.items() if v is not None}
        write_star(self.table, {k: v for k, v in blocks.items() if v})

    def check(self, *more: object) -> Checked:
        """Run the command on the table."""
        self._capsys.readouterr()
        code = main(["check", str(self.table), *map(str, more)])
        return Checked(code, *self._capsys.readouterr())

    def fix(self, *more: object) -> tuple[Checked, Table, Table]:
        """Repair; return what was said, and the repaired particles and optics."""
        before = self.table.read_bytes()
        said = self.check("--fix", "--o", "fixed.star", *more)
        assert self.table.read_bytes() == before, "the table itself was touched"
        star = read_star(Path("fixed.star"))
        self.table = Path("fixed.star")
        again = self.check(*[word for word in more if word == "--no_ctf"])
        self.table = Path("p.star")
        assert again.code == 0, again.out
        assert "problem" not in again.out
        return said, star.tables["particles"], star.tables["optics"]


def numbers(column: np.ndarray) -> list[float]:
    return [float(value) for value in column]


@pytest.fixture
def project(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Project:
    monkeypatch.chdir(tmp_path)
    return Project(capsys)
