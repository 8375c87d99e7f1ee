"""What stands below the numerator of a voxel: the weight of the data, and that of the prior."""

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray as Array

NO_PRIOR_WEIGHT = 0.001
"""Where the reference has no power, the inverse prior is 1 / (this * weight): RELION's stand-in."""
SMALLEST_WEIGHT = 1e-20


def precision(
    weight: Float[Array, "..."], prior: Float[Array, " square"], square: Int[Array, "..."]
) -> Float[Array, "..."]:
    """Return the weight of data and prior.

    Parameters
    ----------
    weight
        Of the data.
    prior
        1/tau2 for each K²: 0 where there is no prior, inf where there is one without power.
    square
        K² of each voxel.
    """
    known = prior[square]
    stand_in = np.zeros(weight.shape)
    np.divide(1.0, NO_PRIOR_WEIGHT * weight, out=stand_in, where=weight > SMALLEST_WEIGHT)
    return np.asarray(weight + np.where(np.isinf(known), stand_in, known))
