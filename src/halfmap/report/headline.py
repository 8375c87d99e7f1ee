"""The words and numbers at the top of a page, and the table of iterations."""

from collections.abc import Iterator

import numpy as np

from halfmap.io.prior_star import USED
from halfmap.report.run_record import ModelRecord, ParticleTable, RunRecord, StateRecord, number


def headline(record: RunRecord) -> tuple[str, str]:
    """Return how the run ended, in large and in small letters."""
    last = record.last
    n = last.number
    iterations = f"{n} iteration{'' if n == 1 else 's'}"
    reached = last.value("rlnCurrentResolution")
    resolution = f"{reached:#.3g} Å" if np.isfinite(reached) else "unknown resolution"
    if record.converged:
        # The end alone does not say how many iterations there were.
        after = f" after {iterations}" if record.files.iterations else ""
        return f"Converged at {resolution}{after}", "Both halves are joined in the final map."
    if n == 0:
        return "Not one iteration is done yet", "The run has just begun, or stopped at once."
    # Not through `known`: 999 iterations is the usual limit, not a mark of the unknown.
    if n < number(last.optimiser.get("rlnNumberOfIterations")):
        return f"At iteration {n}, {resolution}", "The run still goes on, or was interrupted."
    if last.value("rlnDoAutoRefine") == 1:
        reason = "The last iteration allowed was reached before convergence."
        return f"Stopped at iteration {n}, {resolution}", reason
    return f"{resolution} after {iterations}", "All iterations that were asked for are done."


def facts(record: RunRecord, particles: ParticleTable | None) -> list[tuple[str, str]]:
    """Return the key facts, name and value; what is unknown is left out."""
    last = record.last
    value = last.value
    pairs = [
        ("Particles", "" if particles is None else f"{particles.n:,}"),
        ("Halves", _halves(particles)),
        ("Box", _with_unit(value("rlnOriginalImageSize"), "px", 0)),
        ("Pixel", _with_unit(value("rlnPixelSize"), "Å", 3)),
        ("Symmetry", last.sampling.get("rlnSymmetryGroup", "")),
        ("Particle diameter", _with_unit(value("rlnParticleDiameter"), "Å", 0)),
        ("Angular accuracy", _with_unit(value("rlnOverallAccuracyRotations"), "°")),
        ("Offset accuracy", _with_unit(value("rlnOverallAccuracyTranslationsAngst"), "Å")),
        ("Mean Pmax", _with_unit(value("rlnAveragePmax"), "", 3)),
        ("Prior plug-in", _use_of_prior(record)),
        ("Ranks", str(len(np.unique(record.timing.rank))) if record.timing else ""),
    ]
    return [(name, text) for name, text in pairs if text]


def remarks(record: RunRecord) -> list[str]:
    """Return what a reader should look at first, one sentence each."""
    return list(_remarks(record))


def iteration_rows(record: RunRecord) -> list[tuple[str, ...]]:
    """Return the table of iterations, one row a state, after its head row."""
    head = (
        "",
        "resolution (Å)",
        "window (px)",
        "step (°)",
        "step (Å)",
        "accuracy (°)",
        "accuracy (Å)",
        "changes (°)",
        "changes (Å)",
        "mean Pmax",
        "log-likelihood",
    )
    return [head, *(_row(state) for state in record.iterated)]


def _row(state: StateRecord) -> tuple[str, ...]:
    finer = 2.0 ** max(state.value("rlnAdaptiveOversampleOrder"), 0.0)
    numbers = (
        (state.value("rlnCurrentResolution"), ".2f"),
        (state.value("rlnCurrentImageSize"), ".0f"),
        (state.value("rlnPsiStep") / finer, ".3g"),
        (state.value("rlnOffsetStep") / finer, ".3g"),
        (state.value("rlnOverallAccuracyRotations"), ".2f"),
        (state.value("rlnOverallAccuracyTranslationsAngst"), ".2f"),
        (state.value("rlnChangesOptimalOrientations"), ".2f"),
        (state.value("rlnChangesOptimalOffsets"), ".2f"),
        (state.value("rlnAveragePmax"), ".3f"),
        (state.value("rlnLogLikelihood"), ",.0f"),
    )
    return (state.name, *(format(x, form) if np.isfinite(x) else "–" for x, form in numbers))


def _remarks(record: RunRecord) -> Iterator[str]:
    model = record.last.model
    n_bad = len(record.quarantine[1:])
    if n_bad:
        yield f"{_count(n_bad, 'image')} set aside as unusable; listed below."
    n_refused = len(record.prior) - record.prior.count(USED)
    if n_refused:
        yield (
            f"{_count(n_refused, 'map')} of {len(record.prior)} kept the ordinary prior, because "
            f"the plug-in gave none that could be used; {record.files.prior.name} says why."
        )
    if model is not None:
        fsc = model.shells.get("GoldStandardFsc")
        if fsc is not None and record.last.value("rlnCurrentImageSize") == 2 * (len(fsc) - 1):
            edge = float(np.mean(fsc[-3:]))
            if edge > 0.143:
                yield (
                    f"The FSC is still {edge:.2f} at the Nyquist limit: the pixel size limits "
                    f"this map, or both halves share something that is not the particle."
                )
        if record.has_classes:
            yield from _class_remarks(model)
    if record.missing:
        yield f"{_count(len(record.missing), 'file')} could not be read; listed below."


def _class_remarks(model: ModelRecord) -> Iterator[str]:
    yield f"The run has {model.general['rlnNrClasses']} classes; the spectra are those of class 1."
    empty = np.flatnonzero(model.classes.get("ClassDistribution", np.ones(1)) == 0.0) + 1
    if len(empty):
        yield f"{_count(len(empty), 'class', 'es')} empty: {', '.join(map(str, empty))}."


def _use_of_prior(record: RunRecord) -> str:
    n = len(record.prior)
    return f"used for {record.prior.count(USED)} of {_count(n, 'map')}" if n else ""


def _halves(table: ParticleTable | None) -> str:
    if table is None or table.half is None:
        return ""
    first, second = (int(np.sum(table.half == half)) for half in (1, 2))
    return f"{first:,} + {second:,}" if first and second else ""


def _count(n: int, noun: str, plural: str = "s") -> str:
    return f"{n} {noun}{'' if n == 1 else plural}"


def _with_unit(value: float, unit: str, decimals: int | None = None) -> str:
    """Return a number with its unit: three figures, or the decimals asked for.

    >>> _with_unit(3.4217, "Å"), _with_unit(80.0, "px", 0), _with_unit(float("nan"), "Å")
    ('3.42 Å', '80 px', '')
    """
    if not np.isfinite(value):
        return ""
    text = f"{value:#.3g}" if decimals is None else f"{value:.{decimals}f}"
    return f"{text}{unit}" if unit == "°" else f"{text} {unit}".strip()
