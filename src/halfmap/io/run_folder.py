"""The files of one iteration: RELION's set, so that its tools read ours and we read its.

`write_half` is for the one who has a half's map, `write_shared` for the one who has the
table and the schedule. `read_run` takes both back, from our files or from RELION's.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from jaxtyping import Float
from numpy import ndarray as Array

from halfmap.errors import DataError
from halfmap.io.bild import write_bild
from halfmap.io.data_star import write_data_star
from halfmap.io.image_names import find_beside
from halfmap.io.model_reading import read_model_star
from halfmap.io.model_star import ModelHeader, write_model_star
from halfmap.io.mrc import write_map, write_stack
from halfmap.io.optimiser_star import Value, read_optimiser_star, write_optimiser_star
from halfmap.io.particle_table import ParticleTable, read_particles
from halfmap.io.run_names import RunNames
from halfmap.io.sampling_star import SamplingFile, read_sampling_star, write_sampling_star
from halfmap.model.half_model import HalfModel
from halfmap.model.interpolation import LINEAR, Interpolation
from halfmap.model.particles import Particles, Poses
from halfmap.model.schedule import Changes, Schedule

LOWEST_RESOLUTION_A = 999.0
"""RELION's start value of the best resolution."""


@dataclass(frozen=True, slots=True)
class ModelSettings:
    """What a model file says beside the statistics and the schedule."""

    pixel_size_A: float
    """Of the reference."""
    padding: float
    tau2_fudge: float
    perturbation_factor: float
    interpolation: Interpolation = LINEAR


@dataclass(frozen=True, slots=True)
class RunState:
    """All that stands in the files of one iteration."""

    particles: Particles
    poses: Poses
    table: ParticleTable
    halves: tuple[HalfModel, ...]
    """Two, or one if the set is not split or the halves have been joined."""
    schedule: Schedule
    settings: ModelSettings
    directions_deg: Float[Array, "direction 2"]
    options: Mapping[str, Value]
    """Labels of the optimiser file; those of the schedule are overwritten."""


def write_half(names: RunNames, iteration: int | None, half: int | None, state: RunState) -> None:
    """Write the map, the statistics and the orientation distribution of one half.

    2D references are one stack and have no distribution.

    Parameters
    ----------
    names
        Names of the files.
    iteration
        None for the final, joined files.
    half
        0 or 1; None if the set is not split, or in the end.
    state
        Its ``halves`` must hold this half; the other is not looked at.

    Raises
    ------
    DataError
        If a file cannot be written.
    """
    model = state.halves[half or 0]
    header = _model_header(names, iteration, half, state)
    if model.flat:
        stack = names.classes(iteration, half)
        write_stack(stack, model.maps[:, 0], header.pixel_size_A)
    for k, volume in enumerate(() if model.flat else model.maps):
        write_map(Path(header.map_names[k]), volume, header.pixel_size_A)
        write_bild(
            names.directions(iteration, half, k),
            state.directions_deg,
            model.direction_fraction[k],
            length_A=len(volume) * header.pixel_size_A,
        )
    write_model_star(names.model(iteration, half), model, header)


def write_shared(
    names: RunNames, iteration: int | None, state: RunState, comments: Sequence[str]
) -> None:
    """Write the particle table, the sampling and, last, the optimiser file.

    A run can be continued from an optimiser file: where it exists, all others do.

    Parameters
    ----------
    names
        Names of the files.
    iteration
        None for the final, joined files.
    state
        Of its ``halves`` only the number counts.
    comments
        The program with its version, and the command line.

    Raises
    ------
    DataError
        If a file cannot be written.
    """
    data, flat = names.data(iteration), state.schedule.sampling.flat
    write_data_star(data, state.particles, state.poses, state.table, flat=flat)
    sampling = SamplingFile(
        state.schedule.sampling,
        state.schedule.initial_sampling,
        state.settings.perturbation_factor,
        state.directions_deg,
    )
    write_sampling_star(names.sampling(iteration), sampling)
    values = dict(state.options) | _optimiser_values(names, iteration, state)
    write_optimiser_star(names.optimiser(iteration), values, comments)


def read_run(optimiser: Path) -> RunState:
    """Read the files of an iteration of ours, or of RELION 3.1 or later.

    Other files are looked for as the optimiser file names them, else beside it. Numbers
    have the six digits of the files; what RELION does not store (the coarse size, whether
    the sampling is fine enough) has its start value. ``halfmap.io.exact_state`` has the rest.

    Raises
    ------
    DataError
        If a file is missing, malformed, or of a kind of run that we cannot continue.
    """
    values = read_optimiser_star(optimiser)

    def beside(label: str) -> Path:
        name = str(values[label])
        found = find_beside(name, optimiser.parent)
        return found if found.exists() else optimiser.parent / Path(name).name

    split = bool(values["rlnDoSplitRandomHalves"])
    if split and not values["rlnModelStarFile2"]:
        raise DataError(f"{optimiser} has no rlnModelStarFile2, but its halves are separate.")
    labels = ("rlnModelStarFile", "rlnModelStarFile2") if split else ("rlnModelStarFile",)
    models = [read_model_star(beside(label)) for label in labels]
    sampling = read_sampling_star(beside("rlnOrientSamplingStarFile"))
    particles, poses, table = read_particles(
        beside("rlnExperimentalDataStarFile"),
        ctf=bool(values["rlnDoCorrectCtf"]),
        half_seed=int(values["rlnRandomSeed"]) if split else None,
    )
    header = models[0][1]
    return RunState(
        particles=particles,
        poses=poses,
        table=table,
        halves=tuple(model for model, _ in models),
        schedule=_schedule(values, header, sampling, box=models[0][0].maps.shape[-1]),
        settings=ModelSettings(
            header.pixel_size_A,
            header.padding,
            header.tau2_fudge,
            sampling.perturbation_factor,
            header.interpolation,
        ),
        directions_deg=sampling.directions_deg,
        options=values,
    )


