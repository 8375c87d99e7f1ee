"""A made-up particle that looks like a protein complex and like nothing of its symmetry.

Domains of different sizes stick together; each is a bundle of alpha-helices that winds around
its own axis. So there is something to see, and a hand, at every resolution: the outline and the
domains (20 A and worse), the helices (10 A), their side chains and pitch (5 A).
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy import ndarray as Array

from halfmap.model.scattering import Atoms, Scatterers

CARBON = Scatterers(
    names=("C",),
    amplitude_A=np.array([[0.0893, 0.2563, 0.7570, 1.0487, 0.3575]]),
    width_A2=np.array([[0.2465, 1.7100, 6.4094, 18.6113, 50.2523]]),
    displaced_volume_A3=np.array([16.44]),
)
"""International Tables C (2004), table 4.3.2.2; volume as in Fraser et al. (1978)."""

DOMAIN_RADIUS_A = 18.0
"""Typical; a small particle has at least 6 domains and a large one at most 60."""
FILLING = 0.35
"""Volume of the domains over that of the sphere around them."""
HANDLE_EVERY = 6
"""One domain in so many grows outwards instead of filling the middle."""
HELIX_DISTANCE_A = 9.5
RISE_A = 1.5
"""Per residue of an alpha-helix, with a turn of 100 degrees."""
TURN_DEG = 100.0
WINDING_DEG = 25.0
"""Slant of the outermost helices of a domain against its axis; all to the same side."""


@dataclass(frozen=True, slots=True)
class _Domain:
    centre_A: Float[Array, " 3"]
    radius_A: float
    density: float
    b_factor_A2: float


def phantom_atoms(diameter_A: float, seed: int) -> Atoms:
    """Return the atoms of an asymmetric particle.

    Parameters
    ----------
    diameter_A
        Diameter of the sphere around the centre of mass that just holds it.
    seed
        Another seed gives another particle.

    Returns
    -------
    Atoms, all of them carbon; denser domains (as of nucleic acid) have occupancies above 1.
    Their centre is at the origin.
    """
    rng = np.random.default_rng(seed)
    domains = _domains(diameter_A, rng)
    bundles = [_bundle(domain, rng) for domain in domains]
    owner = np.repeat(np.arange(len(domains)), [len(bundle) for bundle in bundles])
    positions = np.concatenate(bundles)
    own = _nearest_domain(positions, domains) == owner
    positions, owner = positions[own], owner[own]
    density = np.array([domain.density for domain in domains])[owner]
    positions -= density @ positions / density.sum()
    positions *= diameter_A / 2.0 / np.sqrt((positions**2).sum(axis=1).max())
    return Atoms(
        positions_A=positions,
        kind=np.zeros(len(positions), np.int64),
        occupancy=density,
        b_factor_A2=np.array([domain.b_factor_A2 for domain in domains])[owner],
        scatterers=CARBON,
    )


def _domains(diameter_A: float, rng: np.random.Generator) -> list[_Domain]:
    """Grow a compact cluster of spheres that touch, with a few handles sticking out."""
    n = int(np.clip(FILLING * (diameter_A / 2.0 / DOMAIN_RADIUS_A) ** 3, 6, 60))
    radii = np.sort(np.exp(rng.normal(0.0, 0.25, n)))[::-1]
    centres = np.zeros((1, 3))
    for i in range(1, n):
        places = _free_places(centres, radii[: i + 1], rng)
        reach = np.linalg.norm(places - centres.mean(axis=0), axis=1)
        wanted = 0.7 if i % HANDLE_EVERY == HANDLE_EVERY - 1 else 0.05
        chosen = np.argsort(reach)[int(wanted * len(reach))]
        centres = np.concatenate([centres, places[chosen : chosen + 1]])
    centres -= (radii**3) @ centres / (radii**3).sum()
    scale = diameter_A / 2.0 / (np.linalg.norm(centres, axis=1) + radii).max()
    dense = rng.permutation(n) < n // 4
    b_factors = rng.uniform(20.0, 80.0, n)
    return [
        _Domain(scale * centre, float(scale * radius), 1.6 if heavy else 1.0, float(b))
        for centre, radius, heavy, b in zip(centres, radii, dense, b_factors, strict=True)
    ]


def _free_places(
    centres: Float[Array, "domain 3"], radii: Float[Array, " all"], rng: np.random.Generator
) -> Float[Array, "place 3"]:
    """Return places where one more domain touches one of the others and overlaps with none."""
    n = len(centres)
    to = rng.integers(0, n, 400)
    places = centres[to] + 0.85 * (radii[to] + radii[n])[:, None] * _directions(400, rng)
    distance = np.linalg.norm(places[:, None] - centres, axis=2)
    free = (distance >= 0.8 * (radii[:n] + radii[n])).all(axis=1)
    return np.asarray(places[free])


def _bundle(domain: _Domain, rng: np.random.Generator) -> Float[Array, "atom 3"]:
    """Fill a domain with helices on a disturbed hexagonal lattice around a random axis."""
    radius = domain.radius_A
    axis, side = _directions(2, rng)
    side = np.cross(axis, side)
    side /= np.linalg.norm(side)
    frame = np.stack([side, np.cross(axis, side), axis])
    helices = []
    for u, v in _hexagonal(radius, rng):
        length = 2.0 * np.sqrt(radius**2 - u**2 - v**2) * rng.uniform(0.7, 1.0)
        slant = np.tan(np.deg2rad(WINDING_DEG)) / radius
        along = np.array([-v * slant, u * slant, 1.0]) + rng.normal(0.0, 0.08, 3)
        helix = _helix(max(2, int(length / RISE_A)), rng)
        local = _turned(helix, along * rng.choice([-1.0, 1.0])) @ frame
        helices.append(local + u * frame[0] + v * frame[1] + domain.centre_A)
    return np.concatenate(helices)


def _hexagonal(radius_A: float, rng: np.random.Generator) -> Float[Array, "helix 2"]:
    """Return where helices cross the middle plane of a domain: at least one, not too regular."""
    n = int(radius_A / HELIX_DISTANCE_A) + 2
    i, j = (index.ravel() for index in np.mgrid[-n : n + 1, -n : n + 1])
    lattice = HELIX_DISTANCE_A * np.stack([i + 0.5 * j, np.sqrt(0.75) * j], axis=1)
    lattice += rng.uniform(-0.5, 0.5, 2) * HELIX_DISTANCE_A + rng.normal(0.0, 1.2, lattice.shape)
    inside = (np.hypot(*lattice.T) < 0.95 * radius_A) & (rng.random(len(lattice)) > 0.1)
    return np.asarray(lattice[inside]) if inside.any() else np.zeros((1, 2))


def _helix(n_residues: int, rng: np.random.Generator) -> Float[Array, "atom 3"]:
    """Return a right-handed alpha-helix along z: backbone and side chains of random length."""
    backbone = [(1.55, -28.0, -0.9), (2.28, 0.0, 0.0), (1.66, 26.0, 1.1), (2.02, 24.0, 2.3)]
    angle, height, distance = [], [], []
    for residue in range(n_residues):
        length = rng.integers(0, 6)
        for radius, turn, up in backbone:
            distance.append(radius)
            angle.append(TURN_DEG * residue + turn)
            height.append(RISE_A * residue + up)
        for atom in range(length):
            distance.append(3.3 + 1.0 * atom)
            angle.append(TURN_DEG * residue - 20.0 + rng.normal(0.0, 8.0))
            height.append(RISE_A * residue - 0.4 * atom + rng.normal(0.0, 0.5))
    radians, along = np.deg2rad(angle), np.array(height)
    along -= RISE_A * (n_residues - 1) / 2.0
    return np.stack([distance * np.cos(radians), distance * np.sin(radians), along], axis=1)


def _turned(helix: Float[Array, "atom 3"], along: Float[Array, " 3"]) -> Float[Array, "atom 3"]:
    """Rotate a helix so that its axis points along a vector."""
    z = along / np.linalg.norm(along)
    x = np.cross([0.0, 1.0, 0.0], z)
    x /= np.linalg.norm(x)
    return np.asarray(helix @ np.stack([x, np.cross(z, x), z]))


def _nearest_domain(positions: Float[Array, "atom 3"], domains: list[_Domain]) -> Array:
    """Return the domain whose surface each atom is deepest under, relative to its radius."""
    centres = np.stack([domain.centre_A for domain in domains])
    radii = np.array([domain.radius_A for domain in domains])
    depth = [np.linalg.norm(positions - c, axis=1) / r for c, r in zip(centres, radii, strict=True)]
    return np.asarray(np.argmin(depth, axis=0))


def _directions(n: int, rng: np.random.Generator) -> Float[Array, "n 3"]:
    vectors = rng.normal(size=(n, 3))
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True))
