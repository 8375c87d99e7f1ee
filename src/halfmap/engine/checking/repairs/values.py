"""Values of single particles: not finite, out of range, of the wrong unit or sign."""

from dataclasses import replace

import numpy as np

from halfmap.config.checking import CheckOptions
from halfmap.engine.checking.findings import Finding, Severity
from halfmap.engine.checking.particle_set import ParticleSet
from halfmap.engine.checking.repairs.base import Repaired
from halfmap.model.rotations import euler_angles, euler_matrices

_ANGLES = ("rlnAngleRot", "rlnAngleTilt", "rlnAnglePsi")
_NEUTRAL = {
    **dict.fromkeys(_ANGLES, 0.0),
    "rlnOriginXAngst": 0.0,
    "rlnOriginYAngst": 0.0,
    "rlnDefocusAngle": 0.0,
    "rlnPhaseShift": 0.0,
    "rlnCtfBfactor": 0.0,
    "rlnCtfScalefactor": 1.0,
    "rlnNormCorrection": 1.0,
    "rlnLogLikeliContribution": 0.0,
    "rlnMaxValueProbDistribution": 0.0,
    "rlnNrOfSignificantSamples": 0.0,
    "rlnClassNumber": 0.0,
}
"""What stands for a number that is none, where a run finds it anew."""
_DEFOCUS = ("rlnDefocusU", "rlnDefocusV")
_LARGEST_UM = 50.0
_A_PER_UM = 1e4
REDRAW = "Have them drawn anew with --redraw_subsets"
_UNLIKELY = 5.0
"""Standard deviations of the difference of two halves that were drawn."""


def finite_numbers(whole: ParticleSet, _: CheckOptions) -> Repaired:
    """Replace what is no number where that is harmless; leave out particles without defocus."""
    findings = []
    for label, neutral in _NEUTRAL.items():
        if label not in whole.particles:
            continue
        values = whole.floats(label)
        wrong = ~np.isfinite(values)
        if wrong.any():
            findings.append(_not_finite(whole, label, wrong, f"{neutral:g} stands for it"))
            whole = whole.with_particles({label: np.where(wrong, neutral, values)})
    for label in _DEFOCUS:
        if label not in whole.particles:
            continue
        wrong = ~np.isfinite(whole.floats(label))
        if wrong.any():
            findings.append(_not_finite(whole, label, wrong, "these particles are left out"))
            whole = whole.only(~wrong)
    return whole, findings


def _not_finite(whole: ParticleSet, label: str, wrong: np.ndarray, repair: str) -> Finding:
    first = whole.particles[label][np.argmax(wrong)]
    rows = whole.file_rows(wrong)
    return Finding(
        Severity.PROBLEM, f"{label} is {first}", "a finite number", rows=rows, repair=repair
    )


def positive_norms(whole: ParticleSet, _: CheckOptions) -> Repaired:
    """Forget normalisation corrections that are not above zero."""
    label = "rlnNormCorrection"
    if label not in whole.particles:
        return whole, []
    values = whole.floats(label)
    wrong = values <= 0
    if not wrong.any():
        return whole, []
    finding = Finding(
        Severity.PROBLEM,
        f"{label} is {values[wrong][0]:g}",
        "a number above 0",
        rows=whole.file_rows(wrong),
        repair="1 stands for it",
    )
    return whole.with_particles({label: np.where(wrong, 1.0, values)}), [finding]


def wrapped_angles(whole: ParticleSet, _: CheckOptions) -> Repaired:
    """Write the same orientations with angles in their usual ranges."""
    if not whole.particles.keys() >= set(_ANGLES):
        return whole, []
    angles = np.stack([whole.floats(label) for label in _ANGLES], axis=1)
    rot, tilt, psi = angles.T
    outside = (np.abs(rot) > 180) | (tilt < 0) | (tilt > 180) | (np.abs(psi) > 180)
    if not outside.any():
        return whole, []
    angles[outside] = euler_angles(euler_matrices(angles[outside]))
    finding = Finding(
        Severity.NOTICE,
        "angles are out of their usual range",
        "rot and psi from -180 to 180, tilt from 0 to 180",
        rows=whole.file_rows(outside),
        repair="the same orientations within it",
    )
    new = {label: whole.particles[label].copy() for label in _ANGLES}
    for label, column in zip(_ANGLES, angles.T, strict=True):
        new[label][outside] = [f"{value:.9g}" for value in column[outside]]
    return whole.with_particles(new), [finding]


