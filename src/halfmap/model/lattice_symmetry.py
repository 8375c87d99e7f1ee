"""Operators that take the lattice of voxels to itself: they can act on a volume that is summed.

To insert a slice at an operator S is to insert it as it is and to look up S v instead of v, if S v
is a voxel for every voxel v. So only one operator of each coset need be inserted. The others are
applied to the sums, without rounding. (A sample that lies on a voxel, as the origin does, reaches
one voxel further up than down in windows of even width; only gauss_2 gives that one any weight.)
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray as Array

from halfmap.model.insertion_kernel import InsertionKernel

SAME = 1e-6
"""Operators that differ by less are the same."""


class SplitGroup(NamedTuple):
    """A group as products of an operator that is inserted and one of the lattice."""

    inserted: Float[Array, "operator 3 3"]
    """Identity first."""
    lattice: tuple[Int[Array, "operator 3 3"], ...]
    """Sets of operators, each with the identity, to be summed over one after the other."""


def split_group(operators: Float[Array, "operator 3 3"], kernel: InsertionKernel) -> SplitGroup:
    """Split a group (identity included) into what is inserted and what is applied to the sums.

    Parameters
    ----------
    operators
        All S of the group, on (x, y, z).
    kernel
        Axes that an operator exchanges must be of one size for it to be applied to the sums; in
        e2make3dpar's uneven windows no operator is.
    """
    size = np.array(kernel.sizes.volume)
    lattice = [np.eye(3, dtype=np.int64)]
    for operator in () if kernel.compat.uneven_windows else operators:
        whole = np.rint(operator).astype(np.int64)
        fits = np.abs(operator - whole).max() < SAME and np.array_equal(np.abs(whole) @ size, size)
        if fits and not _among(whole, lattice):
            lattice.append(whole)
    taken: list[Array] = []
    inserted = [
        operator for operator in _identity_first(operators) if _fresh(operator, taken, lattice)
    ]
    return SplitGroup(np.array(inserted), _factors(lattice))


def _identity_first(operators: Float[Array, "operator 3 3"]) -> list[Array]:
    return sorted(operators, key=lambda operator: float(np.abs(operator - np.eye(3)).max() > SAME))


def _fresh(operator: Array, taken: list[Array], lattice: list[Array]) -> bool:
    """Say whether an operator begins a new coset; if so, take all of it."""
    if _among(operator, taken):
        return False
    taken += [operator @ other for other in lattice]
    return True


def _among(operator: Array, others: list[Array]) -> bool:
    return any(np.abs(operator - other).max() < SAME for other in others)


def _factors(lattice: list[Array]) -> tuple[Int[Array, "operator 3 3"], ...]:
    """Return sets such that the group is their products: sums over them are few, one by one."""
    group, factors = lattice[:1], []
    while len(group) < len(lattice):
        larger = min((_closed([*group, g]) for g in lattice if not _among(g, group)), key=len)
        chosen: list[Array] = []
        covered: list[Array] = []
        for operator in [*group[:1], *larger]:
            if not _among(operator, covered):
                chosen.append(operator)
                covered += [own @ operator for own in group]
        factors.append(np.array(chosen))
        group = larger
    return tuple(factors)


def _closed(generators: list[Array]) -> list[Array]:
    """Return the group of some operators, identity first."""
    group = [np.eye(3, dtype=np.int64)]
    for operator in group:  # grows while it is gone through
        for generator in generators:
            product = operator @ generator
            if not _among(product, group):
                group.append(product)
    return group
