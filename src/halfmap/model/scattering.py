"""Atoms and what they scatter: electron form factors, B factors, the solvent they displace."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray as Array

VOLT_A2 = 47.877_645
"""h^2 / (2 pi m e): turns a density of scattering lengths (1/A^2) into a potential in volt."""

AMORPHOUS_ICE_A_2 = 0.0946
"""Scattering length per volume of vitreous ice at 0.93 g/cm^3: 0.0311 molecules/A^3, each
f_O(0) + 2 f_H(0) = 1.983 + 2 * 0.529 A. As a potential 4.5 V."""


@dataclass(frozen=True, slots=True)
class Scatterers:
    """Kinds of atoms; a row is an element."""

    names: tuple[str, ...]
    amplitude_A: Float[Array, "kind gaussian"]
    width_A2: Float[Array, "kind gaussian"]
    """``f(s) = sum a exp(-b s^2 / 4)``, s in 1/A."""
    displaced_volume_A3: Float[Array, " kind"]
    """Solvent that one atom takes the place of."""


@dataclass(frozen=True, slots=True)
class Atoms:
    """A structure: where the atoms are and how they scatter."""

    positions_A: Float[Array, "atom 3"]
    """x, y, z."""
    kind: Int[Array, " atom"]
    """Index into ``scatterers``."""
    occupancy: Float[Array, " atom"]
    b_factor_A2: Float[Array, " atom"]
    scatterers: Scatterers

    def __len__(self) -> int:
        return len(self.kind)


def form_factors(
    scatterers: Scatterers, frequency_per_A: Float[Array, " frequency"], solvent_A_2: float
) -> Float[Array, "kind frequency"]:
    """Return the scattering length of each kind of atom above that of the solvent it displaces.

    Parameters
    ----------
    frequency_per_A
        Spatial frequency s = 1/d.
    solvent_A_2
        Scattering length of the solvent per volume (1/A^2); 0 puts the atoms into vacuum.

    Returns
    -------
    Scattering lengths in A. The displaced solvent is a Gaussian of the atom's volume V,
    ``V exp(-pi V^(2/3) s^2)``, which joins those of the neighbours to a flat solvent.

    References
    ----------
    International Tables C (2004), table 4.3.2.2 (the Gaussians, s up to 4/A);
    Fraser, MacRae & Suzuki (1978), J. Appl. Cryst. 11, 693-694 (the solvent).
    """
    s2 = frequency_per_A**2
    gaussians = np.exp(-scatterers.width_A2[..., None] * s2 / 4.0)
    atom = (scatterers.amplitude_A[..., None] * gaussians).sum(axis=1)
    volume = scatterers.displaced_volume_A3[:, None]
    displaced = volume * np.exp(-np.pi * volume ** (2.0 / 3.0) * s2)
    return np.asarray(atom - solvent_A_2 * displaced)


def centred(atoms: Atoms) -> Atoms:
    """Return the atoms with their centre of scattering at the origin."""
    weight = atoms.occupancy * atoms.scatterers.amplitude_A.sum(axis=1)[atoms.kind]
    centre = weight @ atoms.positions_A / weight.sum()
    return Atoms(
        atoms.positions_A - centre,
        atoms.kind,
        atoms.occupancy,
        atoms.b_factor_A2,
        atoms.scatterers,
    )


def extent_A(atoms: Atoms) -> float:
    """Return the diameter of the sphere around the origin that holds all atoms."""
    return float(2.0 * np.sqrt((atoms.positions_A**2).sum(axis=1).max()))
