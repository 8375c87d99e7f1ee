"""What one format may leave out and the other may not: values without an effect."""

from collections.abc import Mapping

import numpy as np
from numpy import ndarray as Array

NEUTRAL_COLUMNS: Mapping[str, float] = {
    "rlnPhaseShift": 0.0,
    "rlnDefocusAngle": 0.0,
    "rlnCtfBfactor": 0.0,
    "rlnCtfScalefactor": 1.0,
    "rlnBeamTiltX": 0.0,
    "rlnBeamTiltY": 0.0,
    "rlnMagMat00": 1.0,
    "rlnMagMat01": 0.0,
    "rlnMagMat10": 0.0,
    "rlnMagMat11": 1.0,
}
"""What a STAR file may leave out and a ``.cs`` file may not."""

_ZERO = np.float32(0.0)
NEUTRAL_FIELDS: Mapping[str, np.generic | Array] = {
    "blob/import_sig": np.uint64(0),
    "ctf/type": np.bytes_(b"imported"),
    "ctf/scale_const": _ZERO,
    "ctf/shift_A": np.zeros(2, "<f4"),
    "ctf/trefoil_A": np.zeros(2, "<f4"),
    "ctf/tetra_A": np.zeros(4, "<f4"),
    **{
        f"alignments3D/{name}": _ZERO
        for name in (
            *("error", "error_min", "resid_pow", "slice_pow", "image_pow", "cross_cor"),
            *("alpha_min", "weight", "pose_ess", "shift_ess"),
        )
    },
    **{f"alignments3D/{name}": np.float32(1.0) for name in ("alpha", "class_posterior")},
    "alignments3D/class_ess": np.float32(1.0),
}
"""Fields that cryoSPARC expects and a STAR file does not say."""
UNUSED_IF_ZERO: Mapping[str, str] = {
    "ctf/shift_A": "a shift of the beam",
    "ctf/trefoil_A": "threefold astigmatism",
    "ctf/tetra_A": "fourfold astigmatism",
}
"""Fields with an effect that is not converted; they travel along."""
