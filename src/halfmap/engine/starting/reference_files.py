"""Which files a run starts from: one map for all classes, or one for each."""

from pathlib import Path

from halfmap.config.options import RefineOptions
from halfmap.errors import DataError
from halfmap.io.references import beside, file_of, images_of
from halfmap.io.star import read_star
from halfmap.io.star_columns import one_row
from halfmap.model.particles import Particles

TABLE, LABEL = "model_classes", "rlnReferenceImage"
"""Where a STAR file names its references, unless its first table does; a ``_model.star`` has them
there too."""


def reference_files(
    options: RefineOptions, particles: Particles | None
) -> tuple[tuple[str, ...], ...]:
    """Return the starting maps of each half, one a class or a single one for all classes.

    A half map is swapped for its twin in the other half. None without ``--ref``.

    Parameters
    ----------
    options
        As resolved.
    particles
        What will be classified; None if the table could not be read.

    Raises
    ------
    DataError
        If the STAR file does not name references, or one or a twin is missing, or the particles
        themselves are named.
    """
    path = options.reference_file
    if options.continue_from is not None or path is None:
        return ()
    files = _listed(path) if path.suffix == ".star" else images_of(path)
    if len(files) > 1 and particles is not None:
        _check_number(path, len(files), particles)
    if not options.split_random_halves:
        return (files,)
    if len(files) > 1:
        raise DataError(
            f"--ref {path}: found {len(files)} references with --split_random_halves, expected "
            "one. Classify without halves, then refine each class"
        )
    return tuple((file,) for file in _of_halves(files[0]))


def _check_number(path: Path, n: int, particles: Particles) -> None:
    """Refuse the stack of the particles as references, or a copy of it."""
    if path.resolve() in {Path(stack).resolve() for stack in particles.stacks}:
        raise DataError(
            f"--ref {path}: found the particles themselves ({n} images), expected references, one "
            "a class. Leave --ref out to begin class averages from the particles, or name one of "
            f"them, as 1@{path}"
        )
    if n >= len(particles):
        raise DataError(
            f"--ref {path}: found {n} references for {len(particles)} particles, expected fewer: "
            "each is a class. Name a stack or a list of references"
        )


def _listed(path: Path) -> tuple[str, ...]:
    star = read_star(path)
    lists = {name: one_row(values) for name, values in star.lists.items()}
    blocks = star.tables | lists
    # A list made by hand has any name: as in RELION the first table then counts.
    names = blocks.get(TABLE, next(iter(blocks.values()), {})).get(LABEL)
    if names is None or len(names) == 0:
        found = ", ".join(f"data_{name}" for name in (*star.lists, *star.tables)) or "no table"
        raise DataError(
            f"--ref {path}: found no references ({found}), expected a table data_{TABLE} with a "
            f"column {LABEL}, one map in each row. Add it, or give one map (MRC)"
        )
    files = tuple(beside(str(name), path.parent) for name in names)
    absent = [file for file in files if not file_of(file).is_file()]
    if absent:
        raise DataError(
            f"--ref {path}: found no {', no '.join(absent)}, expected the maps that it lists, "
            "counted from the working folder or from that of the list. Correct the names"
        )
    return files


def _of_halves(name: str) -> tuple[str, str]:
    path = file_of(name)
    for own, other in (("half1", "half2"), ("half2", "half1")):
        if own in path.name:
            twin = path.with_name(path.name.replace(own, other))
            if not twin.is_file():
                raise DataError(
                    f"--ref {path} is named like a half map: expected {twin} for the other half, "
                    "found no such file. Put it there, or rename the map to begin both halves "
                    "with it"
                )
            twin_name = name.removesuffix(str(path)) + str(twin)
            return (name, twin_name) if own == "half1" else (twin_name, name)
    return (name, name)
