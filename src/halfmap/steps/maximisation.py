"""From the sums of one half-set to what they say about signal and noise, shell by shell.

The order of a maximisation: complete the plane x = 0, symmetrise, [exchange with the other half:
`halfmap.steps.half_maps`], spectra, reconstruct (`halfmap.steps.reconstruction`).
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray as Array

from halfmap.kernels.numba_symmetry import sum_over_operators
from halfmap.model.fsc import signal_to_noise
from halfmap.model.padded_transform import slabs
from halfmap.model.sums import FourierSums
from halfmap.model.symmetry import PointGroup
from halfmap.model.touched_voxels import row_starts

NO_PRIOR_WEIGHT = 0.001
"""Where the reference has no power, the inverse prior is 1 / (this * weight): RELION's stand-in."""


@dataclass(frozen=True, slots=True)
class Spectra:
    """Shells 0 to box/2 of one class."""

    map_variance: Float[Array, " shell"]
    """Noise power of the reconstruction, per real component; 0 where there are no data."""
    signal_variance: Float[Array, " shell"]
    """tau2."""
    data_vs_prior: Float[Array, " shell"]
    fourier_coverage: Float[Array, " shell"]
    """Fraction of voxels where the data outweigh the prior."""


def hermitian(sums: FourierSums) -> FourierSums:
    """Add to each voxel of the plane x = 0 its Friedel mate, which was summed separately.

    In place: ``sums`` change and are returned. The origin is its own mate and stays.
    """
    starts = row_starts(sums.sphere)
    first = starts[:-1][np.diff(starts) > 0]  # of each row x = 0; its mate's row is as far from
    plane = sums.values[first]  # the other end
    mates = plane[::-1] * [1.0, -1.0, 1.0]
    mates[len(mates) // 2] = 0.0
    sums.values[first] = plane + mates
    return sums


def symmetrise(sums: FourierSums, group: PointGroup, n_threads: int = 1) -> FourierSums:
    """Add to each voxel the values interpolated at its symmetry mates; C1 returns ``sums``.

    Nothing is divided by the number of operators: signal and weight grow alike. Voxels outside
    the sphere stay as they are.
    """
    if len(group.right) == 0:
        return sums
    return replace(
        sums, values=sum_over_operators(sums.values, sums.sphere, group.right, n_threads)
    )


def spectra(
    sums: FourierSums,
    box: int,
    reference_power: Float[Array, " shell"] | None,
    fudge: float,
    fsc: Float[Array, " shell"] | None = None,
    joined: bool = False,
) -> Spectra:
    """Estimate noise and signal of a reconstruction.

    Parameters
    ----------
    sums
        Hermitian and symmetrised.
    box
        Box of the map, px.
    reference_power
        tau2 of the reference of this iteration; not used, and may be None, where there is an FSC.
    fudge
        Factor on tau2 (``--tau2_fudge``).
    fsc
        Gold-standard FSC; with it the signal is known from the halves, and the ratio of data to
        prior is that of signal to noise.
    joined
        ``sums`` hold both halves.

    References
    ----------
    Scheres (2012), J. Struct. Biol. 180, 519-530; Scheres & Chen (2012), Nat. Methods 9, 853-854.
    """
    weight, squared_weight, count = _weight_sums(sums, box)
    scale = sums.sphere.oversampled
    total = scale * weight
    variance = np.divide(count, total, out=np.zeros_like(total), where=total > 0.0)
    if fsc is not None:
        ratio = fudge * signal_to_noise(fsc, of_joined_map=joined)
        signal = ratio * variance
    elif reference_power is not None:
        signal = reference_power
        prior_ratio = np.where(
            signal > 0.0, scale * fudge * signal * weight, NO_PRIOR_WEIGHT * squared_weight
        )
        ratio = np.where(count > 0, prior_ratio / np.maximum(count, 1), 999.0)
        ratio[sums.r_max + 1 :] = 0.0
    else:
        raise TypeError("spectra() needs the power of the reference or an FSC")
    coverage = _coverage(sums, scale * fudge * signal) / np.maximum(count, 1)
    return Spectra(variance, signal, ratio, coverage)


def _weight_sums(
    sums: FourierSums, box: int
) -> tuple[Float[Array, " shell"], Float[Array, " shell"], Int[Array, " shell"]]:
    """Sum the weight, its square and the number of voxels in each shell."""
    n = box // 2 + 1
    weight, squared, count = np.zeros(n + 1), np.zeros(n + 1), np.zeros(n + 1, np.int64)
    for shell, w in _shells_and_weights(sums, n):
        weight += np.bincount(shell, w, minlength=n + 1)
        squared += np.bincount(shell, w * w, minlength=n + 1)
        count += np.bincount(shell, minlength=n + 1)
    return weight[:n], squared[:n], count[:n]


def _coverage(sums: FourierSums, prior: Float[Array, " shell"]) -> Float[Array, " shell"]:
    """Count the voxels of each shell whose weight times ``prior`` is at least one."""
    n = len(prior)
    covered = np.zeros(n + 1)
    needed = np.divide(1.0, prior, out=np.full(n, NO_PRIOR_WEIGHT**-0.5), where=prior > 0.0)
    needed = np.append(needed, np.inf)
    for shell, w in _shells_and_weights(sums, n):
        covered += np.bincount(shell[w >= needed[shell]], minlength=n + 1)
    return covered[:n]


def _shells_and_weights(
    sums: FourierSums, n_shells: int
) -> Iterator[tuple[Int[Array, " voxel"], Float[Array, " voxel"]]]:
    """Yield shell and weight of all voxels; the shell is ``n_shells`` outside the open sphere."""
    sphere = sums.sphere
    shell_of = sphere.shell_of_square()
    shell_of[sphere.reach**2 :] = n_shells
    n_z, n_y, n_x = sphere.shape
    for z in slabs(n_z, 8 * n_y * n_x):
        yield shell_of[sphere.squared_radius(z=z)].ravel(), sums.weight_planes(z).ravel()
