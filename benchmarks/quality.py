"""Measure how close a refinement comes to the truth, and to what the true poses would give.

Simulates particles from atoms (or from the built-in phantom), refines them from a map at 40 Å,
and compares the result with the truth and with a map made from the true poses:

    python benchmarks/quality.py --pdb model.pdb.gz --o work

What the numbers mean, and what was found: docs/quality.md.
"""

import argparse
import contextlib
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Complex128, Float
from numpy import ndarray as Array

from halfmap.io.mrc import read_map
from halfmap.io.particle_table import read_particles
from halfmap.io.stacks import ImageSource
from halfmap.io.star import read_star
from halfmap.model.ctf import contrast_transfer
from halfmap.model.fourier import centring_signs, frequencies_2d, resolution_shell, transform_2d
from halfmap.model.fsc import map_fsc
from halfmap.model.padded_sphere import PaddedSphere
from halfmap.model.particles import Particles, Poses
from halfmap.model.rotations import euler_matrices
from halfmap.model.sums import FourierSums
from halfmap.steps.complete_sums import hermitian
from halfmap.steps.reconstruction import reconstruct

BOX, PIXEL_A = 72, 4.5
DIAMETER_A = 310
REFINE = (
    *("--auto_refine", "--split_random_halves", "--ctf", "--ini_high", 40, "--zero_mask"),
    *("--flatten_solvent", "--norm", "--scale", "--low_resol_join_halves", 40),
    *("--healpix_order", 2, "--auto_local_healpix_order", 4, "--offset_range", 5),
    *("--offset_step", 2, "--particle_diameter", DIAMETER_A, "--random_seed", 1, "--verb", 0),
)
PARTICLES = Path("particles")
PADDING = 2
AT_ONCE = 100
"""Images that are inserted together."""
LEVELS = (0.5, 0.8, 0.9)


@dataclass(frozen=True, slots=True)
class Quality:
    """What is measured; shells are fractional, ``box / 2`` where an FSC never falls so low."""

    refined_shell: dict[str, float]
    """Where the FSC of the joined map to the truth falls below 0.5, 0.8, 0.9."""
    true_pose_shell: dict[str, float]
    """The same for the map made from the true poses."""
    information_kept: float
    """Signal-to-noise of the joined map over that of the true-pose map, median over shells."""
    reported_shell: int
    """Resolution that the run reports: FSC of the halves above 0.143."""
    angular_step_deg: float
    """Step of the last HEALPix grid."""
    finest_angular_step_deg: float
    """After oversampling."""
    within_two_steps: float
    """Share of the poses; full rotation angle, after `alignment`."""
    within_two_finest_steps: float
    median_angular_error_deg: float
    median_offset_error_A: float
    frame_rotation_deg: float
    """Rotation of the refined map against the truth, taken out of the poses."""
    frame_shift_A: float
    n_iterations: int
    converged: bool
    seconds: float


