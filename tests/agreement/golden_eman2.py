"""Reconstructions by EMAN2, and how ours compare with them."""

import shlex
from pathlib import Path

import numpy as np

from halfmap.cli.main import main
from halfmap.io.eman.volumes import read_volume

RADIUS_OF_PARTICLE_PX = 28


def options_of(golden: Path, name: str) -> list[str]:
    """Return the options that EMAN2 was given, with the paths of the files."""
    lines = (golden / "commands.txt").read_text().splitlines()
    command = next(line for line in lines if line.split()[0] == name)
    words = shlex.split(command.split("::")[1])[1:]
    return [str(golden / word) if (golden / word).is_file() else word for word in words]


def reconstruct(output: Path, words: list[str]) -> np.ndarray:
    """Run the command in this process, and return the map."""
    assert main(["reconstruct", *words, "--output", str(output), "--threads", "2"]) == 0
    return read_volume(output)[0]


def difference(ours: np.ndarray, theirs: np.ndarray) -> float:
    """Return the relative root mean square difference inside the particle."""
    offsets = [np.arange(n) - n // 2 for n in theirs.shape]
    z, y, x = np.meshgrid(*offsets, indexing="ij", sparse=True)
    inside = z**2 + y**2 + x**2 <= RADIUS_OF_PARTICLE_PX**2
    error = (ours - theirs)[inside].astype(np.float64)
    return float(np.sqrt(np.sum(error**2) / np.sum(theirs[inside].astype(np.float64) ** 2)))
