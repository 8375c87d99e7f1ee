"""What a run says of itself: when it begins, after each iteration, at its end."""

from pathlib import Path

import numpy as np

from halfmap.engine.expectation import Found
from halfmap.engine.helping.prior_record import report_priors
from halfmap.engine.job import Job
from halfmap.engine.results import PROGRAM, keep_times
from halfmap.engine.state import State
from halfmap.engine.stopwatch import Stopwatch
from halfmap.engine.telling.class_text import ClassSummary
from halfmap.engine.telling.console_text import Ending, IterationLine
from halfmap.engine.telling.sampling_text import priors_text, sampling_text, searched_steps
from halfmap.io.run_names import RunNames
from halfmap.model.estimated_resolution import estimated_resolution_A
from halfmap.model.fourier import shell_resolution_A
from halfmap.parallel.halves import LEADER


def announce(job: Job, state: State) -> None:
    """Say what is about to happen."""
    options, sampling = job.options, state.schedule.sampling
    halves = np.bincount(job.particles.half, minlength=job.ranks.n_halves)
    counted = f"{len(job.particles)}"
    if len(halves) == 2:
        counted += f" in two halves of {halves[0]} and {halves[1]}"
    optics = f", {len(job.optics)} optics groups" if len(job.optics) > 1 else ""
    job.console.header(
        {
            "program": PROGRAM,
            "particles": f"{counted}{optics}, {options.particles_file}",
            "box": f"{job.box} px of {job.pixel_size_A:.4g} Å{_grids_text(job)}",
            **_symmetry_text(job, sampling.symmetry),
            "classes": _classes_text(job),
            "ranks": _ranks_text(job),
            "sampling": sampling_text(sampling),
            "priors": priors_text(sampling, in_table=job.particles.prior_deg is not None),
            "plug-in": options.prior_plug_in or None,
            "ends": "when converged"
            if options.auto_refine
            else f"after iteration {options.last_iteration}",
            "output": f"{options.output_root}_*",
            "random seed": options.random_seed,
        }
    )


def _symmetry_text(job: Job, symmetry: str) -> dict[str, object]:
    """Say to which symmetry maps are refined; class averages have none."""
    return {} if job.flat else {"symmetry": symmetry}


def _classes_text(job: Job) -> str | None:
    options = job.options
    kind = " averages (2D)" if job.flat else ""
    if options.n_classes == 1:
        return f"1{kind}" if kind else None
    counted = f"{options.n_classes}{kind}"
    if options.reference_file is None:
        return f"{counted}, from particles in random orientations"
    if options.seeds_classes:
        first = "second" if options.first_iteration_cc else "first"
        return f"{counted}, drawn by chance in the {first} iteration"
    return f"{counted}, from {options.reference_file}"


def _grids_text(job: Job) -> str:
    """Say what other boxes, pixel sizes and magnifications the images have."""
    others = [images.geometry for images in job.images if not images.geometry.is_of_map]
    if not others:
        return ""
    named = dict.fromkeys(f"{g.box} px of {g.pixel_size_A:.4g} Å" for g in others)
    listed = ", ".join(list(named)[:3]) + (", ..." if len(named) > 3 else "")
    stretched = any(g.is_magnified for g in others)
    return f"; images also of {listed}" + (" (magnified)" if stretched else "")


def _ranks_text(job: Job) -> str:
    n, threads = job.ranks.world.size, job.options.n_threads
    each = f"{threads} thread{'' if threads == 1 else 's'}"
    if n == 1:
        return f"one process with {each}"
    return f"{n}: one leads, {job.ranks.n_workers} work with {each} each"


