"""Time and memory of the expectation, per particle and phase, on one thread.

    OPENBLAS_NUM_THREADS=1 python benchmarks/expectation.py [CASE ...]

Uses the 240 particles of the reference data (64 px at 5 Å), enlarged for the larger boxes. Each
case runs in a process of its own. Seconds are CPU time of the thread (``time.thread_time``), the
best of a few passes; the machine's own rate of ``sgemm`` is measured in the same process, right
before and after, because other work on the machine slows both.
"""

import math
import os
import platform
import resource
import subprocess
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numba
import numpy as np
import scipy.fft
from numpy import ndarray as Array

from halfmap.io.mrc import read_map
from halfmap.io.particle_table import read_particles
from halfmap.io.stacks import ImageSource
from halfmap.kernels.registry import make_kernels
from halfmap.model.ctf import PLAIN_CTF
from halfmap.model.fourier import low_pass, resample_volume
from halfmap.model.geometry import ImageGeometry
from halfmap.model.half_model import HalfModel
from halfmap.model.mask import fill_outside_mean, soft_circle
from halfmap.model.noise import image_spectrum
from halfmap.model.orientations import direction_pixels
from halfmap.model.particles import Particles, Poses
from halfmap.model.sampling import Sampling
from halfmap.steps.expectation import Workspace, run_unit
from halfmap.steps.references import fourier_reference
from halfmap.steps.search import Search, make_search
from halfmap.steps.search_plan import ImageSettings, SearchPlan, SearchRules
from halfmap.steps.slices import coarse_shape, fill_coarse_slices

BOX, PIXEL_A, DIAMETER_A = 64, 5.0, 290.0
UNIT = 32
MEBIBYTE = 2.0**20
MAX_PARTICLES = {64: 240, 128: 64, 256: 32}


