"""How accurately poses can be told apart, given the reference and the noise.

For each of some trial particles the smallest rotation, and the smallest shift, is sought that
changes its projection so much that the odds against it exceed 100. Nothing but CTF and current
angles of the particles is used, no image.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Complex64, Float, Int
from numpy import ndarray as Array

from halfmap.kernels.protocol import Kernels, Pixels, Volume
from halfmap.model.ctf import CtfOptions
from halfmap.model.disc import Disc, make_disc
from halfmap.model.geometry import ImageGeometry
from halfmap.model.half_model import HalfModel
from halfmap.model.interpolation import LINEAR, Interpolation
from halfmap.model.padded_ctf import image_ctf
from halfmap.model.particles import Particles, Poses
from halfmap.model.reference import FourierReference
from halfmap.model.rotations import euler_matrices

N_TRIALS = {False: 100, True: 10}
"""Particles that are tried; of flat references fewer are enough."""
LOG_ODDS = 4.60517
"""ln 100, as RELION writes it."""
UNKNOWN = 999.0
PSI = 2
"""Place of the in-plane angle among the Euler angles."""
SMALLEST_CLASS = 0.01
"""Accuracies of less populated classes are not estimated."""


def _steps(*ranges: tuple[float, float, float]) -> Float[Array, " trial"]:
    """Join ranges of (first, last, step); rounded, so that no error adds up."""
    parts = [np.arange(round((b - a) / step) + 1) * step + a for a, b, step in ranges]
    return np.concatenate(parts).round(6)


ROTATIONS_DEG = _steps(
    (0.05, 0.2, 0.05), (0.3, 1.0, 0.1), (1.2, 2.0, 0.2), (2.5, 5.0, 0.5), (6.0, 10.0, 1.0),
    (12.0, 20.0, 2.0), (25.0, 35.0, 5.0),
)  # fmt: skip
SHIFTS_PX = _steps((0.1, 1.0, 0.1), (1.2, 2.0, 0.2), (2.5, 5.0, 0.5), (6.0, 10.0, 1.0), (12, 12, 1))
"""What is tried, in this order; the last is taken if none suffices."""


@dataclass(frozen=True, slots=True)
class TrialRules:
    """How the trials are made."""

    size: int
    """Fourier window of the map, px."""
    seed: int
    """With the row of a particle it decides what is varied: the same in all iterations."""
    ctf: CtfOptions | None
    """None: the images have no CTF."""
    interpolation: Interpolation = LINEAR


@dataclass(frozen=True, slots=True)
class Trials:
    """Trial particles of one image geometry, without their images."""

    disc: Disc
    angles_deg: Float[Array, "trial 3"]
    precision: Float[Array, "trial pixel"]
    """CTF² / (2 sigma2), the weight of a squared difference of projections; 0 at k = 0."""
    choice: Float[Array, " trial"]
    """Uniform in [0, 1): which angle, and which axis, is varied."""
    geometry: ImageGeometry
    interpolation: Interpolation = LINEAR


@dataclass(frozen=True, slots=True)
class Accuracy:
    """Expected accuracies; see `expected_accuracy`."""

    rotation_deg: Float[Array, " class"]
    translation_A: Float[Array, " class"]
    orientability: Float[Array, " shell"]
    """Share of each shell, 0 to box/2, in telling the first class's rotations apart."""

    @property
    def best_rotation_deg(self) -> float:
        """Of the class that is known best."""
        return float(self.rotation_deg.min())

    @property
    def best_translation_A(self) -> float:
        """Of the class that is known best."""
        return float(self.translation_A.min())


def make_trials(
    particles: Particles,
    poses: Poses,
    rows: Int[Array, " trial"],
    model: HalfModel,
    rules: tuple[TrialRules, ImageGeometry],
) -> Trials:
    """Prepare the trial particles of one half and one image geometry.

    Parameters
    ----------
    particles, poses
        All of the run.
    rows
        The particles to be tried, all of one half and one geometry; `N_TRIALS` are enough.
    model
        Of that half, for its noise.
    rules
        And the grid of the images.
    """
    how, geometry = rules
    disc = make_disc(how.size, how.size, geometry)
    precision = np.zeros((len(rows), len(disc)))
    for group, optics in enumerate(particles.optics):
        members = np.flatnonzero(particles.optics_group[rows] == group)
        variance = model.noise_variance[group, disc.shell]
        known = (variance > 0.0) & (disc.shell > 0)
        inverse = np.divide(0.5, variance, out=np.zeros(len(disc)), where=known)
        power = np.ones((len(members), 1))
        if how.ctf is not None:
            defocus = particles.defocus[rows[members]]
            power = image_ctf(disc.kx, disc.ky, defocus, optics, how.ctf) ** 2
        precision[members] = power * inverse
    return Trials(
        disc=disc,
        angles_deg=poses.angles_deg[rows],
        precision=precision,
        choice=np.array([np.random.default_rng((how.seed, int(row))).random() for row in rows]),
        geometry=geometry,
        interpolation=how.interpolation,
    )


