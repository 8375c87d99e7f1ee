"""Going on from the files of an iteration, as if the run had never stopped."""

import re
from dataclasses import replace
from pathlib import Path

from mpi4py import MPI

from halfmap.config.options import RefineOptions
from halfmap.engine.helping.external import check_program
from halfmap.engine.helping.priors import check_prior
from halfmap.engine.job import Job
from halfmap.engine.keeping.checkpoints import check_checkpoint_folder
from halfmap.engine.make_job import make_job
from halfmap.engine.model_sharing import from_leader
from halfmap.engine.starting.first_sampling import check_relaxed_symmetry, resumed_schedule
from halfmap.engine.starting.inputs import Inputs, read_inputs
from halfmap.engine.starting.start import join_ranks
from halfmap.engine.state import State
from halfmap.errors import DataError
from halfmap.io.exact_state import read_exact_state
from halfmap.io.output import (
    RECORDS,
    check_output,
    existing_outputs,
    half_written,
    make_room,
)
from halfmap.io.particle_table import ParticleTable
from halfmap.io.problems import Problems
from halfmap.io.run_folder import RunState, read_run
from halfmap.model.half_model import HalfModel
from halfmap.parallel.collectives import from_root
from halfmap.parallel.halves import LEADER


def continued_run(options: RefineOptions, command: str, world: MPI.Intracomm) -> tuple[Job, State]:
    """Read an iteration's files and make the state after it. Collective.

    The particles are read from the table that the run began with: the one it wrote has six
    digits. With the exact state beside it the run goes on to the last bit; without, from
    the rounded numbers of the STAR files, and says so.
    """
    check_relaxed_symmetry(options)
    ranks, console = join_ranks(options, world)
    table: ParticleTable | None = None
    models: dict[int, HalfModel] = {}

    def read() -> tuple[Inputs, RunState, str]:
        nonlocal table, models
        assert options.continue_from is not None
        check_program(options)
        check_checkpoint_folder(options)
        check_prior(options)
        state = read_run(options.continue_from)
        flat = state.schedule.sampling.flat
        inputs, table = read_inputs(options, options.random_seed, console, Problems(), flat)
        state = replace(state, particles=inputs.particles, table=table)
        _check_unfinished(options.continue_from, state)
        exact = _exact_file(options.continue_from)
        if not exact.is_file():
            console.notice(f"{exact} is absent: the run goes on from rounded numbers")
            began = command
        else:
            state, notes = read_exact_state(exact, state)
            began = str(notes["command"])
        _make_room(options, state.schedule.iteration)
        models = dict(enumerate(state.halves))
        halves = tuple(model.without_maps() for model in state.halves)
        return inputs, replace(state, table=ParticleTable({}, {}), halves=halves), began

    inputs, run_state, began = from_root(read, world, LEADER)
    n_classes = len(run_state.halves[0].class_fraction)
    options = options.model_copy(update={"n_classes": n_classes})
    job = make_job(options, began, (ranks, console), inputs, table)
    schedule, models = resumed_schedule(job, run_state.schedule, from_leader(ranks, models))
    return job, State(schedule, run_state.poses, models)


def _check_unfinished(optimiser: Path, state: RunState) -> None:
    """Refuse the files of the end: their halves are joined, and there is nothing left to do."""
    if state.schedule.converged or state.schedule.iteration < 0:
        raise DataError(
            f"{optimiser}: found the end of a run that has converged, expected an iteration before "
            "it. To repeat the end, name the last _itNNN_optimiser.star and allow --overwrite"
        )


def _exact_file(optimiser: Path) -> Path:
    return optimiser.with_name(optimiser.name.replace("_optimiser.star", "_halfmap.h5"))


def _make_room(options: RefineOptions, iteration: int) -> None:
    """Remove the files of later iterations, if the user agrees.

    Raises
    ------
    DataError
        When there are some and ``--overwrite`` was not given.
    """
    root = options.output_root
    later = [file for file in existing_outputs(root) if _iteration_of(file, root) > iteration]
    if later and not options.overwrite:
        raise DataError(
            f"found {len(later)} files of iterations after {iteration}, such as {later[0]}, "
            "expected none: going on would replace them. Allow it with --overwrite, or write "
            "elsewhere with --o"
        )
    check_output(root, overwrite=True)
    if not options.dry_run:
        make_room(root.parent, [*later, *half_written(root)])


def _iteration_of(file: Path, root: Path) -> int:
    """Return the iteration of a file of a run; the final files come after all others.

    What has rows of all iterations is of none.
    """
    number = re.match(r"_it(\d+)_", file.name.removeprefix(root.name))
    if number:
        return int(number[1])
    return 0 if file.name.endswith(RECORDS) else 10**9
