"""Measure whether a classification that starts from one map separates a known mixture.

Simulates particles of two conformations in one frame, 1:2, joins them into one table, classifies
them from the mean of the two maps at low resolution, and counts whose class is whose:

    python benchmarks/classification.py --pdb grp0.pdb.gz grp3.pdb.gz --o work

Without ``--pdb``: the built-in phantom, and the phantom without three tenths of its atoms, those
around the outermost. What was found: benchmarks/README.md.
"""

import argparse
import contextlib
import json
import subprocess
import sys
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
from jaxtyping import Float32, Int
from numpy import ndarray as Array

from halfmap.io.coordinates import read_atoms
from halfmap.io.mrc import read_map, write_map
from halfmap.io.star import read_star, write_star
from halfmap.model.fsc import map_fsc
from halfmap.model.phantom import phantom_atoms
from halfmap.model.scattering import AMORPHOUS_ICE_A_2, Atoms
from halfmap.steps.density_from_atoms import density_from_atoms

MISSING = 0.3
"""Of the phantom's atoms."""


@dataclass(frozen=True, slots=True)
class Problem:
    """What is simulated, and how finely it is searched."""

    n: int
    snr: float
    iterations: int
    box: int
    pixel_A: float
    phantom_A: float
    """Diameter."""
    mask_A: float
    start_A: float
    """Resolution of the starting map."""
    healpix_order: int

    @property
    def classify(self) -> tuple[object, ...]:
        """Options of the classification."""
        return (
            *("--K", 2, "--i", "mixture.star", "--ref", "mean.mrc", "--ini_high", self.start_A),
            *("--ctf", "--zero_mask", "--norm", "--scale", "--flatten_solvent"),
            *("--tau2_fudge", 4, "--healpix_order", self.healpix_order, "--offset_range", 2),
            *("--offset_step", 2 if self.pixel_A < 5.0 else 1, "--particle_diameter", self.mask_A),
            *("--random_seed", 1, "--iter", self.iterations),
        )


FULL = Problem(3_000, 0.05, 15, 90, 3.6, 210.0, 270, 25.0, 2)
QUICK = Problem(300, 2.0, 10, 32, 8.0, 150.0, 180, 30.0, 1)
"""A minute instead of an hour; for the tests."""


@dataclass(frozen=True, slots=True)
class Separation:
    """What is measured."""

    n_particles: tuple[int, ...]
    """Of each conformation."""
    in_class: tuple[tuple[int, ...], ...]
    """Particles of each conformation, in each class."""
    purity: float
    """Share of the particles that are in the class which most of their kind are in."""
    purity_by_iteration: tuple[float, ...]
    fsc_to_own_truth: tuple[float, float]
    """Shell where the FSC of each class's map to its conformation falls below 0.5."""
    fsc_to_other: tuple[float, float]
    difference: float
    """Power of the difference of the two conformations over their mean power."""
    seconds: float


