"""The readers of files that halfmap did not write itself, each with a good file to begin from."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from resource import RLIMIT_AS, getrlimit, setrlimit
from typing import Any

import numpy as np

from halfmap.config.command_line import parse
from halfmap.engine.helping.prior_worker import read_arrays, read_header
from halfmap.io.aberration_columns import read_detector
from halfmap.io.coordinates import read_atoms
from halfmap.io.cryosparc.files import write_cs
from halfmap.io.eman.hdf_attributes import Transform
from halfmap.io.eman.hdf_writing import EmanImage, write_hdf
from halfmap.io.eman.projections import open_projections
from halfmap.io.eman.structure_factor import read_structure_factor
from halfmap.io.eman.tilt_angles import read_tilt_angles
from halfmap.io.exact_state import maps_digest, read_exact_state, write_exact_state
from halfmap.io.frames import write_frame
from halfmap.io.local_symmetry_star import read_local_symmetry
from halfmap.io.mrc import read_map, write_map
from halfmap.io.optimisation_set import read_optimisation_set
from halfmap.io.particle_table import read_particles
from halfmap.io.parts import PartKey, read_part, read_results, write_part, write_results
from halfmap.io.run_folder import read_run
from halfmap.io.stacks import ImageSource
from halfmap.io.star import write_star
from halfmap.io.tau_star import read_tau2
from halfmap.model.sums import ExpectationSums

ROOM_BYTES = 2 * 2**30
"""What a reader may take: the good files are of kilobytes, a size that is believed is not."""


@dataclass(frozen=True)
class Reader:
    """A file and what reads it."""

    path: Path
    read: Callable[[Path], Any]


@contextmanager
def little_memory() -> Iterator[None]:
    """Let the process grow by no more than `ROOM_BYTES`."""
    before = getrlimit(RLIMIT_AS)
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    setrlimit(RLIMIT_AS, (pages * 4096 + ROOM_BYTES, before[1]))
    try:
        yield
    finally:
        setrlimit(RLIMIT_AS, before)


def star(folder: Path) -> Reader:
    """Return a particle table as people have it."""
    path = folder / "particles.star"
    optics = {
        "rlnOpticsGroup": [1],
        "rlnOpticsGroupName": ["lens"],
        "rlnVoltage": [300.0],
        "rlnSphericalAberration": [2.7],
        "rlnAmplitudeContrast": [0.1],
        "rlnImagePixelSize": [2.0],
        "rlnImageSize": [8],
        "rlnImageDimensionality": [2],
    }
    n = 6
    particles = {
        "rlnImageName": [f"{i + 1:06d}@stack.mrcs" for i in range(n)],
        "rlnMicrographName": ["a.mrc"] * n,
        "rlnOpticsGroup": [1] * n,
        **{f"rln{name}": np.linspace(0.1, 9.0, n) for name in ("AngleRot", "DefocusAngle")},
        **{f"rlnDefocus{axis}": np.linspace(1e4, 2e4, n) for axis in "UV"},
    }
    write_star(path, {"optics": optics, "particles": particles})
    write_map(folder / "stack.mrcs", np.ones((8, 8, 8), np.float32), 2.0)
    return Reader(path, lambda file: read_particles(file, ctf=True, half_seed=1))


def cryosparc(folder: Path) -> Reader:
    """Return a table of cryoSPARC's."""
    n = 5
    fields = {
        "uid": np.arange(n, dtype=np.uint64),
        "blob/path": np.array([b"stack.mrcs"] * n),
        "blob/idx": np.arange(n, dtype=np.uint32),
        "blob/shape": np.full((n, 2), 8, np.uint32),
        "blob/psize_A": np.full(n, 2.0, np.float32),
        **{f"ctf/{name}": np.full(n, 1e4, np.float32) for name in ("df1_A", "df2_A", "cs_mm")},
        **{f"ctf/{name}": np.full(n, 1.0, np.float32) for name in ("df_angle_rad", "amp_contrast")},
        "ctf/accel_kv": np.full(n, 300.0, np.float32),
    }
    write_cs(folder / "particles.cs", fields)
    write_map(folder / "stack.mrcs", np.ones((8, 8, 8), np.float32), 2.0)
    reader = star(folder).read
    return Reader(folder / "particles.cs", reader)


