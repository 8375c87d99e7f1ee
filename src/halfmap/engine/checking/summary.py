"""A short table of what a set holds."""

from collections import Counter
from collections.abc import Iterator

import numpy as np

from halfmap.engine.checking.particle_set import ParticleSet, as_floats
from halfmap.io.cryosparc.to_star import PREFIX
from halfmap.io.image_names import split_image_name
from halfmap.io.labels import LABELS, Use

_MOST_GROUPS = 8
_MOST_COLUMNS = 8
_OPTICS = {
    "rlnVoltage": "{} kV",
    "rlnSphericalAberration": "Cs {} mm",
    "rlnAmplitudeContrast": "Q0 {}",
    "rlnImageSize": "{} px",
    "rlnImagePixelSize": "{} Å",
}


def summary(whole: ParticleSet) -> list[tuple[str, str]]:
    """Return names and values, a line each."""
    stacks = {split_image_name(str(name))[1] for name in whole.particles["rlnImageName"]}
    counted = f"{len(whole):,} in {_counted(len(stacks), 'stack')}"
    if "rlnMicrographName" in whole.particles:
        n = len(set(whole.particles["rlnMicrographName"].tolist()))
        counted += f", {_counted(n, 'micrograph')}"
    return [
        ("particles", counted),
        *_groups(whole),
        *_halves(whole),
        *_ranges(whole),
        *_columns(whole),
    ]


def _counted(n: int, noun: str) -> str:
    return f"{n:,} {noun}{'' if n == 1 else 's'}"


def _groups(whole: ParticleSet) -> Iterator[tuple[str, str]]:
    if "rlnOpticsGroup" not in whole.optics or "rlnOpticsGroup" not in whole.particles:
        return
    numbers = as_floats(whole.optics["rlnOpticsGroup"]).tolist()
    in_group = Counter(whole.floats("rlnOpticsGroup").tolist())
    for row, number in enumerate(numbers[:_MOST_GROUPS]):
        parts = [
            form.format(_short(whole.optics[label][row]))
            for label, form in _OPTICS.items()
            if label in whole.optics
        ]
        text = ", ".join([*parts, _counted(in_group[number], "particle")])
        yield f"optics group {number:g}", text
    if len(numbers) > _MOST_GROUPS:
        yield "", f"and {len(numbers) - _MOST_GROUPS} optics groups more"


def _short(word: object) -> str:
    try:
        return f"{float(str(word)):.6g}"
    except ValueError:
        return str(word)


def _halves(whole: ParticleSet) -> Iterator[tuple[str, str]]:
    if "rlnRandomSubset" not in whole.particles:
        yield "halves", "none; a run draws them"
        return
    counts = Counter(_short(word) for word in whole.particles["rlnRandomSubset"].tolist())
    yield "halves", ", ".join(f"{counts[half]:,} of {half}" for half in sorted(counts))


def _ranges(whole: ParticleSet) -> Iterator[tuple[str, str]]:
    for label, name, unit, scale in (
        ("rlnDefocusU", "defocus", "µm", 1e-4),
        ("rlnOriginXAngst", "shifts along x", "Å", 1.0),
        ("rlnAngleTilt", "tilt", "°", 1.0),
    ):
        if label in whole.particles:
            values = whole.floats(label)
            values = values[np.isfinite(values)] * scale
            if len(values):
                yield name, f"{values.min():.3g} to {values.max():.3g} {unit}"


def _columns(whole: ParticleSet) -> Iterator[tuple[str, str]]:
    kinds: dict[str, list[str]] = {"understood": [], "made anew": [], "kept": [], "unknown": []}
    titles = {Use.READ: "understood", Use.WRITTEN: "made anew", Use.KEPT: "kept"}
    travelling = 0
    for label in (*whole.optics, *whole.particles):
        if label.startswith(PREFIX):
            travelling += 1
        elif label in LABELS:
            kinds[titles[LABELS[label].use]].append(label)
        else:
            kinds["unknown"].append(label)
    yield "columns", f"{len(set(kinds['understood']))} understood"
    for kind, text in (
        ("made anew", "made anew by a run"),
        ("kept", "kept as they are"),
        ("unknown", "unknown, kept as they are"),
    ):
        if kinds[kind]:
            shown = kinds[kind][:_MOST_COLUMNS]
            dots = ", ..." if len(kinds[kind]) > _MOST_COLUMNS else ""
            yield "", f"{len(kinds[kind])} {text}: {', '.join(shown)}{dots}"
    if travelling:
        yield "", f"{travelling} of cryoSPARC that travel along"
