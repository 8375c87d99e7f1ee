"""Priors on orientations: which of the grid are near a particle's prior, and how probable.

An image of a particle with symmetry shows a whole set of orientations, ``L A R`` for every
operator of its group (`halfmap.model.symmetry`). Two groups count here:

* the particle's own symmetry: the grid holds one orientation of each set, and a *direction* is as
  near to the prior as the nearest of its mates;
* a relaxed symmetry, which the particle has only nearly: which of the mates is the right one is
  open, so the prior of ``A`` is the mean of the priors at all its mates ``L A R``. The mate is that
  of the whole orientation: its in-plane angle changes with its direction.
"""

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray as Array

from halfmap.model.orientations import direction_pixels, psi_angles_deg
from halfmap.model.rotations import direction_vectors, euler_angles, euler_matrices
from halfmap.model.sampling import Sampling
from halfmap.model.symmetry import PointGroup, point_group

CUTOFF_SIGMA = 3.0
"""Orientations at this many sigma or more from the prior are not looked at."""


@dataclass(frozen=True, slots=True)
class LocalGrid:
    """What the local searches of all particles of an iteration share."""

    directions: Float[Array, "3 direction"]
    """Unit vectors of `direction_pixels`, a column each."""
    psi_deg: Float[Array, " psi"]
    operators: Float[Array, "operator 3 3"]
    """Rotations of a direction to its mates, identity first."""
    mate_psi_deg: Float[Array, "operator direction"] | None
    """With a relaxed symmetry: what each operator adds to the in-plane angle; else None."""
    sigma_deg: tuple[float, float, float]
    """Widths of the priors on rot, tilt, psi; 0 leaves an angle free."""
    bimodal: bool
    """An in-plane angle and its opposite are alike, and so are a direction and its opposite."""


@dataclass(frozen=True, slots=True)
class LocalOrientations:
    """The orientations around one particle's prior.

    Directions outer, psi inner. Unperturbed, as the prior is.
    """

    direction: Int[Array, " pair"]
    """Index into `direction_pixels` (not the HEALPix pixel)."""
    psi: Int[Array, " pair"]
    """Index into `psi_angles_deg`."""
    log_prior: Float[Array, " pair"]
    """Natural logarithm of the prior; the priors of a particle sum to 1."""


def local_grid(sampling: Sampling) -> LocalGrid:
    """Prepare the local searches of an iteration.

    Raises
    ------
    ValueError
        If the sampling has no priors: a global search takes every orientation.
    """
    if sampling.prior_sigma_deg is None:
        raise ValueError("a local search needs sampling.prior_sigma_deg")
    _, angles = direction_pixels(sampling)
    relaxed = sampling.relaxed_symmetry
    group = point_group(relaxed or sampling.symmetry)
    return LocalGrid(
        directions=np.ascontiguousarray(direction_vectors(angles).T),
        psi_deg=psi_angles_deg(sampling),
        operators=group.direction_operators,
        mate_psi_deg=_mate_psi_deg(group, angles) if relaxed else None,
        sigma_deg=sampling.prior_sigma_deg,
        bimodal=sampling.bimodal_psi,
    )


def allowed_share(grid: LocalGrid) -> float:
    """Return roughly which part of all orientations the prior of a particle allows."""
    sigma_rot, sigma_tilt, sigma_psi = grid.sigma_deg
    reach = math.radians(CUTOFF_SIGMA * max(sigma_rot, sigma_tilt))
    if sigma_rot > 0.0 and sigma_tilt > 0.0:
        directions = 0.5 * (1.0 - math.cos(min(reach, math.pi)))
    else:
        directions = math.sin(min(reach, math.pi / 2.0)) if reach > 0.0 else 1.0
    of_psi = min(2.0 * CUTOFF_SIGMA * sigma_psi / 360.0, 1.0) if sigma_psi > 0.0 else 1.0
    opposites = 2.0 if grid.bimodal else 1.0
    shares = (directions * opposites * len(grid.operators), of_psi * opposites)
    return min(shares[0], 1.0) * min(shares[1], 1.0)


def _mate_psi_deg(
    group: PointGroup, angles_deg: Float[Array, "direction 2"]
) -> Float[Array, "operator direction"]:
    """Return the psi of ``L A R`` where that of ``A`` is 0.

    Both turn together, since ``L Rz(psi) = Rz(psi) L``.
    """
    unturned = euler_matrices(np.column_stack([angles_deg, np.zeros(len(angles_deg))]))
    shifts = np.zeros((group.n_operators, len(angles_deg)))
    for shift, left, right in zip(shifts[1:], group.left, group.right, strict=True):
        shift[:] = euler_angles(left @ unturned @ right)[:, 2]
    return shifts


def local_orientations(grid: LocalGrid, prior_angles_deg: Float[Array, " 3"]) -> LocalOrientations:
    """Select the orientations within three sigma of a particle's prior, with their log-prior.

    Direction and psi are independent. With sigmas for rot and tilt the prior is a Gaussian of the
    larger one in the angle between directions; with one of them, in the distance from the meridian
    of the prior, or in tilt. Where nothing is near enough the nearest alone is kept.

    Parameters
    ----------
    prior_angles_deg
        rot, tilt, psi at the centre of the prior.
    """
    prior = np.asarray(prior_angles_deg)
    if grid.mate_psi_deg is not None:
        return _at_all_mates(grid, grid.mate_psi_deg, prior)
    direction, log_direction = _near_directions(grid, grid.operators, prior[:2])
    psi, log_psi = _within_cutoff(_psi_away(grid, grid.psi_deg, prior[2]), grid.sigma_deg[2])
    return LocalOrientations(
        direction=np.repeat(direction, len(psi)),
        psi=np.tile(psi, len(direction)),
        log_prior=(log_direction[:, None] + log_psi).ravel(),
    )


