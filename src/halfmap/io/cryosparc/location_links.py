"""Where particles lie in their micrographs."""

from collections.abc import Sequence

import numpy as np
from numpy import ndarray as Array

from halfmap.io.cryosparc.files import Fields
from halfmap.io.cryosparc.link import Link, decoded, doubles, encoded


def location_links() -> tuple[Link, ...]:
    """Return the links of micrographs and coordinates."""
    return (
        Link(
            ("location/micrograph_path",),
            ("rlnMicrographName",),
            lambda f: (decoded(f["location/micrograph_path"]),),
            lambda c: (np.array([encoded(name) for name in c["rlnMicrographName"]]),),
        ),
        Link(
            ("location/center_x_frac", "location/center_y_frac"),
            ("rlnCoordinateX", "rlnCoordinateY"),
            _coordinates,
            None,  # the micrographs' sizes are not in the table
            uses=("location/micrograph_shape",),
        ),
    )


def _coordinates(fields: Fields) -> Sequence[Array]:
    height, width = doubles(fields["location/micrograph_shape"]).T
    return (
        width * doubles(fields["location/center_x_frac"]),
        height * doubles(fields["location/center_y_frac"]),
    )
