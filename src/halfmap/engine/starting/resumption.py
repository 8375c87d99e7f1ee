"""``--resume``: how far a run has come, told by its files; and the file that says it is over."""

import re
from dataclasses import dataclass, replace
from pathlib import Path

from halfmap.config.command_line import Request, parse
from halfmap.config.options import RefineOptions
from halfmap.config.saved import options_file
from halfmap.config.words import read_preset
from halfmap.engine.job import Job
from halfmap.engine.state import State
from halfmap.errors import DataError
from halfmap.io.atomic import replacing
from halfmap.io.exact_state import verify_exact_state
from halfmap.io.optimisation_set import files_of_set
from halfmap.io.output import written_iterations
from halfmap.io.run_folder import read_run
from halfmap.io.run_names import RunNames


@dataclass(frozen=True, slots=True)
class Standing:
    """How far a run has come."""

    finished: bool = False
    optimiser: Path | None = None
    """Of the last iteration whose files are complete and good."""
    said: tuple[str, ...] = ()
    """What is wrong with later ones."""


def standing(options: RefineOptions) -> Standing:
    """Find out how far the run with this root has come.

    Raises
    ------
    DataError
        When iterations were written but none of them is good.
    """
    iterations = written_iterations(options.output_root)
    if _is_over(options, iterations):
        return Standing(finished=True)
    said: list[str] = []
    for optimiser in iterations:
        try:
            check_iteration(optimiser)
        except DataError as error:
            said.append(f"iteration {_number(optimiser)} is passed over: {error}")
            continue
        return Standing(False, optimiser, tuple(said))
    if iterations:
        raise DataError(
            f"--resume: found {len(iterations)} iterations of {options.output_root}, expected a "
            "good one to go on from. Begin anew with --overwrite in place of --resume, or "
            "elsewhere with --o:\n  " + "\n  ".join(said)
        )
    return Standing()


def _is_over(options: RefineOptions, iterations: list[Path]) -> bool:
    names = RunNames(str(options.output_root))
    if names.optimiser(None).is_file():  # the last file of a run that has converged
        return True
    if not names.finished.is_file():
        return False
    reached = _number(iterations[0]) if iterations else 0
    return options.skip_maximisation or reached >= options.last_iteration


def _number(optimiser: Path) -> int:
    found = re.search(r"_it(\d+)_optimiser\.star$", optimiser.name)
    assert found is not None
    return int(found[1])


def check_iteration(optimiser: Path) -> None:
    """Raise a `DataError` unless a run can go on from these files to the last bit."""
    names = RunNames(str(optimiser).removesuffix(f"_it{_number(optimiser):03d}_optimiser.star"))
    exact = names.exact(_number(optimiser))
    if not exact.is_file():
        raise DataError(f"{exact} is absent. Copy the whole run folder again")
    problems = read_preset(options_file(optimiser)).problems
    if problems:
        raise DataError(problems[0])
    verify_exact_state(exact, read_run(optimiser).halves)


def taken_up(request: Request) -> Request | None:
    """Return the request to go on from the last good iteration; None if the run has finished.

    Where there is no iteration to go on from, the run begins; what one that was killed before
    its first iteration has left is replaced.

    Raises
    ------
    DataError, OptionError
        When the run cannot go on from its files, or not with these options.
    """
    found = standing(request.options)
    if found.finished:
        return None
    if found.optimiser is None:
        options = request.options.model_copy(update={"resume": False, "overwrite": True})
        return replace(request, options=options)
    going_on = parse(request.words, files_of_set, found.optimiser)
    notice = f"the run goes on after iteration {_number(found.optimiser)}"
    return replace(going_on, notices=(*found.said, notice, *going_on.notices))


def unmark(job: Job) -> None:
    """Remove the file that says that the run is over; the leader does."""
    if job.ranks.leads:
        RunNames(str(job.options.output_root)).finished.unlink(missing_ok=True)


def mark_finished(job: Job, state: State) -> None:
    """Write, last of all, the file that says that the run is over; the leader does.

    Scripts trust it, not the exit code of a launcher, which may be 0 when a node was lost.
    """
    if not job.ranks.leads:
        return
    schedule = state.schedule
    how = "converged" if schedule.converged else "as many iterations as were asked for"
    with replacing(RunNames(str(job.options.output_root)).finished) as beside:
        text = f"finished after iteration {schedule.iteration}: {how}\n"
        beside.write_text(text, encoding="utf-8")
