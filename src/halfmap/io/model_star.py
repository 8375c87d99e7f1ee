"""``_model.star``: the statistics of one half-set (or of a set that is not split)."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray as Array

from halfmap.io.star import TEXT, Table, write_star
from halfmap.model.estimated_resolution import estimated_resolution_A, overall_completeness
from halfmap.model.half_model import HalfModel
from halfmap.model.interpolation import LINEAR, Interpolation

NO_RESOLUTION_A = 999.0
"""What RELION writes for shell 0."""


@dataclass(frozen=True, slots=True)
class ModelHeader:
    """What the file says beside the statistics."""

    map_names: tuple[str, ...]
    """Paths of the maps, one a class; of 2D references with their number in the stack."""
    group_names: tuple[str, ...]
    """Scale groups."""
    group_sizes: Int[Array, " group"]
    """Particles of this half in each."""
    pixel_size_A: float
    current_resolution_A: float
    """Infinite before the first iteration."""
    current_size: int
    padding: float
    tau2_fudge: float
    mean_max_probability: float
    """Of half 1, in the files of both halves."""
    prior_sigma_deg: tuple[float, float, float] | None
    """Priors on rot, tilt, psi of a local search."""
    interpolation: Interpolation = LINEAR


def write_model_star(path: Path, model: HalfModel, header: ModelHeader) -> None:
    """Write the statistics of a half.

    Raises
    ------
    DataError
        If the file cannot be written.
    """
    blocks: dict[str, dict[str, Any]] = {
        "model_general": _general(model, header),
        "model_classes": _classes(model, header),
    }
    for k in range(len(model.class_fraction)):
        blocks[f"model_class_{k + 1}"] = _class_spectra(model, header, k)
    blocks["model_groups"] = {
        "rlnGroupNumber": np.arange(1, len(header.group_names) + 1),
        "rlnGroupName": list(header.group_names),
        "rlnGroupNrParticles": header.group_sizes,
        "rlnGroupScaleCorrection": model.group_scale,
    }
    for g, variance in enumerate(model.noise_variance):
        blocks[f"model_optics_group_{g + 1}"] = _noise(variance, _length_A(model, header))
    for k, fraction in enumerate(() if model.flat else model.direction_fraction):
        blocks[f"model_pdf_orient_class_{k + 1}"] = {"rlnOrientationDistribution": fraction}
    write_star(path, blocks)


def _general(model: HalfModel, header: ModelHeader) -> dict[str, Any]:
    sigmas = header.prior_sigma_deg or (0.0, 0.0, 0.0)
    return {
        "rlnReferenceDimensionality": 2 if model.flat else 3,
        "rlnDataDimensionality": 2,
        "rlnOriginalImageSize": model.maps.shape[-1],
        "rlnCurrentResolution": float(header.current_resolution_A),
        "rlnCurrentImageSize": header.current_size,
        "rlnPaddingFactor": float(header.padding),
        "rlnIsHelix": False,
        "rlnFourierSpaceInterpolator": int(not header.interpolation.nearest),
        "rlnMinRadiusNnInterpolation": header.interpolation.linear_shells,
        "rlnPixelSize": float(header.pixel_size_A),
        "rlnNrClasses": len(model.class_fraction),
        "rlnNrBodies": 1,
        "rlnNrGroups": len(header.group_names),
        "rlnNrOpticsGroups": len(model.noise_variance),
        "rlnTau2FudgeFactor": float(header.tau2_fudge),
        "rlnNormCorrectionAverage": float(model.mean_norm),
        "rlnSigmaOffsetsAngst": float(model.offset_sigma_A),
        "rlnOrientationalPriorMode": int(header.prior_sigma_deg is not None),
        "rlnSigmaPriorRotAngle": float(sigmas[0]),
        "rlnSigmaPriorTiltAngle": float(sigmas[1]),
        "rlnSigmaPriorPsiAngle": float(sigmas[2]),
        "rlnLogLikelihood": float(model.log_likelihood),
        "rlnAveragePmax": float(header.mean_max_probability),
    }


def _classes(model: HalfModel, header: ModelHeader) -> Table:
    box, pixel_size_A = model.maps.shape[-1], header.pixel_size_A
    ratios, coverages = model.data_vs_prior, model.fourier_coverage
    table: Table = {
        "rlnReferenceImage": np.array(header.map_names, dtype=TEXT),
        "rlnClassDistribution": model.class_fraction,
        "rlnAccuracyRotations": model.accuracy_rotation_deg,
        "rlnAccuracyTranslationsAngst": model.accuracy_translation_A,
        "rlnEstimatedResolution": np.array(
            [estimated_resolution_A(ratio, box, pixel_size_A) for ratio in ratios]
        ),
        "rlnOverallFourierCompleteness": np.array(
            [overall_completeness(r, c) for r, c in zip(ratios, coverages, strict=True)]
        ),
    }
    if model.flat:
        table["rlnClassPriorOffsetX"], table["rlnClassPriorOffsetY"] = model.offset_mean_A.T
    return table


def _class_spectra(model: HalfModel, header: ModelHeader, k: int) -> Table:
    shells = np.arange(model.data_vs_prior.shape[1])
    length_A = _length_A(model, header)
    spectra = {
        "rlnSpectralIndex": shells,
        "rlnResolution": shells / length_A,
        "rlnAngstromResolution": np.append(NO_RESOLUTION_A, length_A / shells[1:]),
        "rlnSsnrMap": model.data_vs_prior[k],
        "rlnGoldStandardFsc": model.fsc,
        "rlnFourierCompleteness": model.fourier_coverage[k],
        "rlnReferenceSigma2": model.map_variance[k],
        "rlnReferenceTau2": model.signal_variance[k],
    }
    if model.orientability.any():
        spectra["rlnSpectralOrientabilityContribution"] = model.orientability
    return spectra


def _noise(variance: Float[Array, " shell"], length_A: float) -> Table:
    shells = np.flatnonzero(variance > 0)
    return {
        "rlnSpectralIndex": shells,
        "rlnResolution": shells / length_A,
        "rlnSigma2Noise": variance[shells],
    }


def _length_A(model: HalfModel, header: ModelHeader) -> float:
    return float(model.maps.shape[-1] * header.pixel_size_A)