def report_iteration(job: Job, state: State, found: Found, watch: Stopwatch) -> None:
    """Say what an iteration gave, and keep where its time went. Collective."""
    report_priors(job, state.schedule.iteration)
    job.staging.report()
    watch.add("units", found.busy_seconds)
    watch.add("copying", job.staging.new_busy_seconds())
    watch.add("checkpoints", found.kept.flushing.seconds)
    by_rank = job.ranks.world.gather(watch.seconds, root=LEADER)
    if by_rank is None:
        return
    schedule, wall = state.schedule, dict(by_rank[LEADER])
    angular_step_deg, offset_step_A = searched_steps(schedule.sampling)
    for not_of_the_leader in ("units", "waiting", "copying", "checkpoints"):
        wall.pop(not_of_the_leader)
    busy = sum(seconds["units"] for seconds in by_rank)
    able = wall["expectation"] * job.ranks.n_workers * job.options.n_threads
    keep_times(job, schedule.iteration, by_rank)
    news = job.quarantine.news()
    if news:
        job.console.warning(news)
    job.console.iteration(
        IterationLine(
            iteration=schedule.iteration,
            resolution_A=shell_resolution_A(schedule.resolution_shell, job.box, job.pixel_size_A),
            angular_step_deg=angular_step_deg,
            offset_step_A=offset_step_A,
            accuracy_rotation_deg=schedule.accuracy_rotation_deg,
            accuracy_translation_A=schedule.accuracy_translation_A,
            changes=schedule.changes,
            mean_max_probability=schedule.mean_max_probability,
            current_size_px=schedule.current_size,
            seconds=wall,
            busy_fraction=busy / able if able > 0.0 else None,
            class_shares=_class_shares(state),
        )
    )


def _class_shares(state: State) -> tuple[float, ...]:
    shares = state.models[0].class_fraction
    return tuple(map(float, shares)) if len(shares) > 1 else ()


def _class_summaries(job: Job, state: State) -> tuple[ClassSummary, ...]:
    model, known = state.models[0], state.poses.class_index[state.poses.class_index >= 0]
    counts = np.bincount(known, minlength=len(model.class_fraction))
    return tuple(
        ClassSummary(
            number=k + 1,
            share=share,
            n_particles=int(counts[k]),
            resolution_A=estimated_resolution_A(model.data_vs_prior[k], job.box, job.pixel_size_A),
        )
        for k, share in enumerate(_class_shares(state))
    )


def _maps_named(maps: list[Path], n_classes: int) -> dict[str, object]:
    """Return what the maps are and where: of several classes the first and the last."""
    if n_classes > 1:
        return {"maps": " to ".join(map(str, maps))}
    return {"map" if len(maps) == 1 else "half maps": ", ".join(map(str, maps))}


def finish(job: Job, state: State, seconds: float) -> None:
    """Say how the run ended; the leader does."""
    if not job.ranks.leads:
        return
    schedule, names = state.schedule, RunNames(str(job.options.output_root))
    number = None if schedule.converged else schedule.iteration
    is_split = job.ranks.n_halves == 2 and not schedule.converged
    named = names.classes if job.flat else names.map
    maps = [named(number, half) for half in ((0, 1) if is_split else (None,))]
    n_classes = job.options.n_classes
    if n_classes > 1 and not job.flat:
        maps = [names.map(number, None, k) for k in (0, n_classes - 1)]
    files: dict[str, object] = _maps_named(maps, n_classes)
    if schedule.converged:
        files["half maps"] = ", ".join(str(names.unfiltered(None, half)) for half in (0, 1))
    files["statistics"] = names.model(number, 0 if is_split else None)
    files["poses"] = names.data(number)
    if len(job.quarantine.rows):
        files["left out"] = names.quarantine
    job.console.finish(
        Ending(
            converged=schedule.converged,
            resolution_A=shell_resolution_A(schedule.resolution_shell, job.box, job.pixel_size_A),
            n_iterations=schedule.iteration,
            seconds=seconds,
            files=files,
            reason="" if not job.options.auto_refine else "--auto_iter_max is reached",
            classes=_class_summaries(job, state),
        )
    )
