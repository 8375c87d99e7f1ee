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
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Float32, Int
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
    """The orientations around the priors of some particles, one particle after the other.

    Directions outer, psi inner. Unperturbed, as the priors are.
    """

    first: Int[Array, " particle_and_1"]
    """Where those of each particle begin, and the end."""
    direction: Int[Array, " pair"]
    """Index into `direction_pixels` (not the HEALPix pixel)."""
    psi: Int[Array, " pair"]
    """Index into `psi_angles_deg`."""
    log_prior: Float[Array, " pair"]
    """Natural logarithm of the prior; the priors of a particle sum to 1."""

    @property
    def particle(self) -> Int[Array, " pair"]:
        """Which particle each is of."""
        return np.repeat(np.arange(len(self.first) - 1), np.diff(self.first))

    @property
    def relative_log_prior(self) -> Float32[Array, " pair"]:
        """The logarithm of the prior over the mean of the particle's own."""
        mean = np.logaddexp.reduceat(self.log_prior, self.first[:-1]) - np.log(np.diff(self.first))
        relative = self.log_prior - np.repeat(mean, np.diff(self.first))
        return np.asarray(relative.astype(np.float32))


class _Ragged(NamedTuple):
    """Some of a list, with a number each, for each of several rows; none is empty."""

    first: Int[Array, " row_and_1"]
    member: Int[Array, " n"]
    value: Float[Array, " n"]

    @property
    def counts(self) -> Int[Array, " row"]:
        """How many each row has."""
        return np.diff(self.first)


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


def local_orientations(
    grid: LocalGrid, prior_angles_deg: Float[Array, "*particle 3"]
) -> LocalOrientations:
    """Select the orientations within three sigma of each particle's prior, with their log-prior.

    Direction and psi are independent. With sigmas for rot and tilt the prior is a Gaussian of the
    larger one in the angle between directions; with one of them, in the distance from the meridian
    of the prior, or in tilt. Where nothing is near enough the nearest alone is kept.

    Parameters
    ----------
    prior_angles_deg
        rot, tilt, psi at the centre of the prior: of one particle, or of several.
    """
    priors = np.asarray(prior_angles_deg).reshape(-1, 3)
    if grid.mate_psi_deg is not None:
        return _joined([_at_all_mates(grid, grid.mate_psi_deg, prior) for prior in priors])
    directions = _near_directions(grid, grid.operators, priors[:, :2])
    away = _psi_away(grid, grid.psi_deg, priors[:, 2:])
    return _pairs(directions, _within_cutoff(_whole_rows(away), grid.sigma_deg[2]))


def _pairs(directions: _Ragged, psis: _Ragged) -> LocalOrientations:
    """Combine each direction of a particle with each of its in-plane angles."""
    n_psi = np.repeat(psis.counts, directions.counts)
    end = np.cumsum(n_psi)
    # of each pair: its place in ``psis``, which starts anew with every direction
    restart = np.repeat(psis.first[:-1], directions.counts) - (end - n_psi)
    psi = np.arange(n_psi.sum()) + np.repeat(restart, n_psi)
    return LocalOrientations(
        first=np.concatenate([[0], np.cumsum(directions.counts * psis.counts)]),
        direction=np.repeat(directions.member, n_psi),
        psi=psis.member[psi],
        log_prior=np.repeat(directions.value, n_psi) + psis.value[psi],
    )


def _joined(found: Sequence[LocalOrientations]) -> LocalOrientations:
    """Return those of single particles as one list."""
    return LocalOrientations(
        first=np.cumsum([0, *(len(own.psi) for own in found)]),
        direction=np.concatenate([own.direction for own in found]),
        psi=np.concatenate([own.psi for own in found]),
        log_prior=np.concatenate([own.log_prior for own in found]),
    )


def _at_all_mates(
    grid: LocalGrid, mate_psi_deg: Float[Array, "operator direction"], prior: Float[Array, " 3"]
) -> LocalOrientations:
    """Select around a prior and all its mates; where their cones overlap, priors add up."""
    n_psi = len(grid.psi_deg)
    pairs, priors = [], []
    for operator, turn in zip(grid.operators, mate_psi_deg, strict=True):
        _, direction, log_direction = _near_directions(grid, operator[None], prior[None, :2])
        away = _psi_away(grid, grid.psi_deg + turn[direction, None], prior[2])
        psi = _within_cutoff(_whole_rows(away), grid.sigma_deg[2])
        pairs.append(np.repeat(direction, psi.counts) * n_psi + psi.member)
        priors.append(np.exp(np.repeat(log_direction, psi.counts) + psi.value))
    found, place = np.unique(np.concatenate(pairs), return_inverse=True)
    total = np.bincount(place, np.concatenate(priors)) / len(grid.operators)
    return LocalOrientations(
        np.array([0, len(found)]), found // n_psi, found % n_psi, np.log(total)
    )


