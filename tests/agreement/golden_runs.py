"""Runs of the whole program from the inputs of RELION's, and both read alike."""

import os
import shlex
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import mrcfile
import numpy as np
import starfile

from halfmap.cli.main import main
from halfmap.model.rotations import angular_distance_deg, euler_matrices

INPUTS = (
    *("p240.star", "p240_truth.star", "p240.mrcs"),
    *("ref.mrc", "ref2.mrc", "refs.star", "mask.mrc"),
)


NO_SYMMETRY = np.empty((0, 3, 3))


@contextmanager
def working_in(folder: Path) -> Iterator[None]:
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


@dataclass(frozen=True)
class Run:
    """One iteration of a run, ours or RELION's."""

    root: Path
    half: str = ""

    @cached_property
    def model(self) -> dict[str, Any]:
        return starfile.read(f"{self.root}{self.half}_model.star", always_dict=True)

    @cached_property
    def particles(self) -> Any:
        return starfile.read(f"{self.root}_data.star", always_dict=True)["particles"]

    @property
    def general(self) -> Any:
        return self.model["model_general"]

    @property
    def classes(self) -> range:
        return range(1, int(self.general["rlnNrClasses"]) + 1)

    @cached_property
    def spectra(self) -> dict[str, np.ndarray]:
        """Columns by class, without the outermost shell of the window and beyond."""
        edge = int(self.general["rlnCurrentImageSize"]) // 2
        tables = [self.model[f"model_class_{k}"] for k in self.classes]
        return {n: np.array([t[n].to_numpy()[:edge] for t in tables]) for n in tables[0].columns}

    @cached_property
    def maps(self) -> list[np.ndarray]:
        names = [f"{self.root}{self.half}_class{k:03d}.mrc" for k in self.classes]
        return [mrcfile.read(name).astype(float) for name in names]

    @cached_property
    def poses(self) -> np.ndarray:
        names = ["rlnAngleRot", "rlnAngleTilt", "rlnAnglePsi"]
        return euler_matrices(self.particles[names].to_numpy())

    @cached_property
    def offsets_A(self) -> np.ndarray:
        return self.particles[["rlnOriginXAngst", "rlnOriginYAngst"]].to_numpy()


def column(run: Run, name: str) -> np.ndarray:
    return run.particles[name].to_numpy()


def same_pose(ours: Run, theirs: Run) -> np.ndarray:
    angle = angular_distance_deg(ours.poses, theirs.poses, NO_SYMMETRY)
    offset = np.abs(ours.offsets_A - theirs.offsets_A).max(axis=1)
    same_class = column(ours, "rlnClassNumber") == column(theirs, "rlnClassNumber")
    return (angle < 0.01) & (offset < 0.01) & same_class  # files have six digits


def relative_rms(found: np.ndarray, expected: np.ndarray) -> float:
    return float(np.linalg.norm(found - expected) / np.linalg.norm(expected))


def refined(shared: Path, folder: Path, case: str) -> Path:
    """Run a golden case with RELION's own command and return the folder of its files."""
    golden = shared / "golden" / "relion"
    for name in INPUTS:
        shutil.copy(golden / name, folder)
    words = shlex.split((golden / case / "command.txt").read_text())
    start = next(i for i, word in enumerate(words) if word.startswith("relion_refine")) + 1
    with working_in(folder):
        code = main(["refine", *words[start:]])
    assert code == 0
    return folder / case


def one_more(shared: Path, folder: Path, case: str, iteration: int) -> Path:
    """Go on from an iteration of RELION's by one and return the folder of its files and ours."""
    golden = shared / "golden" / "relion"
    for name in INPUTS:
        shutil.copy(golden / name, folder)
    shutil.copytree(golden / case, folder / case)
    last = "--auto_iter_max" if case == "halves" else "--iter"
    optimiser = f"{case}/run_it{iteration:03d}_optimiser.star"
    with working_in(folder):
        code = main(["refine", "--continue", optimiser, last, str(iteration + 1)])
    assert code == 0
    return folder / case