def _model_header(
    names: RunNames, iteration: int | None, half: int | None, state: RunState
) -> ModelHeader:
    model, schedule, settings = state.halves[half or 0], state.schedule, state.settings
    mine = slice(None) if half is None else state.particles.half == half
    length_A = model.maps.shape[-1] * settings.pixel_size_A
    maps = tuple(str(names.map(iteration, half, k)) for k in range(len(model.maps)))
    if model.flat:
        stack = names.classes(iteration, half)
        maps = tuple(f"{k + 1:08d}@{stack}" for k in range(len(model.maps)))
    known = schedule.current_size > 0 and schedule.resolution_shell > 0
    return ModelHeader(
        map_names=maps,
        group_names=state.particles.scale_groups,
        group_sizes=np.bincount(
            state.particles.scale_group[mine], minlength=len(state.particles.scale_groups)
        ),
        pixel_size_A=settings.pixel_size_A,
        current_resolution_A=length_A / schedule.resolution_shell if known else np.inf,
        current_size=schedule.current_size,
        padding=settings.padding,
        tau2_fudge=settings.tau2_fudge,
        mean_max_probability=schedule.mean_max_probability,
        prior_sigma_deg=schedule.sampling.prior_sigma_deg,
        interpolation=settings.interpolation,
    )


def _optimiser_values(names: RunNames, iteration: int | None, state: RunState) -> dict[str, Value]:
    schedule, split = state.schedule, len(state.halves) == 2
    length_A = state.halves[0].maps.shape[-1] * state.settings.pixel_size_A
    best = schedule.best_resolution_shell / length_A
    changes, smallest = schedule.changes, schedule.smallest_changes
    return {
        "rlnOutputRootName": names.root,
        "rlnModelStarFile": str(names.model(iteration, 0 if split else None)),
        "rlnModelStarFile2": str(names.model(iteration, 1)) if split else "",
        "rlnExperimentalDataStarFile": str(names.data(iteration)),
        "rlnOrientSamplingStarFile": str(names.sampling(iteration)),
        "rlnCurrentIteration": -1 if iteration is None else iteration,
        "rlnDoSplitRandomHalves": split,
        "rlnAdaptiveOversampleOrder": schedule.sampling.oversampling,
        "rlnIncrementImageSize": schedule.size_increment,
        "rlnNumberOfIterWithoutResolutionGain": schedule.iterations_without_resolution_gain,
        "rlnBestResolutionThusFar": best or 1 / LOWEST_RESOLUTION_A,
        "rlnNumberOfIterWithoutChangingAssignments": schedule.iterations_without_large_changes,
        "rlnOverallAccuracyRotations": schedule.accuracy_rotation_deg,
        "rlnOverallAccuracyTranslationsAngst": schedule.accuracy_translation_A,
        "rlnChangesOptimalOrientations": changes.orientations_deg,
        "rlnChangesOptimalOffsets": changes.offsets_A,
        "rlnChangesOptimalClasses": changes.classes,
        "rlnSmallestChangesOrientations": smallest.orientations_deg,
        "rlnSmallestChangesOffsets": smallest.offsets_A,
        "rlnSmallestChangesClasses": round(smallest.classes),
        "rlnHasConverged": schedule.converged,
        "rlnHasHighFscAtResolLimit": schedule.high_fsc_at_limit,
    }


def _schedule(
    values: Mapping[str, Value], header: ModelHeader, sampling: SamplingFile, box: int
) -> Schedule:
    length_A = box * header.pixel_size_A
    oversampling = int(values["rlnAdaptiveOversampleOrder"])
    best = round(length_A * float(values["rlnBestResolutionThusFar"]))

    def changes(kind: str) -> Changes:
        parts = ("Orientations", "Offsets", "Classes")
        return Changes(*(float(values[f"rln{kind}{part}"]) for part in parts))

    return Schedule(
        iteration=int(values["rlnCurrentIteration"]),
        sampling=replace(
            sampling.sampling, oversampling=oversampling, prior_sigma_deg=header.prior_sigma_deg
        ),
        initial_sampling=replace(sampling.initial, oversampling=oversampling),
        resolution_shell=round(length_A / header.current_resolution_A),
        best_resolution_shell=best,
        size_increment=int(values["rlnIncrementImageSize"]),
        current_size=header.current_size,
        high_fsc_at_limit=bool(values["rlnHasHighFscAtResolLimit"]),
        mean_max_probability=header.mean_max_probability,
        iterations_without_resolution_gain=int(values["rlnNumberOfIterWithoutResolutionGain"]),
        iterations_without_large_changes=int(values["rlnNumberOfIterWithoutChangingAssignments"]),
        changes=changes("ChangesOptimal"),
        smallest_changes=changes("SmallestChanges"),
        accuracy_rotation_deg=float(values["rlnOverallAccuracyRotations"]),
        accuracy_translation_A=float(values["rlnOverallAccuracyTranslationsAngst"]),
        converged=bool(values["rlnHasConverged"]),
    )
