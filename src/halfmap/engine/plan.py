"""``--dry_run``: start as a run does, try a few particles, and say what the run will need.

All that can be wrong is found as a real start finds it. No file is written or removed, and no
result is made: `halfmap.engine.planning.trial` runs the kernels on some particles at each sampling,
and what it finds is thrown away.
"""

import json
import math
import time
from collections.abc import Sequence
from dataclasses import replace
from itertools import groupby

import numpy as np
from mpi4py import MPI

from halfmap.config.options import RefineOptions
from halfmap.engine.degrees import volumes_at
from halfmap.engine.job import Job
from halfmap.engine.keeping.flushing import KEPT
from halfmap.engine.planning.advice import Disc, advice, submission
from halfmap.engine.planning.duration import Fixed, narrowed, phases
from halfmap.engine.planning.forecast import Forecast, to_json
from halfmap.engine.planning.layout import Layout, asked_layout
from halfmap.engine.planning.memory import (
    Base,
    Iteration,
    image_bytes,
    node_peaks,
    rank_peaks,
    sizes_of,
    stretch_text,
)
from halfmap.engine.planning.planted import expected_power
from halfmap.engine.planning.scenario import expected_iterations
from halfmap.engine.planning.text import forecast_text
from halfmap.engine.planning.trial import Cost, Trials
from halfmap.engine.planning.trial_maps import table_seconds, tried_maps
from halfmap.engine.process_memory import (
    Resident,
    begin_peak,
    node_bytes,
    node_cores,
    resident,
    seconds_since_start,
)
from halfmap.engine.starting.continuation import continued_run
from halfmap.engine.starting.start import new_run
from halfmap.engine.state import State
from halfmap.io.atomic import replacing
from halfmap.io.output import free_bytes, iteration_bytes
from halfmap.model.schedule import Schedule
from halfmap.parallel.collectives import all_or_none, share

FIRST_S = 6.0
"""The first iteration, which is often the longest, is worth a longer trial."""
TRIALS_S = 30.0
"""All trials together take about so long, at most."""
SGEMM = 1024


def dry_run(
    options: RefineOptions, command: str, notices: Sequence[str], world: MPI.Intracomm
) -> None:
    """Check, forecast and say; see `run_refinement` for the arguments. Collective.

    Raises
    ------
    HalfmapError
        What a real start would find wrong.
    """
    imported = resident()
    is_new = options.continue_from is None
    job, state = (new_run if is_new else continued_run)(options, command, world)
    read, started_s = resident(), seconds_since_start()
    for notice in notices:
        job.console.notice(notice)
    tried: tuple[tuple[Iteration, ...], int, Resident] | None = None
    began = time.perf_counter()
    with all_or_none(world, "the trials of the dry run"):
        if world.rank == job.ranks.roots[0]:
            tried = (_tried(job, state), begin_peak(), resident())
    iterations, after, own = share(tried, world, job.ranks.roots[0])
    grown = share(after - read.now, world, job.ranks.roots[0])
    node = world.allgather(_node(world))
    if not job.ranks.leads:
        return
    base = _base(job, state, imported, read, (grown, own))
    layout = asked_layout(job.options, node, node_cores(), node_bytes())
    fixed = Fixed(started_s, table_seconds(job))
    spent_s = time.perf_counter() - began
    found = _forecast(job, layout, base, iterations, (fixed, spent_s))
    job.console.notice(forecast_text(found))
    if options.plan_file is not None:
        with replacing(options.plan_file) as path:
            path.write_text(json.dumps(to_json(found), indent=1) + "\n", encoding="utf-8")


def _node(world: MPI.Intracomm) -> int:
    """Return the number of this rank's node. Collective."""
    own = MPI.Intracomm(world.Split_type(MPI.COMM_TYPE_SHARED))
    first = own.bcast(world.rank if own.rank == 0 else None)
    return sorted(set(world.allgather(first))).index(first)


def _tried(job: Job, state: State) -> tuple[Iteration, ...]:
    """Try the iterations that are expected, on the rank that has the maps of the first half."""
    scenario = expected_iterations(job, state.schedule)
    model = state.models[0]
    trials = Trials(job, model, state.poses, expected_power(job, model, scenario))
    levels = [list(own) for _, own in groupby(scenario.iterations, key=_level)]
    windows = {
        (n, it.current_size): it for n, level in enumerate(levels) for it in (level[0], level[-1])
    }
    limit_s = TRIALS_S / (len(windows) + 1)
    costs = {key: trials.of(it, limit_s, first=False) for key, it in windows.items()}
    begins = state.schedule.iteration == 0
    first = trials.of(scenario.iterations[0], FIRST_S, first=True) if begins else None
    made = []
    for n, level in enumerate(levels):
        ends = [(it.current_size, costs[n, it.current_size]) for it in (level[0], level[-1])]
        for schedule in level:
            cost = _between(schedule.current_size, ends)
            maps = tried_maps(job, schedule, model)
            units = job.units_at(schedule)
            n = sum(len(unit.rows) for unit in units)
            sizes = sizes_of(job, schedule, cost)
            volumes = volumes_at(job, schedule)
            made.append(Iteration(schedule, cost, maps, sizes, volumes, n, len(units)))
    if first is not None:
        early = made[0].cost
        made[0] = replace(made[0], cost=first)
        made = narrowed(made, first, early)
    return tuple(made)


