"""The repaired copy, its stack of mended images, and tables in the other format."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int
from numpy import ndarray as Array

from halfmap import __version__
from halfmap.config.checking import CheckOptions
from halfmap.engine.checking.findings import Finding, remaining
from halfmap.engine.checking.images import ImageStatistics, write_mended
from halfmap.engine.checking.particle_set import ParticleSet
from halfmap.engine.checking.strict import Verdict, judge
from halfmap.errors import DataError, OptionError
from halfmap.io.cryosparc.files import SUFFIX, write_cs
from halfmap.io.cryosparc.to_cs import fields_of
from halfmap.io.image_names import find_beside, split_image_name
from halfmap.io.star import StarFile, write_star
from halfmap.model.particles import Particles

Say = Callable[[str], object]


def write_repaired(
    target: Path,
    whole: ParticleSet,
    judged: tuple[Verdict, ImageStatistics | None],
    findings: list[Finding],
    options: CheckOptions,
    say: Say,
) -> StarFile:
    """Write the repaired copy and read it again; return its tables.

    Nothing is written if there is nothing to repair, or if the table would still be refused.

    Raises
    ------
    DataError
        If the copy cannot be written, or if a run would refuse it.
    """
    if remaining(findings):
        say("\nNo copy was written: some problems have no repair.\n")
        return whole.star
    if not any(finding.repair for finding in findings):
        say("\nNothing to repair: no copy was written.\n")
        return whole.star
    verdict, images = judged
    if verdict.particles is not None and images is not None:
        whole = _mended(whole, verdict, images, target, options)
    whole = _found_from_here(whole, target)
    write_table(target, whole.star)
    again = judge(replace(whole, path=target), options)
    if again.findings:
        listed = "; ".join(finding.found for finding in again.findings)
        raise DataError(
            f"{target}: the repaired copy is still refused: {listed}. Please report this table."
        )
    counted = f"{len(whole):,} particle{'' if len(whole) == 1 else 's'}"
    say(f"\n{target}: the repaired copy, {counted}. A run can use it.\n")
    return whole.star


def convert_table(target: Path, star: StarFile, say: Say) -> None:
    """Write a table in the format that its name asks for.

    Raises
    ------
    DataError
        If it has no particles, or cannot be written.
    """
    write_table(target, star)
    say(f"\n{target}: written; converting it back gives {star.path.name} again.\n")


def write_table(target: Path, star: StarFile) -> None:
    """Write the tables as STAR, or as ``.cs``."""
    if target.suffix == SUFFIX:
        write_cs(target, fields_of(star))
    else:
        blocks: dict[str, Any] = {**star.lists, **star.tables}
        write_star(target, blocks, [f"halfmap check (version {__version__})"])


def _mended(
    whole: ParticleSet,
    verdict: Verdict,
    images: ImageStatistics,
    target: Path,
    options: CheckOptions,
) -> ParticleSet:
    """Leave out bad images; write those that are not normalised, or dark, anew, with the rest."""
    particles = verdict.particles
    assert particles is not None
    good = np.sort(verdict.order[images.fault == 0])
    place = np.empty(len(whole), np.int64)
    place[verdict.order] = np.arange(len(whole))
    off = ~images.outside.is_normalised | (particles.defocus.scale < 0)
    if not off[images.fault == 0].any():
        return whole.only(good)
    names = np.empty(len(good), object)
    boxes = np.array([optics.box for optics in particles.optics])[particles.optics_group]
    several = len(np.unique(boxes[place[good]])) > 1
    for box in np.unique(boxes[place[good]]).tolist():
        some = np.flatnonzero(boxes[place[good]] == box)
        path = target.with_name(f"{target.stem}_{box}.mrcs" if several else f"{target.stem}.mrcs")
        _write_stack(path, particles, place[good[some]], options)
        names[some] = [f"{k + 1:06d}@{path}" for k in range(len(some))]
    kept = whole.only(good)
    columns = {"rlnImageName": names}
    if "rlnImageOriginalName" not in kept.particles:
        columns["rlnImageOriginalName"] = kept.particles["rlnImageName"]
    if "rlnCtfScalefactor" in kept.particles:
        columns["rlnCtfScalefactor"] = np.abs(kept.floats("rlnCtfScalefactor"))
    return kept.with_particles(columns)


def _write_stack(
    path: Path, particles: Particles, rows: Int[Array, " image"], options: CheckOptions
) -> None:
    if path.exists() and not options.overwrite:
        raise OptionError(f"{path} exists; expected a new name (--o), or --overwrite")
    write_mended(path, particles, rows, options.particle_diameter)


def _found_from_here(whole: ParticleSet, target: Path) -> ParticleSet:
    """Name the stacks so that they are found from the place of the copy, too."""
    folder = whole.path.parent
    if target.parent.resolve() == folder.resolve():
        return whole
    new: dict[str, str] = {}
    for name in map(str, whole.particles["rlnImageName"]):
        path = split_image_name(name)[1]
        place = find_beside(path, folder)
        if place.exists() and not find_beside(path, target.parent).exists():
            new[path] = str(place)
    images = [_renamed(str(name), new) for name in whole.particles["rlnImageName"]]
    return whole.with_particles({"rlnImageName": np.array(images, object)}) if new else whole


def _renamed(name: str, new: dict[str, str]) -> str:
    path = split_image_name(name)[1]
    return name.replace(path, new[path]) if path in new else name
