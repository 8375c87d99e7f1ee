"""Reading a run leniently: what is absent or unreadable is noted, not fatal.

A page is often wanted exactly when something went wrong, or while a run goes on.
"""

import csv
import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from jaxtyping import Float
from numpy import ndarray as Array

from halfmap.errors import DataError
from halfmap.io.prior_star import read_verdicts
from halfmap.io.star import StarFile, Table, read_star
from halfmap.report.run_files import RunFiles, find_run
from halfmap.report.run_record import ModelRecord, ParticleTable, RunRecord, StateRecord, Timing

_PARTICLE_COLUMNS = {
    "rot_deg": "rlnAngleRot",
    "tilt_deg": "rlnAngleTilt",
    "offset_x_A": "rlnOriginXAngst",
    "offset_y_A": "rlnOriginYAngst",
    "norm": "rlnNormCorrection",
    "max_probability": "rlnMaxValueProbDistribution",
    "n_significant": "rlnNrOfSignificantSamples",
    "half": "rlnRandomSubset",
}


def read_run(argument: Path) -> RunRecord:
    """Read the run that a user means.

    Parameters
    ----------
    argument
        A root, the folder of one run, or any file of it.

    Raises
    ------
    DataError
        There is no run.
    """
    files = find_run(argument)
    missing: list[str] = []
    states = _read_states(files, missing)
    program, command = _program_and_command(files.states[-1].optimiser)
    return RunRecord(
        files=files,
        states=states,
        program=program,
        command=command,
        timing=_read_timing(files.timing, missing),
        quarantine=_read_quarantine(files.quarantine, missing),
        prior=tuple(row[3] for row in read_verdicts(files.prior)),
        missing=missing,
    )


def read_particles(state: StateRecord) -> ParticleTable | None:
    """Read the particle table of a state; None when there is none."""
    try:
        table = read_star(state.files.particles).tables["particles"]
    except (DataError, KeyError):
        return None
    columns = {name: _numbers(table, label) for name, label in _PARTICLE_COLUMNS.items()}
    return ParticleTable(**columns, n=len(next(iter(table.values()))))


def _read_states(files: RunFiles, missing: list[str]) -> tuple[StateRecord, ...]:
    records: list[StateRecord] = []
    for state in files.states:
        number = state.iteration
        if number is None:
            number = records[-1].number + 1 if records else 1
        models = {half: _read_model(path, missing) for half, path in state.models.items()}
        if not models and number > 0:
            missing.append(f"{state.prefix.name} has no model STAR file: no FSC, no spectra.")
        records.append(
            StateRecord(
                files=state,
                number=number,
                optimiser=_read_list(state.optimiser, "optimiser_general", missing),
                # The state before the first iteration need not have one.
                sampling=_read_list(state.sampling, "sampling_general", missing if number else []),
                models={half: model for half, model in models.items() if model is not None},
            )
        )
    return tuple(records)


def _read(path: Path, missing: list[str]) -> StarFile | None:
    """Read a STAR file; one that cannot be read is noted."""
    try:
        return read_star(path)
    except DataError as error:
        missing.append(str(error))
        return None


def _read_list(path: Path, block: str, missing: list[str]) -> Mapping[str, str]:
    star = _read(path, missing)
    return {} if star is None else star.lists.get(block, {})


def _read_model(path: Path, missing: list[str]) -> ModelRecord | None:
    star = _read(path, missing)
    if star is None or "model_general" not in star.lists:
        return None
    shells = star.tables.get("model_class_1", {})
    classes = star.tables.get("model_classes", {})
    groups = star.tables.get("model_groups", {})
    noise = {
        int(name.rsplit("_", 1)[1]): (_column(table, "Resolution"), _column(table, "Sigma2Noise"))
        for name, table in star.tables.items()
        if re.fullmatch(r"model_optics_group_\d+", name)
    }
    return ModelRecord(
        general=star.lists["model_general"],
        shells=_numbered(shells),
        classes=_numbered(classes),
        noise=noise,
        group_names=tuple(map(str, groups.get("rlnGroupName", ()))),
        group_scales=_column(groups, "GroupScaleCorrection"),
    )


def _numbered(table: Table) -> dict[str, Float[Array, " row"]]:
    """Return the columns that are numbers, by their label without ``rln``."""
    columns = {label.removeprefix("rln"): _numbers(table, label) for label in table}
    return {label: values for label, values in columns.items() if values is not None}


def _numbers(table: Table, label: str) -> Float[Array, " row"] | None:
    """Return a column as numbers, or None where it is absent or not numbers."""
    try:
        return np.asarray(table[label].astype(np.float64))
    except (KeyError, ValueError):
        return None


def _column(table: Table, label: str) -> Float[Array, " row"]:
    values = _numbers(table, f"rln{label}")
    return np.zeros(0) if values is None else values


def _program_and_command(path: Path) -> tuple[str, str]:
    """Return the two comments at the top of an optimiser file."""
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            first, second = file.readline(), file.readline()
    except OSError:
        return "", ""
    if not first.startswith("#") or not second.startswith("#"):
        return "", ""
    return first.lstrip("# ").strip(), second.removeprefix("#").strip()


def _read_timing(path: Path, missing: list[str]) -> Timing | None:
    if not path.is_file():
        return None
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        return Timing(
            iteration=np.array([int(row["iteration"]) for row in rows]),
            rank=np.array([int(row["rank"]) for row in rows]),
            phase=tuple(row["phase"] for row in rows),
            seconds=np.array([float(row["seconds"]) for row in rows]),
        )
    except (OSError, KeyError, TypeError, ValueError) as error:
        missing.append(
            f"{path.name} cannot be read ({error!r}); expected the columns iteration, rank, "
            f"phase, seconds."
        )
        return None


def _read_quarantine(path: Path, missing: list[str]) -> tuple[tuple[str, ...], ...]:
    star = _read(path, missing) if path.is_file() else None
    table = next(iter(star.tables.values()), {}) if star is not None else {}
    head = tuple(label.removeprefix("rln") for label in table)
    rows = zip(*(column.tolist() for column in table.values()), strict=True)
    return (head, *rows) if table else ()
