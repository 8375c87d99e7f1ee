"""What became of the maps that a plug-in was given: said at once, and kept beside the results."""

from pathlib import Path

from halfmap.engine.helping.priors import Verdict
from halfmap.engine.job import Job
from halfmap.io.prior_star import USED, read_verdicts, write_verdicts
from halfmap.io.run_names import RunNames
from halfmap.parallel.halves import LEADER

SHOWN = 3
"""Maps that are named in a warning; the rest is counted."""


def report_priors(job: Job, iteration: int) -> None:
    """Warn of maps that kept the ordinary prior, and add the iteration to the table. Collective."""
    if not job.priors.wanted:
        return
    gathered = job.ranks.world.gather(job.priors.take_verdicts(), root=LEADER)
    if gathered is None:
        return
    verdicts = sorted(
        (verdict for of_rank in gathered for verdict in of_rank),
        key=lambda verdict: (verdict.half, verdict.class_number),
    )
    _keep(RunNames(str(job.options.output_root)).prior, iteration, verdicts)
    refused = [verdict for verdict in verdicts if verdict.outcome != USED]
    if refused:
        reasons = "; ".join(_described(verdict) for verdict in refused[:SHOWN])
        more = f"; and {len(refused) - SHOWN} more" if len(refused) > SHOWN else ""
        job.console.warning(
            f"the prior {job.options.prior_plug_in} was not used for {len(refused)} of "
            f"{len(verdicts)} maps in iteration {iteration}, which keep the ordinary one: "
            f"{reasons}{more}"
        )


def _keep(path: Path, iteration: int, verdicts: list[Verdict]) -> None:
    """Add the rows of an iteration, in place of those of an older run."""
    earlier = [row for row in read_verdicts(path) if row[0] < iteration]
    own = [(v.iteration, v.half, v.class_number, v.outcome) for v in verdicts]
    write_verdicts(path, [*earlier, *own])


def _described(verdict: Verdict) -> str:
    half = f"half {verdict.half}, " if verdict.half else ""
    return f"{half}class {verdict.class_number}: {verdict.outcome}"
