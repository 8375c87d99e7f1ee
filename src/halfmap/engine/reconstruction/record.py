"""What a reconstruction leaves beside its map for ``halfmap report``."""

from collections.abc import Mapping
from math import isfinite
from typing import Any

import numpy as np
from jaxtyping import Float, Float32, Int
from numpy import ndarray as Array

from halfmap.config.reconstruction.options import RECONSTRUCT, ReconstructOptions
from halfmap.engine.reconstruction.symmetry import operators_of
from halfmap.engine.reconstruction.task import Task
from halfmap.io.reconstruction_record import (
    BAD_QUALITY,
    NO_WEIGHT,
    UNLISTED,
    USED,
    ReconstructionRecord,
    record_file,
    write_record,
)
from halfmap.model.half_volume import squared_fraction
from halfmap.model.rotations import direction_angles
from halfmap.model.slice_quality import KeepRule, largest_kept


def leave_record(
    task: Task,
    weight: Float32[Array, "z y x"],
    fsc: Float[Array, " shell"] | None,
    spent: Mapping[str, Any],
) -> None:
    """Write the record of a map.

    Parameters
    ----------
    task
        As the slices were inserted.
    weight
        What the map was divided by, or where it was fitted the weight of its data.
    fsc
        Between the halves, if they were made.
    spent
        ``seconds`` by phase, ``peak_bytes``, and the number of ``ranks``.

    Raises
    ------
    DataError
        If it cannot be written.
    """
    middle_z, middle_y = (n // 2 for n in weight.shape[:2])
    record = ReconstructionRecord(
        **images_of(task),
        operators=operators_of(task.options),
        **shells_of(task, weight),
        section_xy=weight[middle_z],
        section_xz=weight[:, middle_y],
        section_yz=weight[:, :, 0],
        fsc=np.empty(0) if fsc is None else fsc,
        notes=_notes(task, spent),
    )
    write_record(record_file(task.options.output), record)


def images_of(task: Task) -> dict[str, Array]:
    """Return what became of every image of the input, in its order."""
    n = len(task.source)
    fate, half = np.full(n, UNLISTED), np.zeros(n, np.int64)
    angles, quality, weight = (np.full(shape, np.nan) for shape in ((n, 2), n, n))
    for table in (task.table, task.excluded):
        angles[table.row] = direction_angles(table.rotation[:, 2])
        quality[table.row], weight[table.row] = table.quality, table.weight
        half[table.row] = 0 if table.half is None else table.half
    fate[task.table.row] = np.where(task.table.weight > 0.0, USED, NO_WEIGHT)
    fate[task.excluded.row] = BAD_QUALITY
    return {
        "row": np.arange(n),
        "fate": fate,
        "half": half,
        "angles_deg": angles,
        "quality": quality,
        "weight": weight,
    }


def shells_of(task: Task, weight: Float32[Array, "z y x"]) -> dict[str, Float[Array, " shell"]]:
    """Return mean weight and share of frequencies with a weight, by shell up to Nyquist."""
    x, y, z = task.kernel.sizes.volume
    size = min(x, y, z)
    n_shells = size // 2 + 1
    in_plane = squared_fraction((x, y, 1))[0]
    count, total, filled = np.zeros((3, n_shells))
    for plane, own in enumerate(weight):  # one at a time: the volume may fill the memory
        radius = np.sqrt(in_plane + ((plane - z // 2) / z) ** 2)
        shell: Int[Array, "y x"] = np.rint(radius * size).astype(np.int64)
        inside = shell < n_shells
        for sums, of in ((count, np.ones_like(own)), (total, own), (filled, own > 0.0)):
            sums += np.bincount(shell[inside], of[inside], n_shells)
    return {
        "shell_per_A": np.arange(n_shells) / (size * task.pixel_size_A),
        "shell_weight": total / count,
        "shell_filled": filled / count,
    }


def _notes(task: Task, spent: Mapping[str, Any]) -> dict[str, Any]:
    options, sizes = task.options, task.kernel.sizes
    every = np.concatenate([task.table.quality, task.excluded.quality])
    largest = largest_kept(every, KeepRule(options.keep, options.keep_sigma, options.keep_absolute))
    said, changed = _options(options)
    return {
        "map": options.output.name,
        "facts": {
            "Input": options.input,
            "Images": " × ".join(map(str, sizes.image)) + " px",
            "Padded": " × ".join(map(str, sizes.padded)) + " px",
            "Volume": " × ".join(map(str, sizes.volume)) + " voxels",
            "Map": " × ".join(map(str, sizes.output)) + " voxels",
            "Pixel": f"{task.pixel_size_A:g} Å",
            "Mode": task.kernel.mode.name,
            "Symmetry": options.symmetry,
            "Ranks": f"{spent['ranks']}, {options.n_threads} threads each",
        },
        "options": said,
        "changed": changed,
        "largest_quality": largest if isfinite(largest) else None,
        "seconds": spent["seconds"],
        "peak_bytes": spent["peak_bytes"],
        "fsc_box_A": sizes.output[0] * task.pixel_size_A,
    }


def _options(options: ReconstructOptions) -> tuple[dict[str, str], dict[str, str]]:
    """Return all options by the word that is typed, and those that are not the default."""
    said, changed = {}, {}
    for declaration in RECONSTRUCT.declarations:
        value = getattr(options, declaration.name)
        text = " ".join(map(str, value)) if isinstance(value, tuple) else str(value)
        said[declaration.spelling] = text
        if value != declaration.default:
            changed[declaration.spelling] = text
    return said, changed