def defocus_in_angstrom(whole: ParticleSet, _: CheckOptions) -> Repaired:
    """Find defocus in µm, zero, or of the other sign."""
    there = [label for label in _DEFOCUS if label in whole.particles]
    if not there:
        return whole, []
    values = {label: whole.floats(label) for label in there}
    findings = []
    size = max(float(np.abs(v).max(initial=0.0)) for v in values.values())
    if 0.0 < size < _LARGEST_UM:
        findings.append(
            Finding(
                Severity.WARNING,
                f"no defocus is above {size:g} Å: it seems to be in µm",
                "Å",
                repair="multiplied by 10,000",
            )
        )
        values = {label: v * _A_PER_UM for label, v in values.items()}
    negative = np.logical_or.reduce([v < 0 for v in values.values()])
    if negative.all():
        findings.append(
            Finding(
                Severity.WARNING,
                "the defocus of all particles is negative (overfocus)",
                "positive for underfocus",
                repair="the sign is turned",
            )
        )
        values = {label: -v for label, v in values.items()}
    elif negative.any():
        rows = whole.file_rows(negative)
        findings.append(
            Finding(
                Severity.WARNING,
                "the defocus is negative (overfocus)",
                "positive for underfocus",
                "Estimate the CTF of these micrographs again, or leave them out",
                rows,
            )
        )
    changed = findings and any(finding.repair for finding in findings)
    whole = whole.with_particles(values) if changed else whole
    return _without_zero(whole, findings)


def _without_zero(whole: ParticleSet, findings: list[Finding]) -> Repaired:
    """Leave out particles whose defocus is exactly zero: nobody estimated it."""
    if "rlnDefocusU" not in whole.particles:
        return whole, findings
    zero = whole.floats("rlnDefocusU") == 0
    if not zero.any() or zero.all():
        return whole, findings
    finding = Finding(
        Severity.WARNING,
        "rlnDefocusU is 0",
        "an estimate",
        rows=whole.file_rows(zero),
        repair="these particles are left out",
    )
    return whole.only(~zero), [*findings, finding]


def contrast(whole: ParticleSet, options: CheckOptions) -> Repaired:
    """Mention dark particles; turn the contrast if asked."""
    label = "rlnCtfScalefactor"
    factor = whole.floats(label) if label in whole.particles else np.ones(len(whole))
    findings = []
    if options.dark:
        factor = -factor
        whole = whole.with_particles({label: factor})
        findings.append(
            Finding(
                Severity.WARNING,
                "the contrast is to be turned (--dark)",
                repair=f"{label} is multiplied by -1",
            )
        )
    dark = factor < 0
    if dark.any():
        findings.append(
            Finding(
                Severity.NOTICE,
                f"particles are dark ({label} below 0)",
                remedy="They need a run with --ctf, which turns them over",
                rows=whole.file_rows(dark),
            )
        )
    return whole, findings


def halves(whole: ParticleSet, options: CheckOptions) -> Repaired:
    """Look at the halves; draw them anew only if asked."""
    label = "rlnRandomSubset"
    drawn = np.random.default_rng(options.random_seed).permutation(len(whole)) % 2 + 1
    if options.redraw_subsets:
        finding = Finding(
            Severity.NOTICE,
            "halves are to be drawn anew (--redraw_subsets)",
            repair=f"{label} is drawn with the seed {options.random_seed}",
        )
        return whole.with_particles({label: drawn}), [finding]
    if label not in whole.particles:
        return whole, []
    values = whole.floats(label)
    n = np.array([np.count_nonzero(values == half) for half in (1, 2)])
    if (n.max() and not n.min()) or n.max() - n.min() > _UNLIKELY * np.sqrt(n.sum()):
        found = f"the halves differ in size: {n[0]:,} and {n[1]:,} particles"
        expected = "about equal ones; a run with halves needs both"
        return whole, [Finding(Severity.WARNING, found, expected, REDRAW)]
    return whole, []


def misplaced_columns(whole: ParticleSet, _: CheckOptions) -> Repaired:
    """Remove columns of the particles that count in the optics table only."""
    both = [label for label in whole.particles if label in whole.optics]
    both = [label for label in both if label != "rlnOpticsGroup"]
    if not both:
        return whole, []
    kept = {label: column for label, column in whole.particles.items() if label not in both}
    finding = Finding(
        Severity.NOTICE,
        f"{', '.join(both)}: also in the table of particles, where nobody reads it",
        repair="removed there",
    )
    return replace(whole, particles=kept), [finding]
