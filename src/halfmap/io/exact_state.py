"""``_halfmap.h5``: the state of a run to the last bit, so that a continued run is the same run.

RELION's files have six digits; this one has the doubles. Maps stay in their ``.mrc`` files,
which hold them exactly, and are recognised by their checksum. Nothing in the file is code.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32
from numpy import ndarray as Array

from halfmap.errors import DataError
from halfmap.io import sealed
from halfmap.io.atomic import replacing
from halfmap.io.run_folder import ModelSettings, RunState
from halfmap.model.half_model import HalfModel
from halfmap.model.interpolation import Interpolation
from halfmap.model.particles import Particles, Poses
from halfmap.model.sampling import Sampling
from halfmap.model.schedule import Changes, Schedule

FORMAT = 1


def maps_digest(maps: Float32[Array, "class z y x"]) -> str:
    """Return what the maps of a half are recognised by."""
    return _digest({"maps": maps})


def write_exact_state(
    path: Path, state: RunState, map_digests: Sequence[str], said: Mapping[str, Any]
) -> None:
    """Write everything of a run that its other files round.

    Parameters
    ----------
    path
        File to be made or replaced.
    state
        The state after an iteration; its maps are not looked at.
    map_digests
        `maps_digest` of each half.
    said
        What else is to be kept, such as the options: anything that JSON can hold.

    Raises
    ------
    DataError
        If the file cannot be written.
    """
    notes = {
        "format": FORMAT,
        "schedule": asdict(state.schedule),
        "settings": asdict(state.settings),
        "said": dict(said),
        "particles": _digest(_identity(state.particles)),
        "maps": list(map_digests),
    }
    with replacing(path) as beside:
        sealed.write(beside, _arrays(state), json.loads(json.dumps(notes, default=_plain)))


def read_exact_state(path: Path, state: RunState) -> tuple[RunState, dict[str, Any]]:
    """Put the exact numbers in place of the rounded ones.

    Parameters
    ----------
    path
        The file that belongs to ``state``.
    state
        As `halfmap.io.run_folder.read_run` found it in the other files.

    Returns
    -------
    state
        As it was when the file was written.
    said
        What was kept with it.

    Raises
    ------
    DataError
        If the file is damaged, of another version, or does not belong to the other files.
    """
    arrays, notes = _verified(path, state.halves)
    if notes["particles"] != _digest(_identity(state.particles)):
        raise DataError(f"{path} belongs to another particle table. {_REMEDY}")
    halves = (
        _from_arrays(HalfModel, arrays, f"half{n}", maps=half.maps)
        for n, half in enumerate(state.halves, start=1)
    )
    exact = replace(
        state,
        halves=tuple(halves),
        poses=_from_arrays(Poses, arrays, "poses"),
        schedule=_schedule(notes["schedule"]),
        settings=_settings(notes["settings"]),
    )
    return exact, notes["said"]


def verify_exact_state(path: Path, halves: Sequence[HalfModel]) -> None:
    """Raise a `DataError` if the file is damaged, or does not belong to these maps."""
    _verified(path, halves)


def _verified(path: Path, halves: Sequence[HalfModel]) -> tuple[dict[str, Array], dict[str, Any]]:
    """Read the arrays and the notes of a file that is whole and belongs to some maps."""
    try:
        arrays, notes, _ = sealed.read(path)
    except (DataError, OSError) as error:
        raise DataError(f"{path} cannot be read ({error}). {_REMEDY}") from error
    if notes.get("format") != FORMAT:
        raise DataError(
            f"{path} has format {notes.get('format')}; this version of halfmap reads format "
            f"{FORMAT}. Continue with the version that wrote it."
        )
    if notes["maps"] != [maps_digest(half.maps) for half in halves]:
        raise DataError(f"{path} belongs to other maps than those beside it. {_REMEDY}")
    return arrays, notes


def _settings(noted: dict[str, Any]) -> ModelSettings:
    return ModelSettings(**{**noted, "interpolation": Interpolation(**noted["interpolation"])})


_REMEDY = (
    "Copy the whole run folder again, continue from an earlier iteration, or remove this "
    "file to continue from the rounded numbers of the STAR files."
)


def _arrays(state: RunState) -> dict[str, Array]:
    parts: dict[str, Any] = {"poses": state.poses}
    parts |= {f"half{n}": half for n, half in enumerate(state.halves, start=1)}
    return {
        f"{name}.{field.name}": np.asarray(getattr(part, field.name))
        for name, part in parts.items()
        for field in fields(part)
        if field.name != "maps"
    }


def _from_arrays(kind: Any, arrays: Mapping[str, Array], name: str, **given: Array) -> Any:
    """Build a dataclass from the arrays of a group; numbers were stored as arrays of no axis."""
    stored = {
        field.name: arrays[f"{name}.{field.name}"]
        for field in fields(kind)
        if field.name not in given
    }
    return kind(**given, **{k: v if v.ndim else v.item() for k, v in stored.items()})


def _schedule(values: dict[str, Any]) -> Schedule:
    for name in ("sampling", "initial_sampling"):
        sigma = values[name]["prior_sigma_deg"]
        values[name]["prior_sigma_deg"] = None if sigma is None else tuple(sigma)
        values[name] = Sampling(**values[name])
    for name in ("changes", "smallest_changes"):
        values[name] = Changes(**values[name])
    return Schedule(**values)


def _identity(particles: Particles) -> dict[str, Array]:
    """Return what makes a table the same table; not the paths, a folder may move."""
    names = ("slice", "stack", "optics_group", "scale_group", "half")
    defocus = {
        field.name: getattr(particles.defocus, field.name) for field in fields(particles.defocus)
    }
    priors = {
        name: values
        for name in ("prior_deg", "prior_offset_A")
        if (values := getattr(particles, name)) is not None
    }
    return {name: getattr(particles, name) for name in names} | defocus | priors


def _digest(arrays: Mapping[str, Array]) -> str:
    """Return the SHA-256 of names, types, shapes and values."""
    sums = hashlib.sha256()
    for name in sorted(arrays):
        values = np.ascontiguousarray(arrays[name])
        sums.update(f"{name} {values.dtype.str} {arrays[name].shape} ".encode())
        sums.update(values.data)
    return sums.hexdigest()


def _plain(value: Any) -> Any:
    """Turn numpy numbers and paths into what JSON holds."""
    return value.item() if isinstance(value, np.generic) else str(value)
