"""The options as RELION's ``_optimiser.star`` names them."""

from pathlib import Path
from typing import Any

from halfmap.config.options import RefineOptions, declarations

Value = bool | int | float | str

ABSENT_IN_OUR_LIST: dict[str, Value] = {
    "rlnBodyStarFile": "None",
    "rlnDoMapEstimation": True,
    "rlnDoBlush": False,
    "rlnBlushNoSpectralTrailing": False,
    "rlnSgdSkipAnneal": False,
    "rlnOffsetRangeX": -1.0,
    "rlnOffsetRangeY": -1.0,
    "rlnOffsetRangeZ": -1.0,
}
"""Options that are not in RELION 4's list, but that RELION 5 writes: as if not given."""


def relion_labels(options: RefineOptions) -> dict[str, Value]:
    """Return the labels of ``_optimiser.star`` that are options, with their values.

    Flags are bool, absent files the word ``None``. What the run decides is not known
    here and is to be replaced by the caller: the seed when it was -1, the diameter when
    it was -1, and the present size increment.
    """
    return {
        **ABSENT_IN_OUR_LIST,
        **{
            declaration.option.label: _value(getattr(options, declaration.name))
            for declaration in declarations()
            if declaration.option.label
        },
        **_derived(options),
    }


def _value(value: Any) -> Value:
    if value is None:
        return "None"
    if isinstance(value, Path):
        return str(value)
    plain: Value = value
    return plain


def _derived(options: RefineOptions) -> dict[str, Value]:
    """Return what RELION writes after it has combined several options."""
    return {
        "rlnNumberOfIterations": options.last_iteration,
        "rlnDoAutoSampling": options.auto_refine or options.auto_sampling,
        "rlnDoCorrectNorm": options.corrects_norm,
        "rlnDoCorrectScale": options.corrects_scale,
        "rlnRefsAreCtfCorrected": not options.reference_not_ctf_corrected,
        "rlnSgdMuFactor": options.gradient_momentum if options.gradient else 0.0,
        "rlnMaxNumberOfPooledParticles": options.pool_size * options.n_threads,
    }