def mrc_map(folder: Path) -> Reader:
    """Return a map."""
    write_map(folder / "map.mrc", np.arange(512, dtype=np.float32).reshape(8, 8, 8), 2.0)
    return Reader(folder / "map.mrc", read_map)


def mrc_stack(folder: Path) -> Reader:
    """Return a stack whose images are read."""
    write_map(folder / "images.mrcs", np.ones((8, 8, 8), np.float32), 2.0)

    def read(path: Path) -> Any:
        return ImageSource([str(path)]).read(np.zeros(3, np.int64), np.arange(3), 8)

    return Reader(folder / "images.mrcs", read)


def run(folder: Path, shared: Path) -> Reader:
    """Return the optimiser file of a run of RELION's, with all that it names."""
    for file in (shared / "golden/relion/halves").glob("run_it002_*"):
        shutil.copy(file, folder)
    return Reader(folder / "run_it002_optimiser.star", read_run)


def model(folder: Path, shared: Path) -> Reader:
    """Return a model file of that run, which is read with the others."""
    optimiser = run(folder, shared).path
    return Reader(folder / "run_it002_half1_model.star", lambda _: read_run(optimiser))


def exact_state(folder: Path, shared: Path) -> Reader:
    """Return the state of a run to the last bit."""
    state = read_run(run(folder, shared).path)
    slim = replace(state, halves=tuple(half.without_maps() for half in state.halves))
    path = folder / "run_it002_halfmap.h5"
    write_exact_state(path, slim, [maps_digest(half.maps) for half in state.halves], {"iter": 2})
    return Reader(path, lambda file: read_exact_state(file, state))


def detector(folder: Path) -> Reader:
    """Return a modulation transfer function."""
    shells = {"rlnResolutionInversePixel": [0.0, 0.25, 0.5], "rlnMtfValue": [1.0, 0.6, 0.3]}
    write_star(folder / "mtf.star", {"": shells})
    return Reader(folder / "mtf.star", lambda file: read_detector(file, 1.0))


def spectrum(folder: Path) -> Reader:
    """Return a prior spectrum."""
    table = {"rlnSpectralIndex": [0, 1, 2], "rlnReferenceTau2": [1.0, 0.5, 0.2]}
    write_star(folder / "tau.star", {"model_class_1": table})
    return Reader(folder / "tau.star", read_tau2)


def local_symmetry(folder: Path) -> Reader:
    """Return the operators of two alike regions."""
    names = ("AngleRot", "AngleTilt", "AnglePsi", *(f"Origin{axis}Angst" for axis in "XYZ"))
    columns = {"rlnMaskName": ["mask.mrc"] * 2, **{f"rln{name}": [0.0, 5.0] for name in names}}
    write_star(folder / "regions.star", {"": columns})
    return Reader(folder / "regions.star", read_local_symmetry)


def optimisation_set(folder: Path) -> Reader:
    """Return an optimisation set."""
    write_star(folder / "set.star", {"": {"rlnTomoParticlesFile": "particles.star"}})
    return Reader(folder / "set.star", read_optimisation_set)


def atoms(folder: Path) -> Reader:
    """Return the coordinates of a few atoms."""
    line = "ATOM  {0:5d}  CA  ALA A{0:4d}    {1:8.3f}{1:8.3f}{1:8.3f}  1.00 20.00           C\n"
    lines = [line.format(i, 1.5 * i) for i in range(1, 9)]
    (folder / "model.pdb").write_text("".join(lines) + "END\n", encoding="ascii")
    return Reader(folder / "model.pdb", lambda file: read_atoms(file, False))


