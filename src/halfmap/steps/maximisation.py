"""From the sums of one half-set to what they say about signal and noise, shell by shell.

The order of a maximisation: complete the sums (`halfmap.steps.complete_sums`), [exchange with the
other half: `halfmap.steps.half_maps`], spectra, reconstruct (`halfmap.steps.reconstruction`).
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray as Array

from halfmap.kernels.numba_sums import covered_in_plane, weights_of_plane
from halfmap.model.fsc import signal_to_noise
from halfmap.model.prior_precision import NO_PRIOR_WEIGHT
from halfmap.model.sums import FourierSums
from halfmap.steps.phases import Empty, Phase, Phases, alone, own_memory


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


@dataclass(frozen=True, slots=True)
class KnownSignal:
    """What is known of the signal of a class before its spectra are estimated."""

    reference_power: Float[Array, " shell"] | None
    """tau2 of the reference of this iteration; not used, and may be None, where there is an FSC."""
    fudge: float
    """Factor on tau2 (``--tau2_fudge``)."""
    fsc: Float[Array, " shell"] | None = None
    """Gold-standard FSC; with it the signal is known from the halves, and the ratio of data to
    prior is that of signal to noise."""
    joined: bool = False
    """The sums hold both halves."""


def spectra(
    sums: FourierSums,
    box: int,
    reference_power: Float[Array, " shell"] | None,
    fudge: float,
    fsc: Float[Array, " shell"] | None = None,
    joined: bool = False,
) -> Spectra:
    """Do what `estimated_spectra` does, here; arguments as the fields of `KnownSignal`."""
    return alone(estimated_spectra(sums, box, KnownSignal(reference_power, fudge, fsc, joined)))


def estimated_spectra(
    sums: FourierSums, box: int, known: KnownSignal, empty: Empty = own_memory
) -> Phases[Spectra]:
    """Estimate noise and signal of a reconstruction.

    Parameters
    ----------
    sums
        Hermitian and symmetrised.
    box
        Box of the map, px.
    known
        Of the signal.
    empty
        Makes the spectra of planes.

    References
    ----------
    Scheres (2012), J. Struct. Biol. 180, 519-530; Scheres & Chen (2012), Nat. Methods 9, 853-854.
    """
    n = box // 2 + 1
    shell_of = shells_inside(sums, n)
    of_planes = empty((len(sums.planes_of_z), 3, n + 1), np.float64)

    def add_weights(z: int) -> None:
        of_planes[z] = 0.0
        weights_of_plane(sums.packed, z, shell_of, of_planes[z])

    yield Phase(len(of_planes), add_weights)
    weight, squared_weight, count = of_planes.sum(axis=0)[:, :n]
    scale, fudge = sums.sphere.oversampled, known.fudge
    total = scale * weight
    variance = np.divide(count, total, out=np.zeros_like(total), where=total > 0.0)
    if known.fsc is not None:
        ratio = fudge * signal_to_noise(known.fsc, of_joined_map=known.joined)
        signal = ratio * variance
    elif known.reference_power is not None:
        signal = known.reference_power
        prior_ratio = np.where(
            signal > 0.0, scale * fudge * signal * weight, NO_PRIOR_WEIGHT * squared_weight
        )
        ratio = np.where(count > 0, prior_ratio / np.maximum(count, 1), 999.0)
        ratio[sums.r_max + 1 :] = 0.0
    else:
        raise TypeError("spectra need the power of the reference or an FSC")
    covered = yield from _covered(sums, scale * fudge * signal, shell_of, empty)
    return Spectra(variance, signal, ratio, covered / np.maximum(count, 1))


def _covered(
    sums: FourierSums, prior: Float[Array, " shell"], shell_of: Int[Array, " square"], empty: Empty
) -> Phases[Float[Array, " shell"]]:
    """Count the voxels of each shell whose weight times ``prior`` is at least one."""
    n = len(prior)
    needed = np.divide(1.0, prior, out=np.full(n, NO_PRIOR_WEIGHT**-0.5), where=prior > 0.0)
    needed = np.append(needed, np.inf)
    of_planes = empty((len(sums.planes_of_z), n + 1), np.float64)

    def count(z: int) -> None:
        of_planes[z] = 0.0
        covered_in_plane(sums.packed, z, shell_of, needed, of_planes[z])

    yield Phase(len(of_planes), count)
    return np.asarray(of_planes.sum(axis=0)[:n])


def shells_inside(sums: FourierSums, n_shells: int) -> Int[Array, " square"]:
    """Return the shell of each K²; it is ``n_shells`` outside the open sphere."""
    shell_of = sums.sphere.shell_of_square().astype(np.int32)
    shell_of[sums.sphere.reach**2 :] = n_shells
    return shell_of
