"""Simulated particles of lenses and detectors that differ, and short refinements of them."""

from pathlib import Path

import numpy as np
from jaxtyping import Float
from numpy import ndarray as Array
from optics_tables import ONE

from halfmap.cli.main import main
from halfmap.io.mrc import read_map
from halfmap.io.star import Table, read_star, write_star
from halfmap.model.rotations import euler_matrices

TILTED = ONE | {"rlnBeamTiltX": [60.0], "rlnBeamTiltY": [-30.0], "rlnEvenZernike": ["[0,150,0,0]"]}
PREMULTIPLIED = ONE | {"rlnCtfDataAreCtfPremultiplied": [1]}
TWO_GRIDS = {label: values * 2 for label, values in ONE.items()} | {
    "rlnOpticsGroup": [1, 2],
    "rlnImagePixelSize": [5.0, 4.2],
    "rlnImageSize": [32, 40],
    "rlnMagMat00": [1.0, 1.02],
    "rlnMagMat01": [0.0, 0.01],
    "rlnMagMat10": [0.0, 0.005],
    "rlnMagMat11": [1.0, 0.98],
    "rlnOddZernike": ["[]", "[0,0,300,0,0,200]"],
}
LOCAL = (
    "--ctf --norm --scale --zero_mask --ini_high 12 --healpix_order 3 --sigma_ang 5 "
    "--offset_range 2 --offset_step 1 --particle_diameter 120 --random_seed 3 --verb 0 --iter 1"
)


def simulate(optics: Table, name: str, n: int = 100, snr: float = 2.0) -> None:
    """Simulate in the working directory; the same particles whatever the optics."""
    write_star(Path(f"{name}.star"), {"optics": optics})
    words = f"--phantom --n {n} --snr {snr} --n_micrographs 4 --seed 3 --offset_sigma 3"
    words += " --noise white --split"
    assert main(["simulate", *words.split(), "--optics", f"{name}.star", "--o", name]) == 0


def refine(table: str, name: str, *more: str, ref: str | None = None) -> None:
    """Refine around the true poses for one iteration, from the true map."""
    ref = ref or f"{Path(table).parent}/truth.mrc"
    words = ["refine", "--i", table, "--ref", ref, "--o", f"{name}/run", *LOCAL.split(), *more]
    assert main(words) == 0


def particles(path: Path) -> Table:
    return read_star(path).table("particles")


def columns(table: Table, *labels: str) -> Float[Array, "particle column"]:
    return np.array([[float(x) for x in table[label]] for label in labels]).T


def turns_deg(found: Path, truth: Path) -> Float[Array, " particle"]:
    """By how much the orientations are off."""
    angles = "rlnAngleRot", "rlnAngleTilt", "rlnAnglePsi"
    a, b = (euler_matrices(columns(particles(path), *angles)) for path in (found, truth))
    cosine = (np.einsum("nij,nij->n", a, b) - 1.0) / 2.0
    return np.asarray(np.degrees(np.arccos(np.clip(cosine, -1.0, 1.0))))


def offsets_A(found: Path, truth: Path) -> Float[Array, " particle"]:
    """By how much the offsets are off."""
    labels = "rlnOriginXAngst", "rlnOriginYAngst"
    a, b = (columns(particles(path), *labels) for path in (found, truth))
    return np.asarray(np.linalg.norm(a - b, axis=1))


def correlation_with(truth: Path, found: Path) -> Float[Array, " shell"]:
    """Fourier shell correlation of two maps."""
    a, b = (np.fft.rfftn(read_map(path)[0]) for path in (found, truth))
    box = a.shape[0]
    k = np.fft.fftfreq(box, 1 / box)
    radius = np.sqrt(k[:, None, None] ** 2 + k[:, None] ** 2 + np.arange(box // 2 + 1) ** 2)
    shell = np.floor(radius + 0.5).astype(int).ravel()

    def summed(values: Array) -> Array:
        return np.bincount(shell, values.ravel())[: box // 2]

    cross = summed((a * b.conj()).real)
    return np.asarray(cross / np.sqrt(summed(np.abs(a) ** 2) * summed(np.abs(b) ** 2)))
