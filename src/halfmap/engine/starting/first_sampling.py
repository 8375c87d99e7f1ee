"""What the options say of the sampling: when a run begins, and when it goes on."""

from dataclasses import replace

import numpy as np

from halfmap.config.options import RefineOptions
from halfmap.engine.job import Job
from halfmap.errors import OptionError
from halfmap.model.half_model import HalfModel
from halfmap.model.orientations import direction_pixels
from halfmap.model.sampling import Sampling
from halfmap.model.schedule import Schedule
from halfmap.model.symmetry import NO_SYMMETRY, point_group
from halfmap.steps.sampling_schedule import LOCAL_SIGMA_STEPS
from halfmap.steps.statistics_update import with_uniform_directions

Sigmas = tuple[float, float, float]
NEAREST_ONLY_DEG = 0.0033
"""Width that keeps the nearest orientation alone: that of a relaxed symmetry without widths."""
FLAT_PSI_STEP_DEG = 10.0
"""Of 2D references, unless told otherwise."""
SAME_OPERATOR = 1e-6


def first_sampling(job: Job) -> Sampling:
    """Return the sampling as it was asked for."""
    options = job.options
    order, step = options.healpix_order, options.psi_step_deg
    if step <= 0.0:
        step = FLAT_PSI_STEP_DEG if job.flat else 60.0 / 2**order
    sampling = Sampling(
        healpix_order=order,
        psi_step_deg=360.0 / np.ceil(360.0 / step),
        offset_range_A=options.offset_range_px * job.pixel_size_A,
        offset_step_A=options.offset_step_px * job.pixel_size_A,
        oversampling=0 if options.keeps_angles else options.oversampling,
        symmetry=NO_SYMMETRY if job.flat else options.symmetry.upper(),
        limit_tilt_deg=options.limit_tilt_deg,
        fixed_angles=options.keeps_angles,
        fixed_offsets=options.skip_align,
        flat=job.flat,
    )
    return _with_priors(sampling, options)


def check_relaxed_symmetry(options: RefineOptions) -> None:
    """Check that there is something to relax.

    Raises
    ------
    OptionError
        If the relaxed symmetry has no operator that the symmetry lacks.
    """
    if not options.relaxed_symmetry:
        return
    kept = np.concatenate([np.eye(3)[None], point_group(options.symmetry).right])
    asked = point_group(options.relaxed_symmetry).right
    away = np.abs(asked[:, None] - kept).max(axis=(2, 3))
    if (away.min(axis=1) < SAME_OPERATOR).all():
        raise OptionError(
            f"--relax_sym: found {options.relaxed_symmetry} with --sym {options.symmetry}, "
            "expected a group with operators that --sym lacks: there is nothing to relax. "
            "Name the group that the particle has nearly, and in --sym the one it has"
        )


def resumed_schedule(
    job: Job, schedule: Schedule, models: dict[int, HalfModel]
) -> tuple[Schedule, dict[int, HalfModel]]:
    """Take over the sampling options that ``--continue`` may change.

    Without automatic sampling they say all; with it, all but the steps and ranges that the run has
    chosen itself. If the directions are new, what is known of their occupancy is void.
    """
    old = schedule.sampling
    asked = replace(first_sampling(job), perturbation=old.perturbation)
    if job.options.samples_automatically:
        now = replace(old, oversampling=asked.oversampling)
        local = old.healpix_order >= job.options.local_search_healpix_order
        now = now if local and old.prior_sigma_deg else _with_priors(now, job.options)
        now = replace(now, relaxed_symmetry=asked.relaxed_symmetry)
        schedule = replace(schedule, sampling=now)
    else:
        first = replace(asked, perturbation=0.0)
        if job.schedule_rules.coarser_allowed:  # the next iteration begins at the steps of the last
            asked = replace(
                asked,
                healpix_order=old.healpix_order,
                psi_step_deg=old.psi_step_deg,
                offset_step_A=old.offset_step_A,
            )
        schedule = replace(schedule, sampling=asked, initial_sampling=first)
    n_directions = len(direction_pixels(schedule.sampling)[0])
    return schedule, {
        half: model
        if model.direction_fraction.shape[1] == n_directions
        else with_uniform_directions(model, n_directions)
        for half, model in models.items()
    }


def _with_priors(sampling: Sampling, options: RefineOptions) -> Sampling:
    """Return the sampling with the priors that are asked for, or that its order brings with it.

    As in RELION, they sit at the present poses in a local search, and otherwise where the particle
    table has them.
    """
    automatic = options.samples_automatically
    local = automatic and sampling.healpix_order >= options.local_search_healpix_order
    sigma = _asked_sigma_deg(options)
    if sigma is None and local:
        sigma = (LOCAL_SIGMA_STEPS * sampling.fine_angular_step_deg,) * 3
    if sigma is None and options.relaxed_symmetry and not automatic:
        sigma = (NEAREST_ONLY_DEG,) * 3
    all_three = sigma is not None and min(sigma) > 0.0
    return replace(
        sampling,
        prior_sigma_deg=sigma,
        priors_follow_poses=local or (all_three and not options.auto_refine),
        bimodal_psi=options.bimodal_psi,
        relaxed_symmetry=options.relaxed_symmetry,
    )


def _asked_sigma_deg(options: RefineOptions) -> Sigmas | None:
    if options.sigma_ang_deg > 0.0:
        return (options.sigma_ang_deg,) * 3
    sigma = (options.sigma_rot_deg, options.sigma_tilt_deg, options.sigma_psi_deg)
    if max(sigma) <= 0.0:
        return None
    rot, tilt, psi = (max(width, 0.0) for width in sigma)
    return rot, tilt, psi