def _at_all_mates(
    grid: LocalGrid, mate_psi_deg: Float[Array, "operator direction"], prior: Float[Array, " 3"]
) -> LocalOrientations:
    """Select around the prior and all its mates; where their cones overlap, priors add up."""
    n_psi = len(grid.psi_deg)
    pairs, priors = [], []
    for operator, turn in zip(grid.operators, mate_psi_deg, strict=True):
        direction, log_direction = _near_directions(grid, operator[None], prior[:2])
        away = _psi_away(grid, grid.psi_deg + turn[direction, None], prior[2])
        log_psi = _log_priors(away, grid.sigma_deg[2])
        row, psi = np.nonzero(np.isfinite(log_psi))
        pairs.append(direction[row] * n_psi + psi)
        priors.append(np.exp(log_direction[row] + log_psi[row, psi]))
    found, place = np.unique(np.concatenate(pairs), return_inverse=True)
    total = np.bincount(place, np.concatenate(priors)) / len(grid.operators)
    return LocalOrientations(found // n_psi, found % n_psi, np.log(total))


def _near_directions(
    grid: LocalGrid, operators: Float[Array, "operator 3 3"], prior_deg: Float[Array, " 2"]
) -> tuple[Array, Array]:
    """Select directions by their nearest mate under some operators."""
    sigma_rot, sigma_tilt, _ = grid.sigma_deg
    if sigma_rot > 0.0 and sigma_tilt > 0.0:
        return _in_cone(grid, operators, prior_deg, max(sigma_rot, sigma_tilt))
    if sigma_rot > 0.0:
        off_meridian = direction_vectors(np.array([prior_deg[0] + 90.0, 90.0]))
        # operators act on the direction: d' = D d, so v · d' = (v D) · d
        sines = np.abs(off_meridian @ operators @ grid.directions).min(axis=0)
        return _within_cutoff(np.degrees(np.arcsin(np.minimum(sines, 1.0))), sigma_rot)
    cosines = np.clip(operators[:, 2] @ grid.directions, -1.0, 1.0)
    tilt = np.degrees(np.arccos(cosines))
    away = np.abs(tilt - prior_deg[1])
    if grid.bimodal:
        away = np.minimum(away, np.abs(180.0 - tilt - prior_deg[1]))
    return _within_cutoff(away.min(axis=0), sigma_tilt)


def _in_cone(
    grid: LocalGrid,
    operators: Float[Array, "operator 3 3"],
    prior_deg: Float[Array, " 2"],
    sigma_deg: float,
) -> tuple[Array, Array]:
    """Select by the angle to the prior; most directions are dismissed by their cosine alone."""
    each = direction_vectors(prior_deg) @ operators @ grid.directions
    cosines = (np.abs(each) if grid.bimodal else each).max(axis=0)
    cutoff_deg = min(CUTOFF_SIGMA * sigma_deg, 180.0)
    near = np.flatnonzero(cosines >= math.cos(math.radians(cutoff_deg)))
    if len(near) == 0:
        near = np.array([cosines.argmax()])
    angle = np.degrees(np.arccos(np.clip(cosines[near], -1.0, 1.0)))
    kept, log_prior = _within_cutoff(angle, sigma_deg)
    return near[kept], log_prior


def _psi_away(grid: LocalGrid, psi_deg: Float[Array, "*row psi"], prior_deg: float) -> Array:
    """Return how far in-plane angles are from the prior, the short way round."""
    period = 180.0 if grid.bimodal else 360.0
    turn = np.abs(psi_deg - prior_deg) % period
    return np.asarray(np.minimum(turn, period - turn))


def _within_cutoff(deviation_deg: Float[Array, " n"], sigma_deg: float) -> tuple[Array, Array]:
    """Return the indices within the cutoff, or the nearest one, and their normalised log-prior."""
    log_prior = _log_priors(deviation_deg[None], sigma_deg)[0]
    kept = np.flatnonzero(np.isfinite(log_prior))
    return kept, log_prior[kept]


def _log_priors(deviation_deg: Float[Array, "row n"], sigma_deg: float) -> Float[Array, "row n"]:
    """Return the normalised log-prior of each row: -inf beyond the cutoff, but for the nearest."""
    if sigma_deg <= 0.0:
        return np.full(deviation_deg.shape, -math.log(deviation_deg.shape[1]))
    log_prior = -0.5 * (deviation_deg / sigma_deg) ** 2
    log_prior[deviation_deg >= CUTOFF_SIGMA * sigma_deg] = -np.inf
    empty = log_prior.max(axis=1) == -np.inf
    if empty.any():
        log_prior[empty, deviation_deg[empty].argmin(axis=1)] = 0.0
    return np.asarray(log_prior - np.logaddexp.reduce(log_prior, axis=1, keepdims=True))
