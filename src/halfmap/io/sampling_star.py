"""``_sampling.star``: where an iteration looked, and the directions one by one."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy import ndarray as Array

from halfmap.io.problems import refuse
from halfmap.io.star import read_star, write_star
from halfmap.io.star_columns import ColumnReader, one_row
from halfmap.model.sampling import Sampling
from halfmap.model.symmetry import NO_SYMMETRY


@dataclass(frozen=True, slots=True)
class SamplingFile:
    """What the file holds. The oversampling and the priors stand in other files."""

    sampling: Sampling
    initial: Sampling
    """Steps at the start of the run."""
    perturbation_factor: float
    """The option; the drawn value is ``sampling.perturbation``."""
    directions_deg: Float[Array, "direction 2"]
    """rot, tilt of the directions of the coarse grid, one asymmetric unit."""


def write_sampling_star(path: Path, content: SamplingFile) -> None:
    """Write the sampling of 2D images; directions only where the references are 3D.

    Raises
    ------
    DataError
        If the file cannot be written.
    """
    now, first = content.sampling, content.initial
    directions_in_3d = {
        "rlnHealpixOrder": now.healpix_order,
        "rlnSymmetryGroup": now.symmetry,
        "rlnTiltAngleLimit": float(now.limit_tilt_deg),
    }
    general: dict[str, Any] = {
        "rlnIs3DSampling": not now.flat,
        "rlnIs3DTranslationalSampling": False,
        **({} if now.flat else directions_in_3d),
        "rlnPsiStep": float(now.psi_step_deg),
        "rlnOffsetRange": float(now.offset_range_A),
        "rlnOffsetStep": float(now.offset_step_A),
        "rlnHelicalOffsetStep": -1.0,
        "rlnSamplingPerturbInstance": float(now.perturbation),
        "rlnSamplingPerturbFactor": float(content.perturbation_factor),
        "rlnHealpixOrderOriginal": first.healpix_order,
        "rlnPsiStepOriginal": float(first.psi_step_deg),
        "rlnOffsetRangeOriginal": float(first.offset_range_A),
        "rlnOffsetStepOriginal": float(first.offset_step_A),
    }
    directions = {
        "rlnAngleRot": content.directions_deg[:, 0],
        "rlnAngleTilt": content.directions_deg[:, 1],
    }
    tables = {} if now.flat else {"sampling_directions": directions}
    write_star(path, {"sampling_general": general} | tables)


def read_sampling_star(path: Path) -> SamplingFile:
    """Read the sampling of a run of ours or of RELION 3.1 or later.

    Raises
    ------
    DataError
        If something is missing.
    """
    star = read_star(path)
    problems: list[str] = []
    general = ColumnReader(one_row(star.values("sampling_general")), path.name, problems)
    flat = general.integers("rlnIs3DSampling")[0] == 0

    def number(label: str, default: float | None = None) -> float:
        return float(general.floats(label, default)[0])

    order = int(general.integers("rlnHealpixOrder", 0 if flat else None)[0])
    sampling = Sampling(
        healpix_order=order,
        psi_step_deg=number("rlnPsiStep"),
        offset_range_A=number("rlnOffsetRange"),
        offset_step_A=number("rlnOffsetStep"),
        oversampling=0,
        symmetry=NO_SYMMETRY if flat else general.text("rlnSymmetryGroup")[0],
        limit_tilt_deg=number("rlnTiltAngleLimit", -91.0),
        perturbation=number("rlnSamplingPerturbInstance", 0.0),
        flat=flat,
    )
    initial = replace(
        sampling,
        healpix_order=int(general.integers("rlnHealpixOrderOriginal", order)[0]),
        psi_step_deg=number("rlnPsiStepOriginal", sampling.psi_step_deg),
        offset_range_A=number("rlnOffsetRangeOriginal", sampling.offset_range_A),
        offset_step_A=number("rlnOffsetStepOriginal", sampling.offset_step_A),
        perturbation=0.0,
    )
    angles = [np.zeros(1), np.zeros(1)]
    if not flat:
        directions = ColumnReader(star.table("sampling_directions"), path.name, problems)
        angles = [directions.floats(label) for label in ("rlnAngleRot", "rlnAngleTilt")]
    factor = number("rlnSamplingPerturbFactor", 0.0)
    refuse(path, problems)
    return SamplingFile(sampling, initial, factor, np.column_stack(angles))
