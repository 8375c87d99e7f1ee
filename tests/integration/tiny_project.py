"""A data set so small that a refinement takes half a second, and ways to spoil it.

All paths count from the working folder, which the fixture ``tiny_project`` sets.
"""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import mrcfile
import numpy as np

from halfmap.io.star import read_star, write_star

STAR = Path("particles/particles.star")
STACK = Path("particles/particles.mrcs")
MAP = Path("particles/start.mrc")
BOX, PIXEL_A, N = 24, 6.0, 24

SIMULATE = (
    *("simulate", "--phantom", "--n", str(N), "--box", str(BOX), "--angpix", "6", "--snr", "0.5"),
    *("--n_optics", "2", "--n_micrographs", "3", "--seed", "1", "--o", "particles"),
)
HALVES = ("--auto_refine", "--split_random_halves", "--auto_iter_max", "1")
REFINE = {
    "--i": str(STAR),
    "--ref": str(MAP),
    "--o": "out/run",
    "--ini_high": "40",
    "--healpix_order": "0",
    "--offset_range": "2",
    "--offset_step": "2",
    "--random_seed": "5",
    "--particle_diameter": "120",
}


class Said(NamedTuple):
    """What a command left on the screen."""

    code: int
    out: str
    err: str


Run = Callable[[list[str]], Said]
Refined = Callable[..., Path]


def refine(*more: str, halves: bool = False) -> list[str]:
    """Return the words of a command; an option in ``more`` replaces the usual value."""
    usual = REFINE if halves else REFINE | {"--iter": "1"}
    words = [word for pair in usual.items() if pair[0] not in more for word in pair]
    return ["refine", *words, "--ctf", "--zero_mask", *(HALVES if halves else ()), *more]


def pixels(path: Path) -> np.ndarray:
    with mrcfile.open(path) as file:
        return np.array(file.data)


def write(path: Path, values: np.ndarray, pixel_size_A: float = PIXEL_A) -> None:
    with mrcfile.new(path, overwrite=True) as file:
        file.set_data(values)
        file.voxel_size = pixel_size_A


def set_pixels(path: Path, section: int | slice, value: float) -> None:
    with mrcfile.open(path, mode="r+") as file:
        file.data[section] = value


def edit_star(change: Callable[[dict[str, dict[str, np.ndarray]]], None]) -> None:
    """Change the tables of the particle file in place."""
    tables = {name: dict(table) for name, table in read_star(STAR).tables.items()}
    change(tables)
    write_star(STAR, tables)


def results(folder: Path) -> dict[str, bytes]:
    """Return the files of a run, less the seconds it took and comments (the command line)."""
    found = {}
    for file in sorted(folder.iterdir()):
        if file.suffix != ".csv":
            lines = file.read_bytes().splitlines(keepends=True)
            is_star = file.suffix == ".star"
            found[file.name] = b"".join(r for r in lines if not (is_star and r.startswith(b"#")))
    return found


def assert_one_message(said: Said, code: int, *phrases: str) -> None:
    """Assert that a command was refused with one message, before it did anything."""
    assert said.code == code, said.err
    for phrase in phrases:
        assert phrase in said.err
    assert said.err.startswith("halfmap: ")
    assert said.err.count("halfmap:") == 1
    assert "Traceback" not in said.err
    assert said.out == ""
    assert not Path("out").is_dir()


def assert_ran(said: Said) -> None:
    assert said.code == 0, said.err
    assert said.err == ""
