"""The refinement loop. Read this file first: it is the whole program.

Every rank runs it. A rank holds the models of the halves it works for; the schedule and the
poses are the same everywhere, and are advanced by the same pure functions, so that what
happens next is never sent, only agreed on.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from halfmap.engine.degrees import stretched
from halfmap.engine.expectation import expectation
from halfmap.engine.job import Job
from halfmap.engine.maximisation import maximisation
from halfmap.engine.node_search import Searches, projected, searches
from halfmap.engine.process_memory import give_back
from halfmap.engine.reduction import reduced
from halfmap.engine.results import write_iteration
from halfmap.engine.schedule import begin, conclude, is_finished, update_sampling
from halfmap.engine.state import State
from halfmap.engine.stopwatch import Stopwatch
from halfmap.engine.telling.progress import report_iteration
from halfmap.engine.telling.staging_text import beyond_cut_text
from halfmap.model.half_model import HalfModel
from halfmap.model.schedule import Schedule
from halfmap.parallel.collectives import wait_for_all


def refine(job: Job, state: State) -> State:
    """Iterate until the poses and the resolution stay, or the iterations are used up. Collective.

    Parameters
    ----------
    job
        What is fixed during the run.
    state
        Where to begin: a new run (`halfmap.engine.starting.start`) or an old one
        (`halfmap.engine.starting.continuation`).

    Returns
    -------
    state
        After the last iteration, whose files are written.

    Raises
    ------
    CollectiveError
        On all ranks, when any of them failed.
    """
    while not is_finished(state.schedule, job):
        state = iterated(job, state)
    return state


def iterated(job: Job, state: State) -> State:
    """Go through one iteration; of what it summed nothing is left. Collective."""
    schedule, watch = begin(state.schedule, job), Stopwatch()
    with prepared(job, state, schedule, watch) as (schedule, models, search):
        found = expectation(job, state.poses, search, schedule, watch)
    with watch.phase("waiting"):
        wait_for_all(job.ranks.world)
    with watch.phase("reduction"):
        totals = reduced(job, found)
    with watch.phase("maximisation"):
        made = maximisation(job, schedule, models, found, totals)
        state = conclude(job, schedule, state.poses, found, made)
    with watch.phase("writing"):
        write_iteration(job, state, made)
    report_iteration(job, state, found, watch)
    return state


@contextmanager
def prepared(
    job: Job, state: State, schedule: Schedule, watch: Stopwatch
) -> Iterator[tuple[Schedule, dict[int, HalfModel], Searches]]:
    """Transform the maps, and refine the sampling. Collective.

    The transforms are held once per node, and let go of when the expectation is over.
    """
    with ExitStack() as stack:
        with watch.phase("preparation"):
            stretch = stretched(job, schedule)
            if stretch.text:
                job.console.notice(stretch.text)
            grown = beyond_cut_text(
                job.options.scratch_crop_A, job.cut_size, state.schedule, schedule
            )
            if grown:
                job.console.notice(grown)
            size = schedule.current_size
            transforms = stack.enter_context(projected(job, state.models, size, stretch))
            references = {half: own.references for half, own in transforms.items()}
            schedule, models = update_sampling(job, schedule, state, references)
            of_halves = searches(job, models, schedule, references)
            search = Searches(of_halves, stretch, transforms)
        yield schedule, models, search
    give_back()
