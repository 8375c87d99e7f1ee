"""What a run writes: half roots their maps, the leader the tables."""

from collections.abc import Mapping
from pathlib import Path

import halfmap
from halfmap.config.options import lasting, to_mapping
from halfmap.config.relion_labels import relion_labels
from halfmap.config.saved import options_file, to_yaml
from halfmap.engine.job import Job
from halfmap.engine.keeping.checkpoints import remove_parts
from halfmap.engine.maximisation import Maximised
from halfmap.engine.state import State
from halfmap.io.atomic import replacing
from halfmap.io.exact_state import maps_digest, write_exact_state
from halfmap.io.mrc import write_map, write_stack
from halfmap.io.optimisation_set import (
    FSC,
    HALF_MAPS,
    MASK,
    PARTICLES,
    write_optimisation_set,
)
from halfmap.io.particle_table import ParticleTable
from halfmap.io.run_folder import ModelSettings, RunState, write_half, write_shared
from halfmap.io.run_names import RunNames
from halfmap.io.star import write_star
from halfmap.model.orientations import direction_pixels
from halfmap.parallel.collectives import all_or_none
from halfmap.parallel.halves import LEADER

PROGRAM = f"halfmap {halfmap.__version__}"


def write_iteration(job: Job, state: State, made: Maximised | None) -> None:
    """Write the files of an iteration: half roots their maps, then the leader the rest. Collective.

    Parameters
    ----------
    made
        What only the maximisation has; None before the first.
    """
    schedule, names = state.schedule, RunNames(str(job.options.output_root))
    number = None if schedule.converged else schedule.iteration
    is_split = job.ranks.n_halves == 2 and not schedule.converged
    with all_or_none(job.ranks.world, "writing the maps"):
        if made is not None:
            _write_extra_maps(job, made, (names, number))
        for half, team in job.ranks.teams.items():
            if team.is_root and half in state.models:
                write_half(names, number, half if is_split else None, _run_state(job, state))
    digests = _digests_of_maps(job, state)
    with all_or_none(job.ranks.world, "writing the tables"):
        if job.ranks.leads:
            _write_tables(job, state, (names, number), digests)
            remove_parts(job)


def _write_extra_maps(job: Job, made: Maximised, place: tuple[RunNames, int | None]) -> None:
    """Write half maps without a prior, and 2D references with their solvent."""
    names, number = place
    for half, volume in made.unfiltered.items():
        write_map(names.unfiltered(number, half), volume, job.pixel_size_A)
    for half, maps in made.unmasked.items():
        own = half if job.ranks.n_halves == 2 and number is not None else None
        write_stack(names.unmasked_classes(own), maps[:, 0], job.pixel_size_A)


def _digests_of_maps(job: Job, state: State) -> tuple[str, ...]:
    """Return what the maps of all halves are recognised by; on the leader. Collective."""
    mine = {
        half: maps_digest(state.models[half].maps)
        for half, team in job.ranks.teams.items()
        if team.is_root and half in state.models
    }
    gathered = job.ranks.world.gather(mine, root=LEADER) or []
    by_half = {half: digest for digests in gathered for half, digest in digests.items()}
    return tuple(by_half[half] for half in sorted(by_half))


def _write_tables(
    job: Job, state: State, place: tuple[RunNames, int | None], digests: tuple[str, ...]
) -> None:
    names, number = place
    options = lasting(job.options)  # a run that was interrupted leaves what any other does
    with replacing(options_file(names.optimiser(number))) as path:
        path.write_text(to_yaml(options), encoding="utf-8")
    if number is not None:
        said = {"command": job.command, "options": to_mapping(options)}
        write_exact_state(names.exact(number), _run_state(job, state), digests, said)
    write_quarantine(job, names)
    if job.table is not None and job.table.of_set is not None:
        _write_set(job, state, job.table.of_set, place)
    # Last: a run can be continued from an optimiser file, where it exists all others do.
    write_shared(names, number, _run_state(job, state), (PROGRAM, job.command))


def _write_set(
    job: Job, state: State, entries: Mapping[str, str], place: tuple[RunNames, int | None]
) -> None:
    """Write the optimisation set; half maps without a prior exist in the end only."""
    names, number = place
    new: dict[str, Path | None] = {PARTICLES: names.data(number)}
    if job.options.solvent_mask_file is not None:
        new[MASK] = job.options.solvent_mask_file
    if state.schedule.converged:
        new |= {label: names.unfiltered(number, half) for half, label in enumerate(HALF_MAPS)}
        new[FSC] = None  # that of other maps
    write_optimisation_set(names.optimisation_set(number), entries, new)


def write_quarantine(job: Job, names: RunNames) -> None:
    """Write the table of bad particles, if there are any."""
    if len(job.quarantine.rows):
        write_star(names.quarantine, {"quarantine": job.quarantine.columns()})
    else:
        names.quarantine.unlink(missing_ok=True)  # what had no weight once may have some again


def _run_state(job: Job, state: State) -> RunState:
    """Put the state as the files want it; a half that this rank does not hold is not looked at."""
    any_model = next(iter(state.models.values()))
    n_halves = 1 if state.schedule.converged else job.ranks.n_halves
    labels = relion_labels(job.options)
    labels["rlnRefsAreCtfCorrected"] = not job.reference_has_ctf(state.schedule.iteration + 1)
    labels["rlnParticleDiameter"] = job.schedule_rules.particle_diameter_A
    labels["rlnMaxNumberOfPooledParticles"] = job.options.pool_size  # whatever the threads
    return RunState(
        particles=job.particles,
        poses=state.poses,
        table=job.table or ParticleTable({}, {}),
        halves=tuple(state.models.get(half, any_model) for half in range(n_halves)),
        schedule=state.schedule,
        settings=ModelSettings(
            pixel_size_A=job.pixel_size_A,
            padding=job.options.padding,
            tau2_fudge=job.options.data_weight,
            perturbation_factor=job.options.perturbation,
            interpolation=job.interpolation,
        ),
        directions_deg=direction_pixels(state.schedule.sampling)[1],
        options=labels,
    )


def keep_times(job: Job, iteration: int, by_rank: list[dict[str, float]]) -> None:
    """Add the seconds of each rank and phase to a table, in place of those of an older run."""
    path = RunNames(str(job.options.output_root)).timing
    rows = path.read_text(encoding="utf-8").splitlines()[1:] if path.exists() else []
    earlier = [row for row in rows if int(row.partition(",")[0]) < iteration]
    own = [
        f"{iteration},{rank},{phase},{value:.4f}"
        for rank, seconds in enumerate(by_rank)
        for phase, value in seconds.items()
    ]
    with replacing(path) as beside:
        lines = ["iteration,rank,phase,seconds", *earlier, *own]
        beside.write_text("\n".join(lines) + "\n", encoding="utf-8")