def main() -> None:
    """Simulate, classify, count, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pdb", type=Path, nargs=2, help="atoms [the built-in phantom]")
    parser.add_argument("--o", type=Path, required=True, help="folder to work in, made")
    parser.add_argument("--quick", action="store_true", help="few particles of little noise")
    parser.add_argument("--n", type=int, help="particles [3000]")
    parser.add_argument("--snr", type=float, help="[0.05]")
    parser.add_argument("--iterations", type=int, help="[15]")
    parser.add_argument("--ranks", type=int, default=0, help="0: one process [%(default)s]")
    parser.add_argument("--json", type=Path, help="write the numbers here too")
    asked = parser.parse_args()
    problem = QUICK if asked.quick else FULL
    changes = {name: getattr(asked, name) for name in ("n", "snr", "iterations")}
    problem = replace(problem, **{name: x for name, x in changes.items() if x is not None})
    atoms = conformations(asked.pdb, problem)
    numbers = None if asked.json is None else asked.json.resolve()
    asked.o.mkdir(parents=True, exist_ok=True)
    with contextlib.chdir(asked.o):
        volumes = maps_of(atoms, problem)
        mixture(problem)
        start = time.monotonic()
        run("refine", *problem.classify, "--o", "out/run", "--overwrite", ranks=asked.ranks)
        found = measured(volumes, problem.iterations, time.monotonic() - start)
    for name, value in asdict(found).items():
        print(f"{name:20s} {value}")
    if numbers is not None:
        numbers.write_text(json.dumps(asdict(found), indent=1))


def conformations(files: list[Path] | None, problem: Problem) -> tuple[Atoms, Atoms]:
    """Return the atoms of both conformations in one frame, the first centred."""
    if files is None:
        whole = phantom_atoms(problem.phantom_A, 0)
        outermost = np.argmax(np.linalg.norm(whole.positions_A, axis=1))
        distance = np.linalg.norm(whole.positions_A - whole.positions_A[outermost], axis=1)
        return whole, _moved(whole, np.zeros(3), distance > np.quantile(distance, MISSING))
    first, second = (read_atoms(file, keep_water=False) for file in files)
    centre = first.positions_A.mean(axis=0)
    every = slice(None)
    return _moved(first, centre, every), _moved(second, centre, every)


def _moved(atoms: Atoms, centre: Array, kept: Array | slice) -> Atoms:
    return Atoms(
        atoms.positions_A[kept] - centre,
        atoms.kind[kept],
        atoms.occupancy[kept],
        atoms.b_factor_A2[kept],
        atoms.scatterers,
    )


def maps_of(atoms: tuple[Atoms, Atoms], problem: Problem) -> list[Float32[Array, "z y x"]]:
    """Write the maps of the conformations, and return them."""
    volumes = [
        density_from_atoms(a, problem.box, problem.pixel_A, AMORPHOUS_ICE_A_2) for a in atoms
    ]
    for k, volume in enumerate(volumes):
        write_map(Path(f"truth{k}.mrc"), volume.astype(np.float32), problem.pixel_A)
    return volumes


def mixture(problem: Problem) -> None:
    """Simulate both conformations, join their tables, and mean their starting maps.

    Both have the same noise and the same grey scale: the first has the signal-to-noise ratio.
    """
    tables, optics, starts, grey = [], {}, [], 0.0
    third = problem.n // 3
    for k, own in enumerate((replace(problem, n=third), replace(problem, n=problem.n - third))):
        found = simulated(k, own)
        if k == 1:
            found = simulated(k, replace(own, snr=own.snr * (grey / found) ** 2))
        grey = found
        star = read_star(Path(f"kind{k}/particles.star"))
        table, optics = star.table("particles"), star.table("optics")
        table["rlnMicrographName"] = np.char.add(
            f"kind{k}/", np.array([str(name) for name in table["rlnMicrographName"]])
        )
        table["rlnImageName"] = np.array(
            [f"{name.split('@')[0]}@kind{k}/particles.mrcs" for name in table["rlnImageName"]]
        )
        tables.append(table)
        starts.append(read_map(Path(f"kind{k}/start.mrc"))[0])
    joined = {label: np.concatenate([t[label] for t in tables]) for label in tables[0]}
    write_star(Path("mixture.star"), {"optics": optics, "particles": joined})
    write_map(Path("mean.mrc"), np.mean(starts, axis=0).astype(np.float32), problem.pixel_A)


def simulated(kind: int, problem: Problem) -> float:
    """Make the particles of a conformation; return the grey scale over that of its map."""
    run(
        *("simulate", "--map", f"truth{kind}.mrc", "--n", problem.n, "--snr", problem.snr),
        *("--noise", "white", "--particle_diameter", problem.mask_A, "--seed", 10 + kind),
        *("--start_lowpass", problem.start_A, "--o", f"kind{kind}", "--overwrite"),
    )
    made, asked = (read_map(Path(p))[0] for p in (f"kind{kind}/truth.mrc", f"truth{kind}.mrc"))
    return float(made.std() / asked.std())


def run(*words: object, ranks: int = 0) -> None:
    """Run halfmap."""
    launcher = ["mpirun", "-n", str(ranks)] if ranks else []
    program = [sys.executable, "-m", "halfmap.cli.main"]
    subprocess.run([*launcher, *program, *map(str, words)], check=True)


def measured(truth: list[Float32[Array, "z y x"]], n_iterations: int, seconds: float) -> Separation:
    """Compare classes and maps with what was simulated."""
    counts = [counted(i) for i in range(1, n_iterations + 1)]
    last = counts[-1]
    own = last.argmax(axis=0)  # class of each conformation
    maps = [read_map(Path(f"out/run_it{n_iterations:03d}_class{k + 1:03d}.mrc"))[0] for k in own]
    shells = [[_half_shell(volume, other) for other in truth] for volume in maps]
    power = np.mean([np.var(volume) for volume in truth])
    return Separation(
        n_particles=tuple(int(n) for n in last.sum(axis=0)),
        in_class=tuple(tuple(int(n) for n in row) for row in last),
        purity=purity(last),
        purity_by_iteration=tuple(round(purity(c), 3) for c in counts),
        fsc_to_own_truth=(shells[0][0], shells[1][1]),
        fsc_to_other=(shells[0][1], shells[1][0]),
        difference=float(np.var(truth[0] - truth[1]) / power),
        seconds=round(seconds, 1),
    )


def counted(iteration: int) -> Int[Array, "class kind"]:
    """Count the particles of each conformation in each class."""
    table = read_star(Path(f"out/run_it{iteration:03d}_data.star")).table("particles")
    kind = np.array(["kind1/" in str(name) for name in table["rlnImageName"]], int)
    counts = np.zeros((2, 2), np.int64)
    np.add.at(counts, (np.array(table["rlnClassNumber"], int) - 1, kind), 1)
    return counts


def purity(counts: Int[Array, "class kind"]) -> float:
    """Return the share of particles that are of the kind which is most of their class."""
    return float(counts.max(axis=1).sum() / counts.sum())


def _half_shell(a: Float32[Array, "z y x"], b: Float32[Array, "z y x"]) -> int:
    fsc = map_fsc(a, b)
    below = np.flatnonzero(fsc < 0.5)
    return int(below[0]) if len(below) else len(fsc) - 1


if __name__ == "__main__":
    main()
