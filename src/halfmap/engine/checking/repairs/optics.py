"""Optics: a table that is absent, groups that are not defined, values that are not there."""

from dataclasses import replace

import numpy as np

from halfmap.config.checking import CheckOptions
from halfmap.engine.checking.findings import Finding, Severity
from halfmap.engine.checking.particle_set import ParticleSet, as_floats, text
from halfmap.engine.checking.repairs.base import Repaired, pixel_size_label
from halfmap.io.optics_table import PIXEL_SIZES, split_single_table
from halfmap.io.star_columns import ColumnReader

_GIVEN = {
    "rlnVoltage": "kv",
    "rlnSphericalAberration": "cs",
    "rlnAmplitudeContrast": "q0",
    "rlnImagePixelSize": "angpix",
}
"""Columns that an option can supply."""
_NEARLY = 1e-4
"""Pixel sizes that differ by this part of them differ by rounding."""


def make_optics(whole: ParticleSet, _: CheckOptions) -> Repaired:
    """Give a table that has none an optics table: of RELION 3.0, or cut off."""
    if whole.optics:
        return whole, []
    grouped = "rlnOpticsGroup" in whole.particles
    given = dict(whole.particles)
    numbers = given.pop("rlnOpticsGroup", None)
    optics, particles = split_single_table(ColumnReader(given, "data_particles", []))
    if grouped and numbers is not None:
        wanted, first = np.unique(as_floats(numbers), return_index=True)
        row = as_floats(particles["rlnOpticsGroup"]).astype(int)[first] - 1
        optics = {label: column[row] for label, column in optics.items()}
        optics["rlnOpticsGroup"] = text(wanted.astype(int))
        optics["rlnOpticsGroupName"] = text(np.array([f"opticsGroup{int(n)}" for n in wanted]))
        particles["rlnOpticsGroup"] = numbers
        found = Finding(
            Severity.PROBLEM,
            "rlnOpticsGroup is there, but no table data_optics",
            "one row for each optics group",
            repair="an optics table is made of what the particles say and of --kv, --cs, --q0, "
            "--angpix",
        )
    else:
        found = Finding(
            Severity.NOTICE,
            "a table of RELION 3.0 or before, without optics groups",
            repair=f"written as of 3.1; optics groups: {len(optics['rlnOpticsGroup'])}",
        )
    repaired = replace(
        whole,
        optics={label: text(column) for label, column in optics.items()},
        particles={label: text(column) for label, column in particles.items()},
    )
    return repaired, [found]


def number_groups(whole: ParticleSet, _: CheckOptions) -> Repaired:
    """Define the groups, and put the particles of a set with one group into it."""
    n = len(next(iter(whole.optics.values())))
    findings = []
    if "rlnOpticsGroup" not in whole.optics:
        whole = whole.with_optics({"rlnOpticsGroup": np.arange(1, n + 1)})
        findings.append(
            Finding(
                Severity.PROBLEM,
                "the optics table has no rlnOpticsGroup",
                repair=f"its rows are numbered 1 to {n}",
            )
        )
    defined = as_floats(whole.optics["rlnOpticsGroup"])
    if "rlnOpticsGroup" in whole.particles:
        undefined = ~np.isin(whole.floats("rlnOpticsGroup"), defined)
    else:
        undefined = np.ones(len(whole), bool)
    if not undefined.any():
        return whole, findings
    listed = ", ".join(f"{number:g}" for number in defined[:10])
    findings.append(
        Finding(
            Severity.PROBLEM,
            "particles have an optics group that data_optics does not define",
            f"one of {listed}",
            "" if n == 1 else "Copy the row of data_optics from where the particles came from",
            whole.file_rows(undefined),
            "they get the only group there is" if n == 1 else "",
        )
    )
    if n > 1:
        return whole, findings[:-1]  # the reading of the run says it
    number = whole.optics["rlnOpticsGroup"][0]
    return whole.with_particles({"rlnOpticsGroup": np.full(len(whole), str(number))}), findings


def fill_in(whole: ParticleSet, options: CheckOptions) -> Repaired:
    """Take what the optics lack from the options."""
    n = len(next(iter(whole.optics.values())))
    findings = []
    for label, name in _GIVEN.items():
        value = getattr(options, name)
        there = PIXEL_SIZES if label == "rlnImagePixelSize" else (label,)
        if any(other in whole.optics for other in there) or value is None:
            continue
        findings.append(
            Finding(
                Severity.PROBLEM,
                f"{label} is missing in data_optics",
                repair=f"it is {value:g}, by --{name}",
            )
        )
        whole = whole.with_optics({label: np.full(n, value)})
    return whole, findings


def equal_pixels(whole: ParticleSet, _: CheckOptions) -> Repaired:
    """Make pixel sizes equal that differ by rounding only."""
    label = pixel_size_label(whole)
    if label is None:
        return whole, []
    sizes = as_floats(whole.optics[label])
    equal = sizes.copy()
    for k, size in enumerate(sizes):
        near = equal[:k][np.abs(equal[:k] - size) <= _NEARLY * size]
        equal[k] = near[0] if len(near) else size
    if np.array_equal(equal, sizes, equal_nan=True):
        return whole, []
    finding = Finding(
        Severity.WARNING,
        f"{label} differs by rounding between optics groups "
        f"({', '.join(f'{s:.7g}' for s in np.unique(sizes))})",
        "equal numbers, or truly different ones",
        repair="the first of them counts for all",
    )
    return whole.with_optics({label: equal}), [finding]


def origins_in_angstrom(whole: ParticleSet, _: CheckOptions) -> Repaired:
    """Write shifts in px (RELION 3.0) as shifts in Å; nothing is wrong with them."""
    label = pixel_size_label(whole)
    old = [
        c
        for c in ("rlnOriginX", "rlnOriginY", "rlnOriginXPrior", "rlnOriginYPrior")
        if c in whole.particles and f"{c}Angst" not in whole.particles
    ]
    if label is None or not old:
        return whole, []
    size = dict(
        zip(
            as_floats(whole.optics["rlnOpticsGroup"]).tolist(),
            as_floats(whole.optics[label]).tolist(),
            strict=True,
        )
    )
    pixel_A = np.array([size.get(g, np.nan) for g in whole.floats("rlnOpticsGroup").tolist()])
    particles = dict(whole.particles)
    for name in old:
        particles[f"{name}Angst"] = text(as_floats(particles.pop(name)) * pixel_A)
    return replace(whole, particles=particles), []


def unused_groups(whole: ParticleSet, _: CheckOptions) -> Repaired:
    """Mention optics groups without particles."""
    numbers = as_floats(whole.optics["rlnOpticsGroup"])
    empty = numbers[~np.isin(numbers, whole.floats("rlnOpticsGroup"))]
    if not len(empty):
        return whole, []
    listed = ", ".join(f"{number:g}" for number in empty)
    return whole, [Finding(Severity.NOTICE, f"no particle is in optics group {listed}")]
