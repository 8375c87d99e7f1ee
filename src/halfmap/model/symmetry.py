"""Point groups: names, generators, operators.

Orientation ``A`` and ``L A R`` show the same image for every operator (L, R) of the group of the
particle. ``R`` acts on the map. ``L`` is the identity for a rotation and ``diag(1, 1, -1)`` for an
operator that turns left hands into right ones: a projection cannot see its own axis turned
round, and the product is a rotation again.

Axes as RELION 5.0 has them: an n-fold along z, a 2-fold of D along x, ``I`` = ``I2``.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from jaxtyping import Float
from numpy import ndarray as Array

from halfmap.errors import OptionError

NO_SYMMETRY = "C1"

KNOWN_NAMES = (
    "C1, Cn, CI, CS, CnH, CnV, Sn (n even), Dn, DnH, DnV, T, TD, TH, O, OH, "
    "I = I2, I1, I2, I3, I4, IH, I1H, I2H, I3H, I4H"
)

_GOLDEN = (1.0 + 5.0**0.5) / 2.0
_COS_36, _SIN_36 = _GOLDEN / 2.0, np.sqrt(1.0 - _GOLDEN**2 / 4.0)
_Z_OF_3_FOLD = np.sqrt((5.0 + 2.0 * 5.0**0.5) / 15.0)
"""Cosine of the angle between neighbouring 5-fold and 3-fold axes of the icosahedron."""
_XY_OF_3_FOLD = np.sqrt(1.0 - _Z_OF_3_FOLD**2)

_X, _Y, _Z = (1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)
_SAME = 1e-6
"""Two operators of one group never agree this well unless they are the same."""

_POLYHEDRA: dict[str, tuple[tuple[int, tuple[float, float, float]], ...]] = {
    "T": ((3, _Z), (2, (0.0, 2.0**0.5, 1.0))),
    "O": ((3, (1.0, 1.0, 1.0)), (4, _Z)),
    "I1": ((2, _X), (5, (_GOLDEN, 0.0, -1.0)), (3, (_GOLDEN**2, 1.0, 0.0))),
    "I2": ((2, _Z), (5, (1.0, 0.0, _GOLDEN)), (3, (0.0, 1.0, _GOLDEN**2))),
    "I3": (
        (2, (-1.0, 0.0, _GOLDEN)),
        (5, _Z),
        (3, (-_XY_OF_3_FOLD * _COS_36, _XY_OF_3_FOLD * _SIN_36, _Z_OF_3_FOLD)),
    ),
    "I4": (
        (2, (1.0, 0.0, _GOLDEN)),
        (5, (2.0, 0.0, 1.0)),
        (3, (_XY_OF_3_FOLD * _COS_36, _XY_OF_3_FOLD * _SIN_36, _Z_OF_3_FOLD)),
    ),
}
"""Rotation axes, as (fold, direction), of the groups without a number of folds in their name."""


@dataclass(frozen=True, slots=True)
class PointGroup:
    """The operators of a point group, without the identity."""

    name: str
    left: Float[Array, "operator 3 3"]
    right: Float[Array, "operator 3 3"]

    @property
    def n_operators(self) -> int:
        """Order of the group, the identity included."""
        return len(self.right) + 1

    @property
    def direction_operators(self) -> Float[Array, "operator 3 3"]:
        """Rotations ``D`` that take a projection direction to its mates, identity first.

        The direction is the third row of ``A``; that of ``L A R`` is ``det(R) Rᵀ d``.
        """
        signs = np.linalg.det(self.right)[:, None, None]
        return np.concatenate([np.eye(3)[None], signs * self.right.transpose(0, 2, 1)])


@lru_cache(maxsize=32)
def point_group(name: str) -> PointGroup:
    """Return a point group by its name, in capitals or not.

    Raises
    ------
    OptionError
        If there is no such group.

    Examples
    --------
    >>> point_group("d7").n_operators, point_group("I").name
    (14, 'I2')
    """
    canonical = _canonical(name)
    right = _close(_generators(canonical))
    mirror = np.diag([1.0, 1.0, -1.0])
    improper = np.linalg.det(right) < 0.0
    left = np.where(improper[:, None, None], mirror, np.eye(3))
    for array in (left, right):
        array.flags.writeable = False
    return PointGroup(canonical, left, right)


def _canonical(name: str) -> str:
    upper = re.sub(r"^I(H?)$", r"I2\1", name.strip().upper())
    n_fold = re.fullmatch(r"([CD])([1-9]\d*)[HV]?|S([2-9]|[1-9]\d+)", upper)
    even = upper[0] != "S" or int(upper[1:]) % 2 == 0 if n_fold else False
    if even or upper in {"CI", "CS", "TD", "TH", "OH", *_POLYHEDRA} or upper in _ICOSAHEDRA_H:
        return upper
    raise OptionError(f"unknown symmetry {name!r}; expected one of {KNOWN_NAMES}; correct --sym")


_ICOSAHEDRA_H = {"I1H", "I2H", "I3H", "I4H"}


def _generators(name: str) -> list[Float[Array, "3 3"]]:
    """Return generating operators of a canonical name."""
    return [_rotation(fold, axis) for fold, axis in _axes(name)] + _improper_generators(name)


def _axes(name: str) -> Iterable[tuple[int, tuple[float, float, float]]]:
    for polyhedron, axes in _POLYHEDRA.items():
        if name.startswith(polyhedron):
            return axes
    digits = re.search(r"\d+", name)
    fold = int(digits.group()) if digits else 1
    if name[0] == "S":
        fold //= 2
    return ((fold, _Z), (2, _X)) if name[0] == "D" else ((fold, _Z),)


def _improper_generators(name: str) -> list[Float[Array, "3 3"]]:
    """Return the inversion or the mirror of the groups that have one."""
    if name in {"CI", "TH"} or name[0] == "S" or name in _ICOSAHEDRA_H:
        return [-np.eye(3)]
    if name == "TD":
        return [_mirror((2.0**0.5, 6.0**0.5, 0.0))]
    if name == "OH":
        return [_mirror((0.0, 1.0, 1.0))]
    normal = {"CS": _Z, "H": _Z, "CV": _Y, "DV": _X}
    kind = name if name == "CS" else name[-1] if name[-1] == "H" else name[0] + name[-1]
    return [_mirror(normal[kind])] if kind in normal else []


def _rotation(fold: int, axis: tuple[float, float, float]) -> Float[Array, "3 3"]:
    """Return the rotation by 360°/fold about an axis (Rodrigues' formula)."""
    angle = 2.0 * np.pi / fold
    x, y, z = np.asarray(axis) / np.linalg.norm(axis)
    cross = np.array([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]])
    return np.asarray(np.eye(3) + np.sin(angle) * cross + (1.0 - np.cos(angle)) * cross @ cross)


def _mirror(normal: tuple[float, float, float]) -> Float[Array, "3 3"]:
    unit = np.asarray(normal) / np.linalg.norm(normal)
    return np.asarray(np.eye(3) - 2.0 * np.outer(unit, unit))


def _close(generators: list[Float[Array, "3 3"]]) -> Float[Array, "operator 3 3"]:
    """Multiply until nothing new appears; return all elements but the identity."""
    group = np.eye(3)[None]
    fresh = group
    while len(fresh):
        products = np.concatenate([fresh @ generator for generator in generators])
        found: list[Array] = []
        for product in products:
            known = np.concatenate([group, np.reshape(found, (-1, 3, 3))])
            if np.abs(known - product).max(axis=(1, 2)).min() > _SAME:
                found.append(product)
        fresh = np.reshape(found, (-1, 3, 3))
        group = np.concatenate([group, fresh])
    return group[1:]