@dataclass(frozen=True)
class Case:
    """One search of the golden particles."""

    order: int
    sigma_deg: float | None
    low_pass_A: float
    box: int = BOX
    noise_power: float = 1.0
    """Larger than 1 flattens the posterior."""

    @property
    def sampling(self) -> Sampling:
        """Sampling without perturbation."""
        sigma = self.sigma_deg
        step = 60.0 / 2**self.order
        prior = None if sigma is None else (sigma, sigma, sigma)
        return Sampling(self.order, step, 25.0, 10.0, 1, "C1", prior_sigma_deg=prior)

    @property
    def window(self) -> int:
        """Fine window, px: as RELION chooses it after the low-pass; in proportion to the box."""
        return 2 * (round(BOX * PIXEL_A / self.low_pass_A) + 10) * (self.box // BOX)

    @property
    def coarse_window(self) -> int:
        """Coarse window, px: as RELION chooses it."""
        step_A = math.pi * DIAMETER_A * self.sampling.angular_step_deg / 360.0
        return min(self.window, 2 * math.ceil(1.2 * BOX * PIXEL_A / step_A))


CASES = {
    "peaked": Case(2, None, 30.0),
    "broad": Case(1, None, 30.0),
    "local": Case(5, 2.0, 15.0),
    "broader": Case(1, None, 30.0, noise_power=4.0),
    "broadest": Case(1, None, 30.0, noise_power=10.0),
    "fine": Case(3, None, 30.0),
    "peaked128": Case(2, None, 30.0, box=128),
    "peaked256": Case(2, None, 30.0, box=256),
    "local128": Case(5, 2.0, 15.0, box=128),
    "local256": Case(5, 2.0, 15.0, box=256),
}
"""``peaked``, ``broad`` and ``local`` are those that RELION was timed with."""


class TimedKernels:
    """Forwards to a backend and adds up the seconds of each kernel."""

    def __init__(self, kernels: Any) -> None:
        self._kernels, self.name = kernels, kernels.name
        self.seconds: defaultdict[str, float] = defaultdict(float)
        self.product_flop = 0

    def __getattr__(self, name: str) -> Callable[..., Any]:
        kernel = getattr(self._kernels, name)

        def timed(*arguments: Any) -> Any:
            start = time.thread_time()
            result = kernel(*arguments)
            self.seconds[name] += time.thread_time() - start
            if name == "products":
                self.product_flop += 2 * len(arguments[0]) * arguments[1].size
            return result

        return timed


def sgemm_gflops() -> float:
    """Rate of a square product in single precision, best of four."""
    a = np.random.default_rng(0).normal(size=(1536, 1536)).astype(np.float32)
    b, seconds = a.copy(), math.inf
    for _ in range(4):
        start = time.thread_time()
        a @ b
        seconds = min(seconds, time.thread_time() - start)
    return 2.0 * 1536**3 / seconds / 1e9


def reference_data() -> Path:
    """Folder of the golden particles."""
    beside = Path(__file__).resolve().parents[2] / "shared"
    return Path(os.environ.get("HALFMAP_SHARED", beside)) / "golden" / "relion"


def enlarged(images: Array, box: int) -> Array:
    """Interpolate images to a larger box in Fourier space; white noise fills what is new."""
    if box == images.shape[-1]:
        return images
    noise = np.random.default_rng(0).normal(size=(len(images), box, box)).astype(np.float32)
    planes = scipy.fft.rfft2(noise, norm="forward") * box / BOX
    old = scipy.fft.rfft2(images, norm="forward")
    half = BOX // 2
    planes[:, :half, :half], planes[:, -half:, :half] = old[:, :half, :half], old[:, -half:, :half]
    return np.asarray(scipy.fft.irfft2(planes, s=(box, box), norm="forward"), np.float32)


def load(case: Case) -> tuple[Array, Particles, Poses]:
    """Read images and their true poses."""
    folder = reference_data()
    particles, poses, _ = read_particles(folder / "p240_truth.star", ctf=True, half_seed=None)
    n = MAX_PARTICLES[case.box]
    images = ImageSource(particles.stacks).read(particles.stack[:n], particles.slice[:n], BOX)
    pixel_A = PIXEL_A * BOX / case.box
    optics = tuple(replace(o, box=case.box, pixel_size_A=pixel_A) for o in particles.optics)
    return enlarged(images, case.box), replace(particles, optics=optics), poses


def half_model(case: Case, images: Array, particles: Particles) -> HalfModel:
    """Noise from the images themselves, the golden map, uniform priors."""
    pixel_A = PIXEL_A * BOX / case.box
    volume, _ = read_map(reference_data() / "ref.mrc")
    volume, _ = resample_volume(volume, PIXEL_A, pixel_A, case.box)
    volume = volume * (pixel_A / PIXEL_A)
    background = soft_circle(case.box, DIAMETER_A / (2.0 * pixel_A), 5.0)
    group = particles.optics_group[: len(images)]
    spectra = image_spectrum(fill_outside_mean(images, background))
    noise = np.array([0.5 * spectra[group == g].mean(axis=0) for g in (0, 1)])
    n_shells, n_directions = case.box // 2 + 1, len(direction_pixels(case.sampling)[0])
    return HalfModel.untrained(
        maps=low_pass(volume, pixel_A, case.low_pass_A)[None],
        noise_variance=noise * case.noise_power,
        data_vs_prior=np.where(np.arange(n_shells) < 10, 10.0, 0.0)[None],
        offset_sigma_A=1e5,
        counts=(n_directions, len(particles.scale_groups)),
    )


def search_for(case: Case, images: Array, particles: Particles, kernels: Any) -> Search:
    """Prepare the search with everything switched on."""
    pixel_A = PIXEL_A * BOX / case.box
    settings = ImageSettings(
        geometry=ImageGeometry.plain(case.box, pixel_A),
        optics=particles.optics,
        ctf=PLAIN_CTF,
        mask_radius_px=DIAMETER_A / (2.0 * pixel_A),
        mask_edge_px=5.0,
        zero_mask=True,
        seed=1,
        do_norm=True,
        do_scale=True,
    )
    plan = SearchPlan(
        case.sampling, settings, case.window, case.coarse_window, SearchRules(), len(particles)
    )
    model = half_model(case, images, particles)
    references = (fourier_reference(model.maps[0], case.window, 2.0),)
    search = make_search(model, references, plan, kernels)
    slices = np.empty(coarse_shape(search), np.float32)
    fill_coarse_slices(search, slices, slice(0, len(slices)))
    return replace(search, coarse_slices=slices)


@dataclass(frozen=True)
class Work:
    """All units of a case, ready to run."""

    search: Search
    images: Array
    particles: Particles
    poses: Poses

    def units(self) -> list[Array]:
        """Rows of each unit."""
        n = len(self.images)
        return [np.arange(first, min(first + UNIT, n)) for first in range(0, n, UNIT)]

    def run(self, units: list[Array], workspace: Workspace, sums: Any, lock: Any) -> Array:
        """Take units until none is left; return the number of significant samples."""
        counts = []
        while units:
            unit = units.pop()
            found = run_unit(
                self.images[unit], unit, self.particles, self.poses[unit], self.search, workspace
            )
            with lock:
                workspace.add_to(sums)
            counts.append(found.n_significant)
        return np.concatenate(counts) if counts else np.zeros(0)


def work_for(case: Case, kernels: Any) -> Work:
    """Load and prepare a case. A global search knows no poses, a local one the true ones."""
    images, particles, poses = load(case)
    if case.sigma_deg is None:
        poses = Poses.unknown(len(particles))
    return Work(search_for(case, images, particles, kernels), images, particles, poses)


def measure(name: str) -> None:
    """Print the row of a case and its phases."""
    case = CASES[name]
    kernels = TimedKernels(make_kernels())
    work = work_for(case, kernels)
    workspace, sums, lock = Workspace(work.search), work.search.zero_sums(), threading.Lock()
    work.run(work.units()[:1], workspace, sums, lock)
    rate, best, phases = sgemm_gflops(), math.inf, {}
    share = 0.0
    for _ in range(4 if case.box == BOX else 2):
        kernels.seconds.clear()
        kernels.product_flop = 0
        start = time.thread_time()
        n_significant = work.run(work.units(), workspace, sums, lock)
        total = time.thread_time() - start
        if total < best:
            best, phases = total, dict(kernels.seconds)
            share = kernels.product_flop / max(phases.get("products", 0.0), 1e-9) / 1e9
    rate = max(rate, sgemm_gflops())
    n, peak = len(work.images), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    phases["between kernels"] = best - sum(phases.values())
    shown = ", ".join(
        f"{key} {1e3 * s / n:.3f}" for key, s in sorted(phases.items(), key=lambda x: -x[1])
    )
    print(
        f"| {name} | {case.box} | {case.window} / {case.coarse_window} "
        f"| {np.mean(n_significant):.0f} "
        f"| {1e3 * best / n:.2f} | {rate:.0f} | {share:.0f} ({100 * share / rate:.0f} %) "
        f"| {_memory(work.search, workspace)} | {peak:.0f} |"
    )
    print(f"  {name}: {shown}", file=sys.stderr)


def _memory(search: Search, workspace: Workspace) -> str:
    """Sizes in MiB: reference and coarse slices (shared by a node), sums (a process), a thread."""
    assert search.coarse_slices is not None
    sums = sum(array.nbytes for array in search.zero_sums().arrays())
    own = workspace.n_bytes
    sizes = (search.references[0].values.nbytes, search.coarse_slices.nbytes, sums, own)
    return " / ".join(f"{size / MEBIBYTE:.0f}" for size in sizes)


def two_threads(name: str) -> None:
    """Print wall seconds of all units on one thread and on two, the best of 20 turns each."""
    work = work_for(CASES[name], make_kernels())
    sums, lock = work.search.zero_sums(), threading.Lock()
    spaces = [Workspace(work.search) for _ in range(2)]
    for space in spaces:
        work.run(work.units()[:2], space, sums, lock)

    def seconds(n_threads: int) -> float:
        units = 2 * work.units()[:7]  # full ones, an even number
        start = time.perf_counter()
        threads = [
            threading.Thread(target=work.run, args=(units, spaces[i], sums, lock))
            for i in range(n_threads)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return time.perf_counter() - start

    pairs = [(seconds(1), seconds(2)) for _ in range(20)]
    one, two = (min(p[i] for p in pairs) for i in (0, 1))
    print(f"{name}: one thread {one:.2f} s, two threads {two:.2f} s, {one / two:.2f} times faster")


def main() -> None:
    """Run each case in a process of its own, so that its peak of memory is its own."""
    if len(sys.argv) == 3 and sys.argv[1] == "--measure":
        measure(sys.argv[2])
        return
    if len(sys.argv) == 3 and sys.argv[1] == "--threads":
        two_threads(sys.argv[2])
        return
    print(
        f"{platform.machine()}, {os.cpu_count()} cores, numpy {np.__version__}, "
        f"numba {numba.__version__}; units of {UNIT} particles\n\n"
        "| case | box | windows, px | significant | ms per particle | sgemm, GF/s "
        "| coarse products, GF/s | reference / coarse slices / sums / thread, MiB | peak, MiB |\n"
        "|---|---|---|---|---|---|---|---|---|",
        flush=True,
    )
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}
    for name in sys.argv[1:] or ("peaked", "broad", "local"):
        command = [sys.executable, __file__, "--measure", name]
        subprocess.run(command, check=True, env=environment)


if __name__ == "__main__":
    main()
