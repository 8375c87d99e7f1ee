"""The operators of ``--sym``."""

import numpy as np
from jaxtyping import Float64
from numpy import ndarray as Array

from halfmap.config.reconstruction.options import ReconstructOptions
from halfmap.model.eman_symmetry import eman_point_group
from halfmap.model.symmetry import point_group


def operators_of(options: ReconstructOptions) -> Float64[Array, "operator 3 3"]:
    """Return all operators of the symmetry, identity first.

    Raises
    ------
    OptionError
        If there is no such symmetry.
    """
    named = point_group if options.reads_table else eman_point_group
    group = named(options.symmetry)
    return np.concatenate([np.eye(3)[None], group.right])
