"""``_optimiser.star``: the options and the state of a run, one label a line.

`LABELS` is RELION's list in RELION's order, with the value written where nobody gives
one: what RELION writes for a feature that is not in use. The caller supplies the labels
that derive from options; those of the schedule and the file names come from `run_folder`.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from halfmap.io.problems import refuse
from halfmap.io.star import read_star, write_star

Value = str | int | float | bool

LABELS: dict[str, Value | type] = {
    # A type instead of a value: there is no default, the label must be given.
    "rlnOutputRootName": str,
    "rlnModelStarFile": str,
    "rlnModelStarFile2": "",
    "rlnExperimentalDataStarFile": str,
    "rlnTomoTomogramsFile": "",
    "rlnTomoTrajectoriesFile": "",
    "rlnOrientSamplingStarFile": str,
    "rlnCurrentIteration": int,
    "rlnNumberOfIterations": int,
    "rlnDoSplitRandomHalves": bool,
    "rlnJoinHalvesUntilThisResolution": -1.0,
    "rlnAdaptiveOversampleOrder": int,
    "rlnAdaptiveOversampleFraction": 0.999,
    "rlnRandomSeed": int,
    "rlnParticleDiameter": float,
    "rlnWidthMaskEdge": 5,
    "rlnDoZeroMask": False,
    "rlnDoSolventFlattening": False,
    "rlnDoSolventFscCorrection": False,
    "rlnSolventMaskName": "None",
    "rlnSolventMask2Name": "None",
    "rlnBodyStarFile": "None",
    "rlnTauSpectrumName": "None",
    "rlnMaximumCoarseImageSize": -1,
    "rlnHighresLimitExpectation": -1.0,
    "rlnLowresLimitExpectation": -1.0,
    "rlnIncrementImageSize": 10,
    "rlnDoMapEstimation": True,
    "rlnDoFastSubsetOptimisation": False,
    "rlnDoExternalReconstruct": False,
    "rlnDoBlush": False,
    "rlnBlushNoSpectralTrailing": False,
    "rlnDoGradientRefine": False,
    "rlnDoStochasticGradientDescent": False,
    "rlnGradEmIters": 0,
    "rlnGradHasConverged": False,
    "rlnGradCurrentStepsize": 0.0,
    "rlnGradSubsetOrder": 0,
    "rlnGradSuspendFinerSamplingIter": -1,
    "rlnGradSuspendLocalSamplingIter": -1,
    "rlnSgdInitialIterationsFraction": 0.3,
    "rlnSgdFinalIterationsFraction": 0.2,
    "rlnSgdMinimumResolution": 20.0,
    "rlnSgdInitialResolution": -1.0,
    "rlnSgdFinalResolution": -1.0,
    "rlnSgdInitialSubsetSize": -1,
    "rlnSgdFinalSubsetSize": -1,
    "rlnSgdMuFactor": 0.0,
    "rlnSgdSkipAnneal": False,
    "rlnSgdClassInactivityThreshold": 0.0,
    "rlnSgdSubsetSize": -1,
    "rlnSgdWriteEverySubset": 10,
    "rlnSgdStepsize": -1.0,
    "rlnSgdStepsizeScheme": "",
    "rlnTau2FudgeScheme": "",
    "rlnTau2FudgeArg": -1.0,
    "rlnMaximumSignificantPoses": -1,
    "rlnDoAutoRefine": False,
    "rlnDoAutoSampling": False,
    "rlnAutoLocalSearchesHealpixOrder": 4,
    "rlnNumberOfIterWithoutResolutionGain": 0,
    "rlnBestResolutionThusFar": float,
    "rlnNumberOfIterWithoutChangingAssignments": 0,
    "rlnDoSkipAlign": False,
    "rlnDoSkipRotate": False,
    "rlnOverallAccuracyRotations": 999.0,
    "rlnOverallAccuracyTranslationsAngst": 999.0,
    "rlnChangesOptimalOrientations": 999.0,
    "rlnChangesOptimalOffsets": 999.0,
    "rlnChangesOptimalClasses": 9_999_999.0,
    "rlnSmallestChangesOrientations": 999.0,
    "rlnSmallestChangesOffsets": 999.0,
    "rlnSmallestChangesClasses": 9_999_999,
    "rlnLocalSymmetryFile": "None",
    "rlnDoHelicalRefine": False,
    "rlnIgnoreHelicalSymmetry": False,
    "rlnFourierMask": "None",
    "rlnHelicalTwistInitial": 0.0,
    "rlnHelicalRiseInitial": 0.0,
    "rlnHelicalCentralProportion": 0.3,
    "rlnNrHelicalNStart": 1,
    "rlnHelicalMaskTubeInnerDiameter": -1.0,
    "rlnHelicalMaskTubeOuterDiameter": -1.0,
    "rlnHelicalSymmetryLocalRefinement": False,
    "rlnHelicalSigmaDistance": -1.0,
    "rlnHelicalKeepTiltPriorFixed": False,
    "rlnHasConverged": False,
    "rlnHasHighFscAtResolLimit": False,
    "rlnHasLargeSizeIncreaseIterationsAgo": 0,
    "rlnDoCorrectNorm": False,
    "rlnDoCorrectScale": False,
    "rlnDoCorrectCtf": False,
    "rlnDoCenterClasses": False,
    "rlnDoIgnoreCtfUntilFirstPeak": False,
    "rlnCtfDataArePhaseFlipped": False,
    "rlnDoOnlyFlipCtfPhases": False,
    "rlnRefsAreCtfCorrected": True,
    "rlnFixSigmaNoiseEstimates": False,
    "rlnFixSigmaOffsetEstimates": False,
    "rlnMaxNumberOfPooledParticles": 1,
    "rlnOffsetRangeX": -1.0,
    "rlnOffsetRangeY": -1.0,
    "rlnOffsetRangeZ": -1.0,
}


def write_optimiser_star(path: Path, values: Mapping[str, Value], comments: Sequence[str]) -> None:
    """Write the options and the state of a run.

    Parameters
    ----------
    path
        File to be made or replaced.
    values
        By label, prefix ``rln`` included; labels that are not given get their default.
    comments
        The program with its version, and the command line.

    Raises
    ------
    ValueError
        If a label is unknown, or one without default is missing: a mistake in the program.
    DataError
        If the file cannot be written.
    """
    unknown = values.keys() - LABELS.keys()
    missing = {label for label, value in LABELS.items() if isinstance(value, type)} - values.keys()
    if unknown or missing:
        raise ValueError(f"optimiser.star: unknown {sorted(unknown)}, missing {sorted(missing)}")
    content = {
        label: _typed(value, values.get(label, value))
        for label, value in LABELS.items()
        if label != "rlnModelStarFile2" or values.get(label)
    }
    write_star(path, {"optimiser_general": content}, comments)


def read_optimiser_star(path: Path) -> dict[str, Value]:
    """Read the options and the state of a run of ours or of RELION 3.1 or later.

    Returns
    -------
    values
        By label, typed as in `LABELS`; labels that the file lacks have their default,
        labels that we do not know are text.

    Raises
    ------
    DataError
        Lists all labels that are missing or have no sensible value.
    """
    found = read_star(path).values("optimiser_general")
    values: dict[str, Value] = dict(found)
    problems = []
    for label, default in LABELS.items():
        if label not in found and isinstance(default, type):
            problems.append(f"{label} is missing.")
            continue
        try:
            values[label] = _typed(default, found.get(label, default))
        except ValueError:
            problems.append(f"{label} is {found[label]!r}; expected {_kind(default).__name__}.")
    refuse(path, problems)
    return values


def _typed(default: Value | type, value: object) -> Value:
    """Return a value in the type of its label; a flag may be text, ``0`` or ``1``."""
    kind = _kind(default)
    if kind is str:
        return str(value)
    number = float(str(int(value)) if isinstance(value, bool) else str(value))
    if kind is float:
        return number
    if number != int(number):
        raise ValueError(f"{value!r} is not whole")
    return bool(number) if kind is bool else int(number)


def _kind(default: Value | type) -> type:
    return default if isinstance(default, type) else type(default)
