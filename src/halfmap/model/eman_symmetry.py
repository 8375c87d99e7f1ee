"""Point groups by the names that EMAN2 gives them, which have their axes elsewhere than RELION's.

``tet`` is RELION's T turned by 180° about z, ``oct`` its O, ``icos`` (also ``icos5``, ``i``) its I4
with 5-folds along z, ``icos2`` its I1 with 2-folds along the axes. ``cN`` and ``dN`` are the same.
"""

import re

import numpy as np

from halfmap.errors import OptionError
from halfmap.model.symmetry import PointGroup, point_group

NAMES = "cN, dN, tet, oct, icos, icos2"
_RELION_NAMES = {"oct": "O", "icos": "I4", "icos5": "I4", "i": "I4", "icos2": "I1"}
_HALF_TURN = np.diag([-1.0, -1.0, 1.0])


def eman_point_group(name: str) -> PointGroup:
    """Return a point group by EMAN2's name of it, or by RELION's where EMAN2 has none such.

    Raises
    ------
    OptionError
        If there is no such group, or it is a helix.

    Examples
    --------
    >>> eman_point_group("tet").n_operators, eman_point_group("D7").n_operators
    (12, 14)
    """
    plain = name.strip().lower()
    if plain == "tet":
        group = point_group("T")
        return PointGroup("tet", group.left, _HALF_TURN @ group.right @ _HALF_TURN)
    if plain.startswith("h"):
        raise OptionError(
            f"--sym {name}: found a helix, expected a point group ({NAMES}). A helix is no "
            "rotation alone: refine it with halfmap refine --helix."
        )
    try:
        return point_group(_RELION_NAMES.get(plain, plain))
    except OptionError as error:
        known = re.sub(r"^.*expected one of |; correct --sym$", "", str(error))
        raise OptionError(
            f"--sym {name}: found no such symmetry, expected {NAMES}, or one of RELION's: {known}"
        ) from error