def _level(schedule: Schedule) -> tuple[object, ...]:
    """Return what all windows of a sampling have in common."""
    own = schedule.sampling
    return own.healpix_order, own.psi_step_deg, own.prior_sigma_deg, schedule.converged


def _between(size: int, ends: list[tuple[int, Cost]]) -> Cost:
    """Interpolate between two windows, as powers of them."""
    (low, first), (high, last) = ends
    if low == high:
        return first
    share = math.log(size / low) / math.log(high / low)

    def mixed(a: float, b: float) -> float:
        return math.exp(math.log(max(a, 1e-9)) * (1.0 - share) + math.log(max(b, 1e-9)) * share)

    return Cost(
        particle_s=mixed(first.particle_s, last.particle_s),
        unit_s=mixed(first.unit_s, last.unit_s),
        slices_s=mixed(first.slices_s, last.slices_s),
        thread_bytes=max(first.thread_bytes, last.thread_bytes),
        n_significant=mixed(first.n_significant, last.n_significant),
        n_rows=last.n_rows,
    )


def _base(
    job: Job, state: State, imported: Resident, read: Resident, grown: tuple[int, Resident]
) -> Base:
    """Return what ranks hold besides the arrays of an iteration; on the leader."""
    maps = sum(model.maps.nbytes for model in state.models.values())
    kernels, working = grown
    particles = 8 * len(job.particles) * PARTICLE_NUMBERS
    return Base(
        worker=imported.now + particles + kernels,
        leader=read.now - maps,
        both=read.now - maps + kernels,
        start=read.peak,
        files=working.files,
    )


PARTICLE_NUMBERS = 30
"""Numbers that each rank keeps of a particle, in its table and its poses."""


def _forecast(
    job: Job,
    layout: Layout,
    base: Base,
    iterations: tuple[Iteration, ...],
    fixed: tuple[Fixed, float],
) -> Forecast:
    """Put together what was tried, for a layout."""
    every = list(iterations)
    nodes = node_peaks(job, layout, base, every)
    disc = _disc(job, layout, every)
    timed = tuple(phases(job, layout, it, fixed[0]) for it in every)
    seconds = fixed[0].start_s + sum(each.total for each in timed)

    def peak_of(other: Layout) -> int:
        return max(peak.n_bytes for peak in node_peaks(job, other, base, every))

    peak = max(found.n_bytes for found in nodes)
    return Forecast(
        layout=layout,
        iterations=iterations,
        phases=timed,
        start_s=fixed[0].start_s,
        ranks=tuple(rank_peaks(job, layout, base, every)),
        nodes=tuple(nodes),
        stretched=stretch_text(job, layout, every),
        disc=disc,
        submission=submission(layout, peak, seconds, disc),
        advice=tuple(advice(layout, peak_of, disc, padding=job.options.padding)),
        sgemm_gflops=sgemm_gflops(),
        dry_run_s=fixed[1],
    )


def _disc(job: Job, layout: Layout, iterations: list[Iteration]) -> Disc:
    """Return what the run writes."""
    n_maps = job.options.n_classes * layout.n_halves
    depth = 1 if job.flat else job.box
    n_columns = len(job.table.particles) if job.table is not None else 0
    each = iteration_bytes((depth, job.box), len(job.particles), n_columns, n_maps)
    return Disc(
        results=each * (len(iterations) + 1),
        checkpoints=KEPT
        * max(sum(len(h) for h in layout.served) * it.sizes.sums for it in iterations),
        scratch=image_bytes(job) if job.options.scratch_dir is not None else 0,
        free=free_bytes(job.options.output_root.parent),
    )


def sgemm_gflops() -> float:
    """Return the rate of a product of matrices in single precision, on one thread."""
    a = np.random.default_rng(0).standard_normal((SGEMM, SGEMM)).astype(np.float32)
    seconds = []
    for _ in range(4):
        start = time.thread_time()
        a @ a.T
        seconds.append(time.thread_time() - start)
    return 2e-9 * SGEMM**3 / max(min(seconds), 1e-9)
