"""``--skip_maximize``: where the particles are in the maps at hand, and nothing else."""

from halfmap.engine.expectation import expectation
from halfmap.engine.job import Job
from halfmap.engine.keeping.checkpoints import remove_parts
from halfmap.engine.refine import prepared
from halfmap.engine.results import write_quarantine
from halfmap.engine.schedule import begin
from halfmap.engine.state import State
from halfmap.engine.stopwatch import Stopwatch
from halfmap.io.data_star import write_data_star
from halfmap.io.run_names import RunNames
from halfmap.parallel.collectives import all_or_none


def locate_particles(job: Job, state: State) -> None:
    """Find the poses of one more iteration and write the particle table; no map changes.

    Collective.

    Raises
    ------
    CollectiveError
        On all ranks, when any of them failed.
    """
    schedule, watch = begin(state.schedule, job), Stopwatch()
    with prepared(job, state, schedule, watch) as (_, _, search):
        found = expectation(job, state.poses, search, schedule, watch)
    job.staging.report()
    names = RunNames(str(job.options.output_root))
    path = names.data(None)
    with all_or_none(job.ranks.world, "writing the poses"):
        if job.table is not None:
            write_quarantine(job, names)
            poses = found.results.poses(state.poses)
            write_data_star(path, job.particles, poses, job.table, flat=job.flat)
            remove_parts(job)
    if job.ranks.leads:
        news = job.quarantine.news()
        if news:
            job.console.warning(news)
    job.console.notice(f"no map was made (--skip_maximize); the poses are in {path}")
