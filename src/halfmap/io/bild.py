"""``_angdist.bild``: the orientation distribution as cylinders, for Chimera and ChimeraX."""

from pathlib import Path

import numpy as np
from jaxtyping import Float
from numpy import ndarray as Array

from halfmap.io.atomic import replacing

_LONGEST = 0.3
"""Length of the cylinder of the most populated direction, in radii of the map."""


def write_bild(
    path: Path,
    directions_deg: Float[Array, "direction 2"],
    fractions: Float[Array, " direction"],
    length_A: float,
) -> None:
    """Draw one cylinder a direction, as long as the direction is populated.

    Cylinders stand on the sphere inscribed in the map's box, whose first voxel is at the
    origin; from blue (few) to red (many). Directions without particles are left out.

    Parameters
    ----------
    path
        File to be made or replaced.
    directions_deg
        rot, tilt.
    fractions
        Occupancy of each direction.
    length_A
        Box times pixel size.

    Raises
    ------
    DataError
        If the file cannot be written.
    """
    rot, tilt = np.deg2rad(directions_deg).T
    sine = np.sin(tilt)
    towards = np.column_stack([np.cos(rot) * sine, np.sin(rot) * sine, np.cos(tilt)])
    shown = fractions > 0
    share = fractions[shown] / max(float(fractions.max(initial=0.0)), np.finfo(float).tiny)
    radius_A = length_A / 2
    spacing_A = radius_A * np.sqrt(4 * np.pi / max(len(fractions), 1))
    foot = radius_A + radius_A * towards[shown]
    top = foot + _LONGEST * radius_A * share[:, None] * towards[shown]
    rows = np.column_stack([share, 1 - share, foot, top]).tolist()
    with replacing(path) as beside, beside.open("w", encoding="ascii") as file:
        for red, blue, *ends in rows:
            ends_text = " ".join(f"{value:.3f}" for value in ends)
            file.write(f".color {red:.3f} 0 {blue:.3f}\n")
            file.write(f".cylinder {ends_text} {0.2 * spacing_A:.3f}\n")
