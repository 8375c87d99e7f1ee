from dataclasses import replace

import gemmi
import numpy as np
import pytest
from numpy import ndarray as Array

from halfmap.errors import OptionError
from halfmap.model.fourier import frequencies_3d, radii, transform_3d
from halfmap.model.phantom import CARBON
from halfmap.model.scattering import (
    AMORPHOUS_ICE_A_2,
    VOLT_A2,
    Atoms,
    Scatterers,
    centred,
    extent_A,
    form_factors,
)
from halfmap.steps.density_from_atoms import density_from_atoms

BOX, PIXEL_A = 32, 1.5


def carbons(positions_A: list[list[float]], b_factor_A2: float = 40.0) -> Atoms:
    n = len(positions_A)
    return Atoms(
        np.array(positions_A, dtype=float),
        np.zeros(n, int),
        np.ones(n),
        np.full(n, b_factor_A2),
        CARBON,
    )


@pytest.fixture
def mixture(rng: np.random.Generator) -> Atoms:
    """Forty atoms of three elements, with different occupancies and B factors."""
    elements = [gemmi.Element(name) for name in ("C", "O", "P")]
    return Atoms(
        positions_A=rng.uniform(-12.0, 12.0, (40, 3)),
        kind=rng.integers(0, 3, 40),
        occupancy=rng.uniform(0.3, 1.0, 40),
        b_factor_A2=rng.uniform(20.0, 120.0, 40),
        scatterers=Scatterers(
            ("C", "O", "P"),
            np.array([element.c4322.a for element in elements]),
            np.array([element.c4322.b for element in elements]),
            np.array([16.44, 9.13, 5.73]),
        ),
    )


def test_a_scattering_length_becomes_a_potential_by_planck_over_mass_and_charge() -> None:
    h, m, e = 6.626_070_15e-34, 9.109_383_7e-31, 1.602_176_634e-19

    assert pytest.approx(h**2 / (2 * np.pi * m * e) * 1e20, rel=1e-6) == VOLT_A2


def test_the_carbon_of_the_phantom_is_that_of_the_tables() -> None:
    table = gemmi.Element("C").c4322

    np.testing.assert_allclose(CARBON.amplitude_A[0], table.a, rtol=1e-6)
    np.testing.assert_allclose(CARBON.width_A2[0], table.b, rtol=1e-6)


def test_at_zero_frequency_an_atom_scatters_its_length_less_the_solvent_of_its_volume() -> None:
    zero = np.zeros(1)

    in_vacuum, in_ice = (form_factors(CARBON, zero, s)[0, 0] for s in (0.0, AMORPHOUS_ICE_A_2))

    assert in_vacuum == pytest.approx(2.5088)
    assert in_ice == pytest.approx(2.5088 - 16.44 * 0.0946)


def test_an_atom_stands_at_its_x_y_z_from_the_centre_of_the_box() -> None:
    density = density_from_atoms(carbons([[3.0, 6.0, -4.5]]), BOX, PIXEL_A, 0.0)

    z, y, x = np.unravel_index(density.argmax(), density.shape)
    assert (x - 16, y - 16, z - 16) == (2, 4, -3)


def test_the_transform_of_the_density_is_the_sum_over_atoms(mixture: Atoms) -> None:
    density = density_from_atoms(mixture, BOX, PIXEL_A, AMORPHOUS_ICE_A_2)

    frequencies = frequencies_3d(BOX)
    inside = radii(frequencies) < BOX / 2
    per_A = np.stack([k[inside] for k in frequencies[::-1]]) / (BOX * PIXEL_A)
    s2 = (per_A**2).sum(axis=0)
    factors = form_factors(mixture.scatterers, np.sqrt(s2), AMORPHOUS_ICE_A_2)[mixture.kind]
    damping = np.exp(-mixture.b_factor_A2[:, None] * s2 / 4)
    from_corner = mixture.positions_A + BOX // 2 * PIXEL_A
    phases = np.exp(-2j * np.pi * from_corner @ per_A)
    expected = mixture.occupancy @ (factors * damping * phases)
    expected *= VOLT_A2 / (BOX * PIXEL_A) ** 3
    found = transform_3d(density)
    # The common curves are cut at 1e-4; aliasing of the kernel reaches 1e-3 at Nyquist only.
    assert np.linalg.norm(found[inside] - expected) < 5e-4 * np.linalg.norm(expected)
    assert np.abs(found[~inside]).max() < 1e-6 * np.abs(found).max()


def test_the_density_is_that_of_gemmi(mixture: Atoms) -> None:
    # Sharp atoms in fine voxels, so that nothing is left at Nyquist, where ours is cut off.
    box, pixel_A = 48, 0.75
    blurred = replace(mixture, b_factor_A2=np.full(40, 60.0))

    ours = density_from_atoms(blurred, box, pixel_A, 0.0) / VOLT_A2

    # gemmi cuts each atom off where it is below 1e-5.
    assert np.linalg.norm(ours - gemmi_density(blurred, box, pixel_A)) < 2e-3 * np.linalg.norm(ours)


def gemmi_density(atoms: Atoms, box: int, pixel_A: float) -> Array:
    calculator = gemmi.DensityCalculatorE()
    width = box * pixel_A
    calculator.grid.set_unit_cell(gemmi.UnitCell(width, width, width, 90, 90, 90))
    calculator.grid.set_size(box, box, box)
    model = gemmi.Model(1)
    chain, residue = gemmi.Chain("A"), gemmi.Residue()
    for row in range(len(atoms)):
        atom = gemmi.Atom()
        atom.element = gemmi.Element(atoms.scatterers.names[atoms.kind[row]])
        atom.pos = gemmi.Position(*(atoms.positions_A[row] + box // 2 * pixel_A))
        atom.occ, atom.b_iso = atoms.occupancy[row], atoms.b_factor_A2[row]
        residue.add_atom(atom)
    chain.add_residue(residue)
    model.add_chain(chain)
    calculator.initialize_grid()
    calculator.add_model_density_to_grid(model)
    return np.array(calculator.grid).transpose(2, 1, 0)


def test_centring_puts_the_centre_of_scattering_at_the_origin(mixture: Atoms) -> None:
    moved = replace(mixture, positions_A=mixture.positions_A + np.array([100.0, -50.0, 7.0]))

    atoms = centred(moved)

    weight = atoms.occupancy * atoms.scatterers.amplitude_A.sum(axis=1)[atoms.kind]
    np.testing.assert_allclose(weight @ atoms.positions_A, 0.0, atol=1e-9)


def test_atoms_that_do_not_fit_into_the_box_are_refused_with_a_box_that_does() -> None:
    atoms = carbons([[0.0, 0.0, 0.0], [30.0, 0.0, 0.0]])

    with pytest.raises(OptionError, match=r"60 Å across and the box 48 Å.*--box 52"):
        density_from_atoms(atoms, BOX, PIXEL_A, 0.0)
    assert extent_A(atoms) == 60.0