def _near_directions(
    grid: LocalGrid,
    operators: Float[Array, "operator 3 3"],
    priors_deg: Float[Array, "particle 2"],
) -> _Ragged:
    """Select directions by their nearest mate under some operators."""
    sigma_rot, sigma_tilt, _ = grid.sigma_deg
    if sigma_rot > 0.0 and sigma_tilt > 0.0:
        widest = max(sigma_rot, sigma_tilt)
        return _within_cutoff(_cones(grid, operators, priors_deg, widest), widest)
    if sigma_rot > 0.0:
        on_equator = np.full(len(priors_deg), 90.0)
        off_meridian = direction_vectors(np.column_stack([priors_deg[:, 0] + 90.0, on_equator]))
        # operators act on the direction: d' = D d, so v · d' = (v D) · d
        sines = [np.abs(v @ operators @ grid.directions).min(axis=0) for v in off_meridian]
        away = np.degrees(np.arcsin(np.minimum(sines, 1.0)))
        return _within_cutoff(_whole_rows(away), sigma_rot)
    tilt = np.degrees(np.arccos(np.clip(operators[:, 2] @ grid.directions, -1.0, 1.0)))
    if grid.bimodal:
        tilt = np.concatenate([tilt, 180.0 - tilt])
    away = np.array([np.abs(tilt - prior).min(axis=0) for prior in priors_deg[:, 1]])
    return _within_cutoff(_whole_rows(away), sigma_tilt)


def _cones(
    grid: LocalGrid,
    operators: Float[Array, "operator 3 3"],
    priors_deg: Float[Array, "particle 2"],
    sigma_deg: float,
) -> _Ragged:
    """Return angles to each prior; most directions are dismissed by their cosine alone."""
    least = math.cos(math.radians(min(CUTOFF_SIGMA * sigma_deg, 180.0)))
    near, cosines = [], []
    for vector in direction_vectors(priors_deg):
        each = vector @ operators @ grid.directions
        cosine = (np.abs(each) if grid.bimodal else each).max(axis=0)
        (own,) = np.nonzero(cosine >= least)
        near.append(own if len(own) else cosine.argmax(keepdims=True))
        cosines.append(cosine[near[-1]])
    angles = np.degrees(np.arccos(np.clip(np.concatenate(cosines), -1.0, 1.0)))
    return _Ragged(np.cumsum([0, *map(len, near)]), np.concatenate(near), angles)


def _psi_away(
    grid: LocalGrid, psi_deg: Float[Array, "*row psi"], prior_deg: float | Float[Array, "row 1"]
) -> Float[Array, "row psi"]:
    """Return how far in-plane angles are from the prior, the short way round."""
    period = 180.0 if grid.bimodal else 360.0
    turn = np.abs(psi_deg - prior_deg) % period
    return np.asarray(np.minimum(turn, period - turn))


def _whole_rows(values: Float[Array, "row n"]) -> _Ragged:
    """Return whole rows as lists of some."""
    n_rows, n = values.shape
    return _Ragged(np.arange(n_rows + 1) * n, np.tile(np.arange(n), n_rows), values.ravel())


def _within_cutoff(deviation_deg: _Ragged, sigma_deg: float) -> _Ragged:
    """Select of each row what is within the cutoff, or the nearest; return the log-priors.

    Those of a row sum to 1.
    """
    first, index, away = deviation_deg
    if sigma_deg <= 0.0:
        even = -np.log(deviation_deg.counts)
        return _Ragged(first, index, np.repeat(even, deviation_deg.counts))
    kept = away < CUTOFF_SIGMA * sigma_deg
    for row in np.flatnonzero(np.minimum.reduceat(away, first[:-1]) >= CUTOFF_SIGMA * sigma_deg):
        kept[first[row] + away[first[row] : first[row + 1]].argmin()] = True
    n_kept = np.add.reduceat(kept, first[:-1], dtype=np.int64)
    start = np.concatenate([[0], np.cumsum(n_kept)])
    log_prior = -0.5 * (away[kept] / sigma_deg) ** 2
    log_total = np.logaddexp.reduceat(log_prior, start[:-1])
    return _Ragged(start, index[kept], log_prior - np.repeat(log_total, n_kept))
