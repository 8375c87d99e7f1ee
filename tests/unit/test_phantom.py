import numpy as np
import pytest
from numpy import ndarray as Array
from scipy.spatial.transform import Rotation

from halfmap.model.fourier import low_pass, radial_mean, shells_3d, transform_3d
from halfmap.model.phantom import TURN_DEG, _helix, phantom_atoms
from halfmap.model.scattering import AMORPHOUS_ICE_A_2, Atoms, extent_A
from halfmap.steps.density_from_atoms import density_from_atoms

DIAMETER_A = 125.0


@pytest.fixture(scope="module")
def atoms() -> Atoms:
    return phantom_atoms(DIAMETER_A, seed=0)


def coarse_map(atoms: Atoms, turn: Array) -> Array:
    """A map of the turned particle at a fifth of its diameter, in as few voxels as that needs."""
    some = slice(None, None, 10)  # the outline needs no more
    turned = Atoms(
        atoms.positions_A[some] @ turn.T,
        atoms.kind[some],
        atoms.occupancy[some],
        atoms.b_factor_A2[some],
        atoms.scatterers,
    )
    box, pixel_A = 20, 1.6 * DIAMETER_A / 20
    density = density_from_atoms(turned, box, pixel_A, AMORPHOUS_ICE_A_2)
    return low_pass(density, pixel_A, DIAMETER_A / 5).ravel()


def correlations(atoms: Atoms, turns: list[Array]) -> list[float]:
    upright = coarse_map(atoms, np.eye(3))
    return [np.corrcoef(upright, coarse_map(atoms, turn))[0, 1] for turn in turns]


def test_the_same_seed_gives_the_same_particle_and_another_seed_another(atoms: Atoms) -> None:
    again, other = (phantom_atoms(DIAMETER_A, seed) for seed in (0, 1))

    np.testing.assert_array_equal(atoms.positions_A, again.positions_A)
    assert len(atoms) != len(other)


@pytest.mark.parametrize("diameter_A", [25.0, 60.0, 200.0])
@pytest.mark.parametrize("seed", range(5))
def test_it_just_fits_into_its_sphere(diameter_A: float, seed: int) -> None:
    atoms = phantom_atoms(diameter_A, seed)

    assert extent_A(atoms) == pytest.approx(diameter_A)
    np.testing.assert_allclose(atoms.occupancy @ atoms.positions_A, 0.0, atol=1e-6)


def test_no_rotation_brings_it_back_onto_itself(atoms: Atoms) -> None:
    random = [r for r in Rotation.random(60, random_state=1) if r.magnitude() > np.deg2rad(35)]
    axes = Rotation.random(20, random_state=2).apply([0.0, 0.0, 1.0])
    twofold = [Rotation.from_rotvec(np.pi * axis) for axis in axes]

    found = correlations(atoms, [r.as_matrix() for r in random + twofold])

    # The ribosome, at a fifth of its diameter, reaches 0.86; a true symmetry would give 1.
    assert max(found) < 0.85


def test_its_mirror_image_is_another_particle(atoms: Atoms) -> None:
    mirror = np.diag([1.0, 1.0, -1.0])
    turns = [r.as_matrix() @ mirror for r in Rotation.random(60, random_state=3)]

    assert max(correlations(atoms, turns)) < 0.85


def test_its_helices_are_right_handed(rng: np.random.Generator) -> None:
    helix = _helix(12, rng)

    backbone = np.isclose(np.hypot(*helix[:, :2].T), 2.28)  # the alpha carbons
    turns = np.diff(np.unwrap(np.arctan2(helix[backbone, 1], helix[backbone, 0])))
    assert (np.diff(helix[backbone, 2]) > 0).all()
    np.testing.assert_allclose(np.degrees(turns), TURN_DEG)


def test_there_is_something_to_see_in_every_shell_up_to_nyquist(atoms: Atoms) -> None:
    box, pixel_A = 64, 3.0

    density = density_from_atoms(atoms, box, pixel_A, AMORPHOUS_ICE_A_2)

    shells = box // 2 - 1  # the outermost one is cut by the sphere
    power = radial_mean(np.abs(transform_3d(density)) ** 2, shells_3d(box), shells)
    # Like a protein's, the spectrum levels off beyond 10 A; it has no gaps and no zeros.
    assert power[3:].min() > 1e-5 * power[1]
    assert (power[4:] / power[3:-1] > 0.2).all()
