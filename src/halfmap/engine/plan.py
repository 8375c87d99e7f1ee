"""``--dry_run``: start as a run does, try a few particles, and say what the run will need.

All that can be wrong is found as a real start finds it. No file is written or removed, and no
result is made: `halfmap.engine.planning.trial` runs the kernels on some particles at each sampling,
and what it finds is thrown away.
"""

import json
import time
from collections.abc import Sequence
from dataclasses import replace
from importlib import import_module

import numpy as np
from mpi4py import MPI

from halfmap.config.options import RefineOptions
from halfmap.engine.job import Job
from halfmap.engine.keeping.flushing import KEPT
from halfmap.engine.planning.advice import GIBIBYTE, Disc, advice, submission
from halfmap.engine.planning.copies import bytes_in_memory, bytes_on_disc
from halfmap.engine.planning.duration import Fixed, phases
from halfmap.engine.planning.forecast import Forecast, to_json
from halfmap.engine.planning.layout import Layout, asked_layout
from halfmap.engine.planning.memory import (
    Base,
    Iteration,
    node_peaks,
    rank_peaks,
    stretch_text,
)
from halfmap.engine.planning.text import forecast_text
from halfmap.engine.planning.trial_maps import table_seconds
from halfmap.engine.planning.tried_course import tried_course
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
from halfmap.parallel.collectives import all_or_none, share

SGEMM = 1024
FILES_LIBRARY = "h5py"
"""Loaded by a run when it writes its first files: some MiB, which a dry run would not see."""


def dry_run(
    options: RefineOptions, command: str, notices: Sequence[str], world: MPI.Intracomm
) -> None:
    """Check, forecast and say; see `run_refinement` for the arguments. Collective.

    Raises
    ------
    HalfmapError
        What a real start would find wrong.
    """
    import_module(FILES_LIBRARY)
    imported = resident()
    is_new = options.continue_from is None
    job, state = (new_run if is_new else continued_run)(options, command, world)
    read, started_s = resident(), seconds_since_start()
    for notice in notices:
        job.console.notice(notice)
    tried: tuple[tuple[Iteration, ...], int, Resident] | None = None
    began, before = time.perf_counter(), begin_peak()
    with all_or_none(world, "the trials of the dry run", asleep=True):
        if world.rank == job.ranks.roots[0]:
            tried = (tried_course(job, state), begin_peak(), resident())
    iterations, after, own = share(tried, world, job.ranks.roots[0])
    grown = share(after - before, world, job.ranks.roots[0])
    node = world.allgather(_node(world))
    if not job.ranks.leads:
        return
    base = _base(job, state, imported, read, (grown, own))
    layout = asked_layout(job.options, node, node_cores(), node_bytes())
    layout = replace(layout, copies=bytes_in_memory(job, layout.node_bytes))
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
    scratch = bytes_on_disc(job)
    return Disc(
        results=each * (len(iterations) + 1),
        checkpoints=KEPT
        * max(sum(len(h) for h in layout.served) * it.sizes.sums for it in iterations),
        scratch=scratch,
        kept_free=int(job.options.keep_free_scratch_GB * GIBIBYTE) if scratch else 0,
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
