"""A made-up run folder, as halfmap writes them: for tests of what reads one."""

from pathlib import Path

import numpy as np

from halfmap.io.mrc import write_map
from halfmap.io.star import write_star

BOX, PIXEL_A = 32, 4.0
COMMAND = "halfmap refine --i particles.star --o job/run --auto_refine --split_random_halves"


def write_run(
    folder: Path, *, iterations: int = 4, converged: bool = True, n: int = 300, symmetry: str = "C2"
) -> Path:
    """Write every file of a run that improves steadily, and return its root."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(7)
    root = folder / "run"
    for iteration in range(iterations + 1):
        _write_state(root, f"_it{iteration:03d}", iteration, rng, (n, symmetry))
    if converged:
        _write_state(root, "", iterations + 1, rng, (n, symmetry), final=True)
    _write_timing(root, iterations + converged)
    write_star(
        Path(f"{root}_quarantine.star"),
        {
            "particles": {
                "rlnImageName": ["000007@stack.mrcs"],
                "hlfReason": ["all_pixels_<_0"],
            }
        },
    )
    return root


def _write_state(root, suffix, iteration, rng, size_and_symmetry, *, final=False) -> None:
    n, symmetry = size_and_symmetry
    prefix = f"{root}{suffix}"
    resolution_A = 40.0 / (1 + 0.25 * iteration)
    write_star(
        Path(f"{prefix}_optimiser.star"),
        {"optimiser_general": _optimiser(iteration, final)},
        comments=["halfmap optimiser; version 0.1.0", COMMAND],
    )
    if iteration:
        write_star(Path(f"{prefix}_sampling.star"), {"sampling_general": _sampling(symmetry)})
    write_star(Path(f"{prefix}_data.star"), {"particles": _particles(n, iteration, rng)})
    blob = _blob()
    for half in ("",) if final else ("_half1", "_half2"):
        write_star(Path(f"{prefix}{half}_model.star"), _model(iteration, resolution_A, rng))
        write_map(Path(f"{prefix}{half}_class001.mrc"), blob, PIXEL_A)
    if final:
        for half in ("_half1", "_half2"):
            noisy = blob + 0.2 * rng.normal(size=blob.shape)
            write_map(Path(f"{prefix}{half}_class001_unfil.mrc"), noisy, PIXEL_A)


def _optimiser(iteration: int, final: bool) -> dict[str, object]:
    return {
        "rlnCurrentIteration": -1 if final else iteration,
        "rlnNumberOfIterations": 999,
        "rlnDoAutoRefine": 1,
        "rlnHasConverged": int(final),
        "rlnAdaptiveOversampleOrder": 1,
        "rlnParticleDiameter": 100.0,
        "rlnJoinHalvesUntilThisResolution": 40.0,
        "rlnOverallAccuracyRotations": 12.0 / max(iteration, 1) if iteration else 999.0,
        "rlnOverallAccuracyTranslationsAngst": 6.0 / max(iteration, 1) if iteration else 999.0,
        "rlnChangesOptimalOrientations": 90.0 / iteration**2 if iteration else 999.0,
        "rlnChangesOptimalOffsets": 8.0 / iteration if iteration else 999.0,
        "rlnSolventMaskName": "None",
    }


def _sampling(symmetry: str) -> dict[str, object]:
    return {
        "rlnHealpixOrder": 3,
        "rlnSymmetryGroup": symmetry,
        "rlnPsiStep": 7.5,
        "rlnOffsetRange": 8.0,
        "rlnOffsetStep": 4.0,
    }


def _particles(n: int, iteration: int, rng: np.random.Generator) -> dict[str, object]:
    table: dict[str, object] = {
        "rlnImageName": [f"{i + 1:06d}@stack.mrcs" for i in range(n)],
        "rlnRandomSubset": np.arange(n) % 2 + 1,
    }
    if iteration:
        table |= {
            "rlnAngleRot": rng.uniform(-180.0, 180.0, n),
            "rlnAngleTilt": np.degrees(np.arccos(rng.uniform(-1.0, 1.0, n))),
            "rlnOriginXAngst": rng.normal(0.0, 5.0, n),
            "rlnOriginYAngst": rng.normal(0.0, 5.0, n),
            "rlnNormCorrection": rng.normal(0.8, 0.02, n),
            "rlnMaxValueProbDistribution": rng.beta(1.0 + iteration, 4.0, n),
            "rlnNrOfSignificantSamples": rng.geometric(0.02 * (1 + iteration), n),
        }
    return table


def _model(iteration: int, resolution_A: float, rng: np.random.Generator) -> dict[str, object]:
    shell = np.arange(BOX // 2 + 1)
    frequency = shell / (BOX * PIXEL_A)
    fsc = 1.0 / (1.0 + (frequency * resolution_A) ** 8) if iteration else np.zeros(len(shell))
    return {
        "model_general": {
            "rlnOriginalImageSize": BOX,
            "rlnPixelSize": PIXEL_A,
            "rlnCurrentResolution": resolution_A if iteration else float("inf"),
            "rlnCurrentImageSize": min(BOX, 16 + 4 * iteration) if iteration else 0,
            "rlnNrClasses": 1,
            "rlnLogLikelihood": 1e5 + 100.0 * iteration,
            "rlnAveragePmax": min(0.1 * iteration, 0.9),
        },
        "model_class_1": {
            "rlnSpectralIndex": shell,
            "rlnResolution": frequency,
            "rlnSsnrMap": fsc / np.maximum(1.0 - fsc, 1e-3),
            "rlnGoldStandardFsc": fsc,
            "rlnReferenceTau2": 1e-2 * np.exp(-shell / 3.0),
        },
        "model_groups": {
            "rlnGroupName": [f"micrograph_{i}.mrc" for i in range(20)],
            "rlnGroupScaleCorrection": rng.normal(1.0, 0.05, 20),
        },
        "model_optics_group_1": {
            "rlnResolution": frequency,
            "rlnSigma2Noise": 1e-4 * (1.0 + np.exp(-shell / 2.0)),
        },
    }


def _write_timing(root: Path, iterations: int) -> None:
    lines = ["iteration,rank,phase,seconds"]
    for iteration in range(1, iterations + 1):
        for rank in range(3):
            phases = {
                "expectation": 20.0,
                "maximisation": 3.0,
                "waiting": rank,
                "units": 6.0 * rank,
            }
            lines += [f"{iteration},{rank},{phase},{s}" for phase, s in phases.items()]
    Path(f"{root}_timing.csv").write_text("\n".join(lines) + "\n")


def _blob() -> np.ndarray:
    z, y, x = (axis - BOX // 2 for axis in np.ogrid[:BOX, :BOX, :BOX])
    return np.exp(-((z / 6) ** 2 + (y / 4) ** 2 + ((x - 2) / 3) ** 2))