def main() -> None:
    """Simulate, refine, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pdb", type=Path, help="atoms [the built-in phantom]")
    parser.add_argument("--o", type=Path, required=True, help="folder to work in, made")
    parser.add_argument("--n", type=int, default=1_000, help="particles [%(default)s]")
    parser.add_argument("--snr", type=float, default=0.3, help="[%(default)s]")
    parser.add_argument("--ranks", type=int, default=3, help="[%(default)s]")
    parser.add_argument("--seed", type=int, default=1, help="of the simulation [%(default)s]")
    parser.add_argument("--json", type=Path, help="write the numbers here too")
    asked = parser.parse_args()
    source = ("--phantom",) if asked.pdb is None else ("--pdb", asked.pdb.resolve())
    numbers = None if asked.json is None else asked.json.resolve()
    asked.o.mkdir(parents=True, exist_ok=True)
    with contextlib.chdir(asked.o):
        simulate(source, ("--n", asked.n, "--snr", asked.snr, "--seed", asked.seed))
        start = time.monotonic()
        refine(asked.ranks)
        found = measured(time.monotonic() - start)
    for name, value in asdict(found).items():
        print(f"{name:26s} {_text(value)}")
    if numbers is not None:
        numbers.write_text(json.dumps(asdict(found), indent=1))


def _text(value: object) -> str:
    if isinstance(value, dict):
        return "  ".join(f"{float(v):.1f} (FSC {k})" for k, v in value.items())
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def simulate(source: tuple[object, ...], size: tuple[object, ...]) -> None:
    """Make the particles, of two optics groups."""
    grid = ("--box", BOX, "--angpix", PIXEL_A, "--n_optics", 2)
    _halfmap("simulate", *source, *grid, *size, "--o", "particles", "--overwrite")


def refine(ranks: int) -> None:
    """Refine from the starting map at 40 Å."""
    files = ("--i", "particles/particles.star", "--ref", "particles/start.mrc", "--o", "run/run")
    Path("run").mkdir(exist_ok=True)
    _halfmap("refine", *files, *REFINE, "--overwrite", ranks=ranks)


def _halfmap(*words: object, ranks: int = 0) -> None:
    program = [sys.executable, "-m", "halfmap.cli.main", *map(str, words)]
    if ranks:
        program = [str(Path(sys.prefix, "bin", "mpirun")), "-n", str(ranks), *program]
    subprocess.run(program, check=True)


def measured(seconds: float) -> Quality:
    """Compare a finished run with the truth; both lie in the working directory."""
    particles, true_poses, _ = read_particles(PARTICLES / "truth.star", ctf=True, half_seed=None)
    run = Path("run")
    same_particles, poses, _ = read_particles(run / "run_data.star", ctf=True, half_seed=0)
    assert np.array_equal(same_particles.slice, particles.slice)
    truth = read_map(PARTICLES / "truth.mrc")[0]
    to_truth = map_fsc(read_map(run / "run_class001.mrc")[0], truth)
    best = map_fsc(true_pose_map(particles, true_poses), truth)
    optimiser = read_star(run / "run_optimiser.star").values("optimiser_general")
    model = read_star(run / "run_model.star").values("model_general")
    sampling = read_star(run / "run_sampling.star").values("sampling_general")
    step_deg = float(sampling["rlnPsiStep"])
    angles_deg, offsets_A, frame = pose_errors(poses, true_poses)
    return Quality(
        refined_shell={str(level): shell_of_fsc(to_truth, level) for level in LEVELS},
        true_pose_shell={str(level): shell_of_fsc(best, level) for level in LEVELS},
        information_kept=float(np.median((_ratio(to_truth) / _ratio(best))[1:])),
        reported_shell=resolution_shell(float(model["rlnCurrentResolution"]), BOX, PIXEL_A),
        angular_step_deg=step_deg,
        finest_angular_step_deg=step_deg / 2 ** int(optimiser["rlnAdaptiveOversampleOrder"]),
        within_two_steps=float(np.mean(angles_deg <= 2.0 * step_deg)),
        within_two_finest_steps=float(np.mean(angles_deg <= step_deg)),
        median_angular_error_deg=float(np.median(angles_deg)),
        median_offset_error_A=float(np.median(offsets_A)),
        frame_rotation_deg=frame[0],
        frame_shift_A=frame[1],
        n_iterations=len(list(run.glob("run_it*_data.star"))),
        converged=optimiser["rlnHasConverged"] == "1",
        seconds=seconds,
    )


def _ratio(correlation: Float[Array, " shell"]) -> Float[Array, " shell"]:
    """Return signal over noise power of a map from its correlation with the truth."""
    square = np.clip(correlation, 1e-3, 1.0 - 1e-9) ** 2
    return np.asarray(square / (1.0 - square))


def shell_of_fsc(fsc: Float[Array, " shell"], level: float) -> float:
    """Return where an FSC first falls below a level, between shells; the last shell if never."""
    below = np.flatnonzero(fsc < level)
    if below.size == 0:
        return float(len(fsc) - 1)
    i = int(below[0])
    return i - 1 + float((fsc[i - 1] - level) / (fsc[i - 1] - fsc[i]))


def pose_errors(
    found: Poses, true: Poses
) -> tuple[Float[Array, " particle"], Float[Array, " particle"], tuple[float, float]]:
    """Return angular (deg) and offset (Å) errors, and the movement of the frame taken out of them.

    A refined map may turn and move a little against the truth, and all poses with it: with a
    rotation ``G`` and a shift ``g`` of the map, matrices are ``A = B G^-1`` and offsets differ by
    ``(B g)_xy``.
    """
    a, b = euler_matrices(found.angles_deg), euler_matrices(true.angles_deg)
    turned = np.einsum("nji,njk->nik", a, b)
    u, _, v = np.linalg.svd(np.median(turned, axis=0))  # a few lost particles do not count
    frame = u @ v
    moved = found.offset_A - true.offset_A
    shift_A = np.linalg.lstsq(b[:, :2].reshape(-1, 3), moved.ravel(), rcond=None)[0]
    rest = moved - np.einsum("nij,j->ni", b[:, :2], shift_A)
    angles_deg = _rotation_deg(np.einsum("nij,jk,nlk->nil", a, frame, b))
    whole = float(_rotation_deg(frame)), float(np.linalg.norm(shift_A))
    return angles_deg, np.linalg.norm(rest, axis=1), whole


def _rotation_deg(matrices: Float[Array, "*n 3 3"]) -> Float[Array, "*n"]:
    cosine = 0.5 * (np.trace(matrices, axis1=-2, axis2=-1) - 1.0)
    return np.asarray(np.degrees(np.arccos(np.clip(cosine, -1.0, 1.0))))


def true_pose_map(particles: Particles, poses: Poses) -> Float[Array, "z y x"]:
    """Reconstruct from the true poses, CTFs and intensities: what no refinement can exceed.

    All images weigh the same: the noise differs by shell, and not between the images.
    """
    sphere = PaddedSphere(BOX // 2, PADDING)
    n = int(np.prod(sphere.shape))
    sums = np.zeros((3, n))
    for place, value, weight in _inserted(particles, poses, sphere):
        for total, part in zip(sums, (value.real, value.imag, weight), strict=True):
            total += np.bincount(place.ravel(), part.ravel(), minlength=n)
    signal, weight = sums[0] + 1j * sums[1], sums[2]
    found = FourierSums.of(
        signal.reshape(sphere.shape), weight.reshape(sphere.shape), sphere.r_max, PADDING
    )
    return reconstruct(hermitian(found), BOX, None)


def _inserted(
    particles: Particles, poses: Poses, sphere: PaddedSphere
) -> Iterator[tuple[Array, Complex128[Array, "corner sample"], Float[Array, "corner sample"]]]:
    """Yield voxels, and what trilinear interpolation adds there: numerator and weight."""
    groups = read_star(PARTICLES / "truth.star").table("model_groups")
    named = dict(zip(groups["rlnGroupName"], groups["rlnGroupScaleCorrection"], strict=True))
    scale = np.array([float(named[name]) for name in particles.scale_groups])
    stacks = ImageSource(particles.stacks)
    ky, kx = frequencies_2d(BOX)
    # The half line kx = 0, ky < 0 repeats ky > 0; `hermitian` adds it.
    listed = (kx**2 + ky**2 <= sphere.r_max**2) & ~((kx == 0) & (ky < 0))
    kx, ky, signs = kx[listed], ky[listed], centring_signs((BOX, BOX // 2 + 1))[listed]
    for group, optics in enumerate(particles.optics):
        members = np.flatnonzero(particles.optics_group == group)
        for first in range(0, len(members), AT_ONCE):
            rows = members[first : first + AT_ONCE]
            images = stacks.read(particles.stack[rows], particles.slice[rows], BOX)
            ctf = contrast_transfer(kx, ky, particles.defocus[rows], optics)
            ctf *= scale[particles.scale_group[rows]][:, None]
            offset_px = poses.offset_A[rows] / PIXEL_A
            cycles = (np.outer(offset_px[:, 0], kx) + np.outer(offset_px[:, 1], ky)) / BOX
            centred = transform_2d(images)[:, listed] * signs * np.exp(-2j * np.pi * cycles)
            centred /= poses.norm[rows][:, None]
            matrices = euler_matrices(poses.angles_deg[rows])[:, :2]
            points = PADDING * np.einsum("pc,ncx->npx", np.stack([kx, ky], axis=1), matrices)
            yield from _corners(points.reshape(-1, 3), (centred * ctf).ravel(), ctf.ravel(), sphere)


def _corners(
    points: Float[Array, "sample 3"],
    value: Complex128[Array, " sample"],
    ctf: Float[Array, " sample"],
    sphere: PaddedSphere,
) -> Iterator[tuple[Array, Array, Array]]:
    mate = points[:, 0] < 0.0
    points, value = np.where(mate[:, None], -points, points), np.where(mate, value.conj(), value)
    low = np.floor(points).astype(np.int64)
    part = points - low
    for corner in np.ndindex(2, 2, 2):
        share = np.prod(np.where(corner, part, 1.0 - part), axis=1)
        x, y, z = (low + corner).T
        place = ((z + sphere.half) * sphere.shape[1] + y + sphere.half) * sphere.shape[2] + x
        yield place, share * value, share * ctf**2


if __name__ == "__main__":
    main()
