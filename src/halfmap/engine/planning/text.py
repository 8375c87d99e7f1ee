"""The forecast as a person reads it."""

from collections.abc import Iterator, Sequence
from itertools import groupby

from halfmap.engine.planning.duration import Phases
from halfmap.engine.planning.forecast import Forecast
from halfmap.engine.planning.memory import Iteration, Peak
from halfmap.engine.telling.console_text import duration_text

Timed = tuple[Iteration, Phases]
HEADS = ("iterations", "step °", "step Å", "window px", "ms / particle", "time")
WIDTHS = (10, 9, 9, 12, 15, 14)


def forecast_text(forecast: Forecast) -> str:
    """Return the forecast, some lines for each of time, memory, disc, Slurm and advice."""
    return "\n".join(
        [
            "",
            "forecast (no result was made)",
            *_where(forecast),
            "",
            *_times(forecast),
            "",
            *_memory(forecast),
            "",
            *_disc(forecast),
            "",
            *_slurm(forecast),
            *_verdict(forecast),
        ]
    )


def _where(forecast: Forecast) -> Iterator[str]:
    layout = forecast.layout
    yield (
        f"  for {_counted(layout.n_ranks, 'rank')} with {_counted(layout.n_threads, 'thread')} "
        f"each on {_counted(layout.n_nodes, 'node')} of {_counted(layout.cores, 'core')} and "
        f"{size_text(layout.node_bytes)}; one thread multiplies at "
        f"{forecast.sgemm_gflops:.0f} GFLOP/s"
    )


def _times(forecast: Forecast) -> Iterator[str]:
    yield _row(HEADS, "")
    yield _row(("start", *(4 * ("",)), duration_text(forecast.start_s)), "")
    timed = zip(forecast.iterations, forecast.phases, strict=True)
    for _, group in groupby(timed, key=_level):
        yield _level_line(list(group))
    yield _row(("all", *(4 * ("",)), duration_text(forecast.seconds)), "")
    yield f"  of it {_phase_sums(forecast)}"


def _row(cells: Sequence[str], note: str) -> str:
    padded = (f"{cell:>{width}}" for cell, width in zip(cells, WIDTHS, strict=True))
    return "  " + f"{''.join(padded)}  {note}".rstrip()


def _level(timed: Timed) -> tuple[object, ...]:
    schedule = timed[0].schedule
    return schedule.sampling.fine_angular_step_deg, timed[0].cost.n_rows == 0, schedule.converged


def _level_line(own: list[Timed]) -> str:
    first, last = own[0][0].schedule, own[-1][0].schedule
    numbers = _span(first.iteration, last.iteration)
    kind = "last, all data" if last.converged else "local" if own[0][0].cost.n_rows == 0 else ""
    costs = [1e3 * it.cost.particle_s for it, _ in own]
    cells = (
        numbers,
        f"{first.sampling.fine_angular_step_deg:.3g}",
        f"{last.sampling.fine_offset_step_A:.3g}",
        _span(first.current_size, last.current_size),
        f"{costs[0]:.3g}" if len(costs) == 1 else f"{costs[0]:.3g} - {costs[-1]:.3g}",
        duration_text(sum(phases.total for _, phases in own)),
    )
    return _row(cells, kind)


def _phase_sums(forecast: Forecast) -> str:
    names = ("preparation", "expectation", "maximisation", "writing")
    sums = ((name, sum(getattr(p, name) for p in forecast.phases)) for name in names)
    return ", ".join(f"{name} {duration_text(seconds)}" for name, seconds in sums)


def _memory(forecast: Forecast) -> Iterator[str]:
    node = max(forecast.nodes, key=lambda peak: peak.n_bytes)
    rank = max(forecast.ranks, key=lambda peak: peak.n_bytes)
    yield f"memory      {size_text(node.n_bytes)} on the fullest node, {_when(node)}"
    by_kind: dict[tuple[str, ...], list[Peak]] = {}
    for peak in forecast.ranks:
        kind = (peak.moment.phase, *_items(peak))
        by_kind.setdefault(kind, []).append(peak)
    for peaks in by_kind.values():
        yield f"  {_ranks(peaks):<24}{size_text(peaks[0].n_bytes):>10}, {_when(peaks[0])}"
    yield f"  largest rank: {', '.join(_items(rank))}"
    if forecast.layout.copies:
        yield f"  copies of the images {size_text(forecast.layout.copies)} on each node"
    if forecast.stretched:
        yield f"  {forecast.stretched}"


def _items(peak: Peak) -> tuple[str, ...]:
    found = peak.moment.by_name.items()
    return tuple(f"{name} {size_text(n_bytes)}" for name, n_bytes in found)


def _ranks(peaks: list[Peak]) -> str:
    places = [peak.place for peak in peaks]
    listed = ", ".join(map(str, places[:4])) + (", ..." if len(places) > 4 else "")
    return f"rank {listed}" if len(places) == 1 else f"each of ranks {listed}"


def _when(peak: Peak) -> str:
    if not peak.moment.phase:
        return "at the start"
    return f"in the {peak.moment.phase} of iteration {peak.moment.iteration}"


def _disc(forecast: Forecast) -> Iterator[str]:
    disc = forecast.disc
    yield f"disc        results {size_text(disc.results)} ({size_text(disc.free)} are free)"
    if disc.checkpoints:
        yield f"  checkpoints {size_text(disc.checkpoints)}, until each iteration is over"
    if disc.scratch:
        yield f"  scratch {size_text(disc.scratch)} on each node"


def _slurm(forecast: Forecast) -> Iterator[str]:
    yield "Slurm"
    yield from (f"  {line}" for line in forecast.submission.lines())


def _verdict(forecast: Forecast) -> Iterator[str]:
    yield ""
    if not forecast.advice:
        yield "the run fits"
        return
    yield "the run does not fit:"
    yield from (f"  {text}" for text in forecast.advice)


def size_text(n_bytes: float) -> str:
    """Return a size in a unit that suits it.

    >>> size_text(3 * 2**30), size_text(7_500_000)
    ('3.0 GiB', '7 MiB')
    """
    return f"{n_bytes / 2**30:.1f} GiB" if n_bytes >= 2**30 else f"{n_bytes / 2**20:.0f} MiB"


def _span(first: int, last: int) -> str:
    return f"{first}" if first == last else f"{first} - {last}"


def _counted(n: int, noun: str) -> str:
    return f"{n} {noun}{'' if n == 1 else 's'}"