def preset(folder: Path) -> Reader:
    """Return a preset of options."""
    particles, volume = star(folder).path, mrc_map(folder).path
    text = f"i: {particles}\nref: {volume}\no: {folder}/run\nini_high: 40\nK: 2\nsym: C1\n"
    (folder / "preset.yaml").write_text(text, encoding="utf-8")
    return Reader(folder / "preset.yaml", lambda file: parse([str(file)]))


def frame(folder: Path) -> Reader:
    """Return what a plug-in's process says."""
    with (folder / "frame").open("wb") as file:
        write_frame(file, {"iteration": 1}, {"map": np.ones((3, 4))})

    def read(path: Path) -> Any:
        with path.open("rb") as pipe:
            return read_arrays(pipe, read_header(pipe))

    return Reader(folder / "frame", read)


def part(folder: Path) -> Reader:
    """Return the sums of a checkpoint."""
    sums = ExpectationSums.zeros(2, 50, (1, 5), 12)
    sums.volume[...] = np.arange(300).reshape(2, 50, 3)
    write_part(folder / "part.h5", PartKey(0, "run"), sums, lambda: (3, 4), nullcontext())

    def read(path: Path) -> Any:
        found = read_part(path)
        found.check()
        return found

    return Reader(folder / "part.h5", read)


def results(folder: Path) -> Reader:
    """Return the results of a checkpoint."""
    write_results(folder / "results.h5", PartKey(0, "run"), (3, 4), {"norm": np.ones(7)})
    return Reader(folder / "results.h5", read_results)


def eman_stack(folder: Path) -> Reader:
    """Return a stack of projections, one of them packed."""
    said = {"ptcl_repr": 4, "class_qual": 0.5, "class_ssnr": [2.0, 1.0, 0.5], "text": "x"}
    said["xform.projection"] = Transform(
        (1.0, 0.0, 0.0, 2.0, 0.0, 1.0, 0.0, 1.0, 0.0, 0.0, 1.0, 0.0)
    )
    image = np.arange(80, dtype=np.float32).reshape(10, 8)
    path = folder / "stack.hdf"
    for bits in (-1, 0, 8):
        write_hdf(path, [EmanImage(image, 2.0, said)], bits, append=True)
    return Reader(path, _projections)


def eman_list(folder: Path) -> Reader:
    """Return a list of the images of such a stack."""
    stack = eman_stack(folder).path
    matrix = '{"__class__": "Transform", "matrix": "[1,0,0,2.5,0,1,0,-3,0,0,1,0]"}'
    lines = [f'2\t{stack}\t{{"score": 0.5, "xform.projection": {matrix}}}', f"0\t{stack}"]
    path = folder / "images.lst"
    path.write_text("\n".join(["#LSX", "# by hand", "# 120", *lines, ""]), encoding="ascii")
    return Reader(path, _projections)


def _projections(path: Path) -> Any:
    source = open_projections(path, tilt_stack=True)
    return source.headers(), source.read(range(len(source)))


def tilt_file(folder: Path) -> Reader:
    """Return the angles of a tilt series."""
    path = folder / "angles.tlt"
    path.write_text("-60.00\n-58.50\n  0.00\n+2\n", encoding="ascii")
    return Reader(path, read_tilt_angles)


def structure_factor(folder: Path) -> Reader:
    """Return a structure factor."""
    (folder / "sf.txt").write_text("# s y\n0.01 5\n0.1 2.5\n0.2 1e-1\n", encoding="ascii")
    return Reader(folder / "sf.txt", read_structure_factor)


ALONE = (
    *(star, cryosparc, mrc_map, mrc_stack, detector, spectrum, local_symmetry),
    *(optimisation_set, atoms, preset, frame, part, results),
    *(eman_stack, eman_list, tilt_file, structure_factor),
)
WITH_SHARED = (run, model, exact_state)
