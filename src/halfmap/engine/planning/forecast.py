"""The forecast as plain numbers: what is printed, and what is written as JSON."""

from dataclasses import asdict, dataclass
from typing import Any

from halfmap.engine.planning.advice import Disc, Submission
from halfmap.engine.planning.duration import Phases, fresh_seconds
from halfmap.engine.planning.layout import Layout
from halfmap.engine.planning.memory import Iteration, Peak

VERSION = 1


@dataclass(frozen=True, slots=True)
class Forecast:
    """What a run will need."""

    layout: Layout
    iterations: tuple[Iteration, ...]
    phases: tuple[Phases, ...]
    """Of each iteration."""
    start_s: float
    ranks: tuple[Peak, ...]
    nodes: tuple[Peak, ...]
    stretched: str
    """What the run does by itself where memory is short."""
    disc: Disc
    submission: Submission
    advice: tuple[str, ...]
    """What does not fit, and what to change; nothing if all fits."""
    sgemm_gflops: float
    """Of one thread, now."""
    dry_run_s: float

    @property
    def seconds(self) -> float:
        """Wall seconds of the whole run."""
        return self.start_s + sum(phases.total for phases in self.phases)


def to_json(forecast: Forecast) -> dict[str, Any]:
    """Return what JSON can hold."""
    layout = forecast.layout
    return {
        "version": VERSION,
        "ranks": layout.n_ranks,
        "nodes": layout.n_nodes,
        "threads": layout.n_threads,
        "cores": layout.cores,
        "node_bytes": layout.node_bytes,
        "copies_bytes": layout.copies,
        "seconds": forecast.seconds,
        "start_s": forecast.start_s,
        "dry_run_s": forecast.dry_run_s,
        "sgemm_gflops": forecast.sgemm_gflops,
        "iterations": [
            _iteration(layout, it, phases)
            for it, phases in zip(forecast.iterations, forecast.phases, strict=True)
        ],
        "memory_of_ranks": [_peak(peak) for peak in forecast.ranks],
        "memory_of_nodes": [_peak(peak) for peak in forecast.nodes],
        "stretched": forecast.stretched,
        "disc": asdict(forecast.disc),
        "slurm": asdict(forecast.submission) | {"lines": forecast.submission.lines()},
        "fits": not forecast.advice,
        "advice": list(forecast.advice),
    }


def _iteration(layout: Layout, it: Iteration, phases: Phases) -> dict[str, Any]:
    schedule = it.schedule
    return {
        "iteration": schedule.iteration,
        "is_last": schedule.converged,
        "window_px": schedule.current_size,
        "coarse_window_px": schedule.coarse_size,
        "fine_angular_step_deg": schedule.sampling.fine_angular_step_deg,
        "fine_offset_step_A": schedule.sampling.fine_offset_step_A,
        "is_local": it.cost.n_rows == 0,
        "n_particles": it.n_particles,
        "cpu_s": it.n_particles * it.cost.particle_s
        + it.n_units * it.cost.unit_s
        + fresh_seconds(layout, it),
        "particle_ms": 1e3 * it.cost.particle_s,
        "seconds": asdict(phases),
        "bytes": asdict(it.sizes) | {"thread": it.cost.thread_bytes},
    }


def _peak(peak: Peak) -> dict[str, Any]:
    return {
        "bytes": peak.n_bytes,
        "iteration": peak.moment.iteration,
        "phase": peak.moment.phase or "start",
        "items": peak.moment.by_name,
    }