def expected_accuracy(
    trials: tuple[Trials, ...],
    references: tuple[FourierReference, ...],
    class_fraction: Float[Array, " class"],
    kernels: Kernels,
) -> Accuracy:
    """Estimate how accurately orientations and offsets can be found.

    Parameters
    ----------
    trials
        From `make_trials`, of each image geometry.
    references
        Of each class.
    class_fraction
        Classes with less than 1 % of the particles get 999.

    Returns
    -------
    accuracy
        Means over the trials.
    """
    found = [
        _of_class(trials, reference, kernels) if fraction >= SMALLEST_CLASS else None
        for reference, fraction in zip(references, class_fraction, strict=True)
    ]
    nothing = np.zeros(references[0].box // 2 + 1)
    return Accuracy(
        rotation_deg=np.array([UNKNOWN if f is None else f[0] for f in found]),
        translation_A=np.array([UNKNOWN if f is None else f[1] for f in found]),
        orientability=nothing if found[0] is None else found[0][2],
    )


def _of_class(
    trials: tuple[Trials, ...], reference: FourierReference, kernels: Kernels
) -> tuple[float, float, Float[Array, " shell"]]:
    rotations, shifts_A = [], []
    per_shell = np.zeros(reference.box // 2 + 1)
    for own in trials:
        project = _Projector(own, reference, kernels)
        slices = project(own.angles_deg)
        rotation, contributed = _smallest_rotations(own, slices, project)
        per_shell += contributed
        rotations.append(rotation)
        shifts_A.append(_smallest_shifts(own, slices) * own.geometry.pixel_size_A)
    share = per_shell / max(per_shell.sum(), np.finfo(np.float64).tiny)
    return float(np.concatenate(rotations).mean()), float(np.concatenate(shifts_A).mean()), share


class _Projector:
    """Cuts the slices of one reference as images of one geometry show them."""

    def __init__(self, trials: Trials, reference: FourierReference, kernels: Kernels) -> None:
        disc = trials.disc
        flat = reference.values.reshape(-1).view(np.float32)
        self.volume = Volume(flat, reference.half)
        linear_square = trials.interpolation.linear_square(trials.geometry.scale)
        kx, ky = disc.kx.astype(np.float32), disc.ky.astype(np.float32)
        self.pixels = Pixels(kx, ky, linear_square)
        self.to_padded = trials.geometry.to_model * reference.padding
        self.width, self.flat = disc.width, reference.sphere.flat
        self.n_shells = reference.box // 2 + 1
        self.kernels = kernels

    def __call__(self, angles_deg: Float[Array, "slice 3"]) -> Complex64[Array, "slice pixel"]:
        rows = euler_matrices(angles_deg)[:, :2]
        axes = np.einsum("ij,nik->njk", self.to_padded, rows).reshape(-1, 6)
        out = np.empty((len(axes), self.width), np.float32)
        self.kernels.project(self.volume, axes.astype(np.float32), self.pixels, out)
        return out.view(np.complex64)[:, : len(self.pixels.kx)]


def _smallest_rotations(
    trials: Trials, slices: Complex64[Array, "trial pixel"], project: _Projector
) -> tuple[Float[Array, " trial"], Float[Array, " shell"]]:
    """Return the rotation of each trial, and what each shell contributed to finding them.

    One of the three angles is varied; of a 2D reference psi.
    """
    varied = np.searchsorted((0.3333, 0.6667), trials.choice, side="right")
    if project.flat:
        varied[:] = PSI
    found = np.zeros(len(slices))
    per_shell = np.zeros(project.n_shells)
    left = np.arange(len(slices))
    for angle in ROTATIONS_DEG:
        turned = trials.angles_deg[left]
        turned[np.arange(len(left)), varied[left]] += angle
        change = project(turned) - slices[left]
        terms = (change.real**2 + change.imag**2) * trials.precision[left]
        enough = terms.sum(axis=1) > LOG_ODDS
        enough |= angle == ROTATIONS_DEG[-1]
        found[left[enough]] = angle
        summed = terms[enough].sum(axis=0)
        per_shell += np.bincount(trials.disc.shell, summed, minlength=project.n_shells)
        left = left[~enough]
        if len(left) == 0:
            break
    return found, per_shell


def _smallest_shifts(
    trials: Trials, slices: Complex64[Array, "trial pixel"]
) -> Float[Array, " trial"]:
    """Return the shift of each trial, px: |1 - exp(-2πi k t / box)|² = 2 - 2 cos(2π k t / box)."""
    power = (slices.real**2 + slices.imag**2) * trials.precision
    found = np.empty(len(slices))
    for axis, frequency in enumerate((trials.disc.kx, trials.disc.ky)):
        own = np.flatnonzero((trials.choice >= 0.5) == axis)
        turns = np.multiply.outer(SHIFTS_PX, frequency) / trials.geometry.box
        change = 2.0 - 2.0 * np.cos(2.0 * np.pi * turns)
        # Not a matrix product: its rounding would depend on the threads of the library.
        enough = np.einsum("tp,sp->ts", power[own], change) > LOG_ODDS
        enough[:, -1] = True
        found[own] = SHIFTS_PX[enough.argmax(axis=1)]
    return found
