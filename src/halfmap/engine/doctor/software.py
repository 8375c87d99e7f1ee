"""Versions, compiled kernels, graphics processors."""

import os
import platform
import tempfile
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np

import halfmap
from halfmap.engine.doctor.findings import Finding, Patient, Verdict, good
from halfmap.kernels.protocol import Kernels, Pixels, Volume
from halfmap.kernels.registry import make_kernels

PACKAGES = ("numpy", "scipy", "numba", "h5py", "mpi4py", "healpix", "mrcfile", "starfile")
DEVICES = {"nvidia[0-9]*": "NVIDIA", "kfd": "AMD", "dri/renderD*": "unnamed"}
TOLERANCE = 1e-5
"""Of the largest number: single precision, sums of some hundred terms."""
SECONDS_TO_COMPILE = 3.0
"""More than it takes to load kernels that were kept."""


def versions(_: Patient) -> Finding:
    """Name the programs that results depend on."""
    import h5py  # not before it is needed: start-up

    found: dict[str, float | int | str] = {"halfmap": halfmap.__version__}
    found["Python"] = platform.python_version()
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            text = f"found no {name}"
            return Finding("versions", Verdict.BAD, text, f"install it: pip install {name}", found)
    found["HDF5"] = h5py.version.hdf5_version
    return good("versions", ", ".join(f"{name} {it}" for name, it in found.items()), **found)


def compile_cache(_: Patient) -> Finding:
    """Try to write where compiled kernels are kept."""
    kernels = Path(halfmap.__file__).parent / "kernels" / "numba_cpu"
    given = os.environ.get("NUMBA_CACHE_DIR")
    place = Path(given) if given else kernels / "__pycache__"
    try:
        place.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=place):
            pass
    except OSError as error:
        return Finding(
            "compiled kernels",
            Verdict.NOTE,
            f"{place} cannot be written ({error.strerror}): kernels may be compiled at every start",
            "export NUMBA_CACHE_DIR=FOLDER, one that you can write and all nodes see",
        )
    return good("compiled kernels", f"kept in {place}")


def kernels_agree(_: Patient) -> Finding:
    """Compare kernels of this processor with their definition, in numpy."""
    start = time.process_time()
    kernels = make_kernels()
    differences = {
        name: _difference(kernels, make_kernels("reference"), name)
        for name in ("products", "shifted", "half_power", "project")
    }
    seconds = time.process_time() - start
    worst = max(differences, key=lambda name: differences[name])
    numbers = {name: float(it) for name, it in differences.items()} | {"seconds": seconds}
    if not differences[worst] < TOLERANCE:
        return Finding(
            "kernels",
            Verdict.BAD,
            f"{worst} differs from its definition by {differences[worst]:.1e} of the largest "
            f"number, expected less than {TOLERANCE:.0e}",
            "empty the folder of compiled kernels; if that does not help, report it with the "
            "processor and the version of numba",
            numbers,
        )
    how = "compiled" if seconds > SECONDS_TO_COMPILE else "loaded"
    text = f"agree with their definition to {differences[worst]:.0e}, {how} in {seconds:.1f} s"
    return Finding("kernels", Verdict.GOOD, text, "", numbers)


def _difference(one: Kernels, other: Kernels, name: str) -> float:
    found, expected = (_outcome(kernels, name) for kernels in (one, other))
    return float(np.abs(found - expected).max() / np.abs(expected).max())


def _outcome(kernels: Kernels, name: str) -> np.ndarray:
    rng = np.random.default_rng(1)

    def rows(*shape: int) -> np.ndarray:
        return rng.normal(size=shape).astype(np.float32)

    if name == "products":
        out = np.zeros((24, 40), np.float32)
        kernels.products(rows(24, 256), rows(40, 256), out)
    elif name == "shifted":
        out = np.zeros((6, 5, 256), np.float32)
        kernels.shifted(rows(6, 256), rows(5, 256), out)
    elif name == "half_power":
        out = np.zeros((9, 128), np.float32)
        kernels.half_power(rows(9, 256), out)
    else:
        kx, ky = (k.ravel().astype(np.float32) for k in np.mgrid[0:8, -7:8])
        inside = kx**2 + ky**2 <= 49
        half = 16
        out = np.zeros((12, 256), np.float32)
        volume = Volume(rows(2 * (2 * half + 1) ** 2 * (half + 1)), half)
        axes = np.linalg.qr(rng.normal(size=(12, 3, 3)))[0][:, :2].reshape(12, 6)
        pixels = Pixels(kx[inside], ky[inside])
        kernels.project(volume, (2.0 * axes).astype(np.float32), pixels, out)
    return out


def graphics_processors(_: Patient) -> Finding:
    """Say whether there are graphics processors, and that they are not used."""
    seen = {kind: len(list(Path("/dev").glob(name))) for name, kind in DEVICES.items()}
    seen["unnamed"] = 0 if seen["NVIDIA"] or seen["AMD"] else seen["unnamed"]
    names = [f"{n} {kind}" for kind, n in seen.items() if n]
    if not names:
        return good("GPUs", "none; halfmap uses processor cores", number=0)
    text = f"{', '.join(names)}: not used, halfmap computes on processor cores"
    to_do = "do not ask the scheduler for GPUs"
    return Finding("GPUs", Verdict.NOTE, text, to_do, {"number": sum(seen.values())})
