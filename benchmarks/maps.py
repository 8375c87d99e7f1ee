"""Seconds to make a map from its sums, and to transform it again, on one thread and on two.

    python benchmarks/maps.py [BOX ...]

What an iteration does once for each class: the integers are decoded, completed and symmetrised, the
spectra estimated, the weights divided out, all transformed into a map, and the map into the
reference of the next iteration. Padding 2, window up to Nyquist. The least of three.
"""

import os
import sys
import time
from collections.abc import Callable

import numpy as np
from jaxtyping import Float32, Int64
from numpy import ndarray as Array

from halfmap.model.exact import SumScales
from halfmap.model.padded_sphere import PaddedSphere
from halfmap.model.projection import reference_sphere
from halfmap.model.symmetry import point_group
from halfmap.model.touched_voxels import n_touched
from halfmap.steps.complete_sums import completed
from halfmap.steps.maximisation import KnownSignal, estimated_spectra
from halfmap.steps.phases import Phases, alone
from halfmap.steps.reconstruction import Prior, reconstruction
from halfmap.steps.references import Transform, transformed

BOXES = (128, 192, 256)
PADDING = 2.0
REPEATS = 3


def made(box: int, symmetry: str, sums: Int64[Array, "voxel 3"]) -> Phases[Float32[Array, "z y x"]]:
    """Make a map, as an iteration does; the sums are lost."""
    sphere, shells = PaddedSphere(box // 2, PADDING), np.ones(box // 2 + 1)
    scales = SumScales(shells, shells, shells[None], 1.0, 1)
    complete = yield from completed(sums, scales, sphere, point_group(symmetry))
    known = KnownSignal(shells, 1.0, fsc=0.5 * shells)
    spectra = yield from estimated_spectra(complete, box, known)
    volume = yield from reconstruction(complete, box, Prior(spectra.signal_variance))
    return volume


def report(what: str, phases: Callable[[], Phases[object]]) -> None:
    """Print the least CPU and wall seconds of some repeats."""
    cells = []
    for n_threads in (1, 2):
        found = []
        for _ in range(REPEATS):
            work = phases()  # a copy of the sums does not count
            cpu, wall = time.process_time(), time.perf_counter()
            alone(work, n_threads)
            found.append((time.process_time() - cpu, time.perf_counter() - wall))
        cells.append("{:.2f}, {:.2f}".format(*np.min(found, axis=0)))
    print(f"| {what} | {' | '.join(cells)} |", flush=True)


def rows(box: int) -> None:
    """Print the rows of a box."""
    voxels = n_touched(PaddedSphere(box // 2, PADDING))
    rng = np.random.default_rng(1)
    integers = rng.integers(-1000, 1000, (voxels, 3))
    integers[:, 2] += 2000

    def of(symmetry: str) -> None:
        report(f"map of {box} px, {symmetry}", lambda: made(box, symmetry, integers.copy()))

    of("C1")
    of("D2")
    volume = rng.standard_normal((box,) * 3, np.float32)
    out = np.empty(reference_sphere((box, box), box, PADDING).shape, np.complex64)
    how = Transform(box, PADDING)
    report(f"reference of {box} px", lambda: transformed(volume, how, out))


if __name__ == "__main__":
    print(f"load: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    print("| CPU s, wall s | one thread | two threads |")
    print("|---|---|---|")
    rows(32)  # compiles
    for box in [int(word) for word in sys.argv[1:]] or BOXES:
        rows(box)
    print(f"load: {os.getloadavg()[0]:.1f}")
