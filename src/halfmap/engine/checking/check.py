"""The check: read, repair in memory, let the run's own reading judge, say it, write."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from halfmap.config.checking import CheckOptions, repaired_name
from halfmap.engine.checking.findings import Finding, Severity, remaining
from halfmap.engine.checking.images import UNREADABLE, ImageStatistics, image_findings, measure
from halfmap.engine.checking.particle_set import ParticleSet
from halfmap.engine.checking.repairs import names, optics, values
from halfmap.engine.checking.repairs.base import Repair
from halfmap.engine.checking.repairs.stacks import stack_repairs
from halfmap.engine.checking.strict import Verdict, findings_of, judge
from halfmap.engine.checking.summary import summary
from halfmap.engine.checking.text import findings_text, summary_text, verdict
from halfmap.engine.checking.written import convert_table, write_repaired
from halfmap.engine.telling.console import Console
from halfmap.errors import DataError
from halfmap.io.cryosparc.original import is_orphaned, with_original
from halfmap.io.cryosparc.to_star import unused_effects
from halfmap.io.particle_table import read_particle_file
from halfmap.io.star import StarFile

Say = Callable[[str], object]
_HALVES = "rlnRandomSubset"

OF_GROUPS: tuple[Repair, ...] = (optics.make_optics, optics.number_groups)
"""What all others build upon: particles that belong to a row of an optics table."""
REPAIRS: tuple[Repair, ...] = (
    optics.fill_in,
    optics.equal_pixels,
    values.misplaced_columns,
    optics.origins_in_angstrom,
    values.finite_numbers,
    values.positive_norms,
    values.wrapped_angles,
    values.defocus_in_angstrom,
    names.unique_images,
    names.one_micrograph,
    values.halves,
    values.contrast,
    optics.unused_groups,
)
"""In order: each sees the set as those before left it."""


def check(options: CheckOptions, say: Say) -> int:
    """Check a table; repair and convert it if asked. Return the exit code.

    Raises
    ------
    HalfmapError
        If what was asked for cannot be written.
    """
    target = repaired_name(options) if options.fix else None
    try:
        star = read_particle_file(options.table)
        if options.original is not None:
            star = with_original(star, read_particle_file(options.original))
        whole = particle_set(star)
    except DataError as error:
        findings = list(findings_of(error))
        say(f"{options.table}\n{findings_text(findings)}{verdict(findings, fixed=False)}")
        return DataError.exit_code
    whole, findings = repaired(whole, options)
    judged = judge(whole, options)
    findings += _not_said_yet(judged, findings)
    images = _measured(whole, judged, options, findings)
    say(summary_text(str(options.table), summary(whole)))
    say(findings_text(findings))
    say(verdict(findings, fixed=options.fix))
    left = remaining(findings)
    if target is not None:
        star = write_repaired(target, whole, (judged, images), findings, options, say)
    if options.convert is not None:
        convert_table(options.convert, star, say)
    wrong = left if options.fix else [f for f in findings if f.severity is Severity.PROBLEM]
    return DataError.exit_code if wrong else 0


def particle_set(star: StarFile) -> ParticleSet:
    """Find the particles of a file.

    Raises
    ------
    DataError
        If there are none, with what the file has instead.
    """
    name = "particles" if "optics" in star.tables else next(iter(star.tables), "")
    particles = star.tables.get(name, {})
    if "rlnImageName" not in particles:
        blocks = ", ".join(f"data_{block}" for block in (*star.lists, *star.tables)) or "nothing"
        raise DataError(
            f"{star.path} is no particle table: it has {blocks}; expected a table with "
            "rlnImageName. Take the STAR file that lists the particles."
        )
    n = len(particles["rlnImageName"])
    if not n or ("optics" in star.tables and not _n_rows(star, "optics")):
        empty = name if not n else "optics"
        raise DataError(f"{star.path} has no rows in data_{empty}; expected at least one.")
    others = {k: t for k, t in star.tables.items() if k not in ("optics", name)}
    tables = star.tables.get("optics", {})
    return ParticleSet(star.path, particles, tables, np.arange(n), others, star.lists)


def _n_rows(star: StarFile, name: str) -> int:
    return len(next(iter(star.tables[name].values()), ()))


def repaired(whole: ParticleSet, options: CheckOptions) -> tuple[ParticleSet, list[Finding]]:
    """Apply all repairs in memory; return the set as it should be, and what was found."""
    findings = [*_of_cryosparc(whole), *_orphaned(whole)]
    of_stacks = () if options.no_stacks else stack_repairs()
    for repair in (*OF_GROUPS, *REPAIRS, *of_stacks):
        if repair not in OF_GROUPS and "rlnOpticsGroup" not in whole.particles:
            break  # the reading of the run says so
        whole, found = repair(whole, options)
        findings += found
        if not len(whole):
            findings.append(Finding(Severity.PROBLEM, "no particle is left", "some"))
            break
    return whole, findings


def _of_cryosparc(whole: ParticleSet) -> list[Finding]:
    """Name what a ``.cs`` file says and a run does not use."""
    expected = "zero, or aberrations refined with the STAR file"
    return [
        Finding(Severity.WARNING, text, expected)
        for text in unused_effects(whole.particles, whole.others)
    ]


def _orphaned(whole: ParticleSet) -> list[Finding]:
    """Mention columns of cryoSPARC that lost their block, as in all that RELION writes."""
    if not is_orphaned(whole.star):
        return []
    return [
        Finding(
            Severity.NOTICE,
            "columns of cryoSPARC (cs/...) are there without the block data_cryosparc",
            remedy="To convert the set back, name the .cs file it came from with --original",
        )
    ]


def _not_said_yet(judged: Verdict, findings: list[Finding]) -> list[Finding]:
    """Return the run's problems, less stacks that were found absent, and with our remedies."""
    said_absent = any("absent: " in finding.found for finding in findings)
    return [
        replace(finding, remedy=values.REDRAW) if _HALVES in finding.found else finding
        for finding in judged.findings
        if not (said_absent and "No such file" in finding.found)
    ]


def _measured(
    whole: ParticleSet, judged: Verdict, options: CheckOptions, findings: list[Finding]
) -> ImageStatistics | None:
    """Read the images if asked, and add what was found."""
    if not options.deep:
        return None
    if judged.particles is None or options.no_stacks:
        findings.append(
            Finding(Severity.NOTICE, "the images were not read: solve the problems first")
        )
        return None
    with Console().progress(len(judged.particles), "reading images") as advance:
        measured = measure(judged.particles, options.particle_diameter, advance)
    bright = judged.particles.defocus.scale >= 0

    def rows(some: np.ndarray) -> tuple[int, ...]:
        return whole.file_rows(judged.order[some])

    findings += image_findings(measured, bright, rows)
    return None if (measured.fault == UNREADABLE).any() else measured
