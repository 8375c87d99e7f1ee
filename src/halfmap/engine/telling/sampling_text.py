"""What is said of the sampling: steps, what stays as it is, and where priors sit."""

import math
from collections.abc import Collection

from halfmap.engine.starting.first_sampling import NEAREST_ONLY_DEG
from halfmap.model.sampling import Sampling

ANGLES = ("rlnAngleRot", "rlnAngleTilt", "rlnAnglePsi")


def sampling_text(sampling: Sampling) -> str:
    """Return the steps of the second pass and the range of the offsets."""
    if sampling.fixed_offsets:
        return "none: angles and offsets stay as they are"
    offsets = f"{sampling.fine_offset_step_A:.3g} Å within {sampling.offset_range_A:.3g} Å"
    if sampling.fixed_angles:
        return f"{offsets}; angles stay as they are"
    return f"{sampling.fine_angular_step_deg:g}° and {offsets}"


def priors_text(sampling: Sampling, *, in_table: bool) -> str | None:
    """Return where the priors on the angles sit and how wide they are; None without any.

    Parameters
    ----------
    sampling
        As it begins.
    in_table
        Whether the particle table has columns of priors.
    """
    sigma = sampling.prior_sigma_deg
    if sigma is None or sampling.fixed_angles:
        return None
    at_poses = sampling.priors_follow_poses or not in_table
    place = "around the present poses" if at_poses else "as in the table"
    if sampling.relaxed_symmetry:
        place += f" and their mates in {sampling.relaxed_symmetry}"
    if max(sigma) <= NEAREST_ONLY_DEG:
        return f"{place} alone"
    named = zip(("rot", "tilt", "psi"), sigma, strict=True)
    widths = [f"{name} {width:.3g}°" for name, width in named if width > 0.0]
    return f"{place}, sigma of {', '.join(widths)}"


def searched_steps(sampling: Sampling) -> tuple[float, float]:
    """Return the steps of the angles (°) and of the offsets (Å), infinite where nothing moves."""
    angle = math.inf if sampling.fixed_angles else sampling.fine_angular_step_deg
    return angle, math.inf if sampling.fixed_offsets else sampling.fine_offset_step_A


def absent_poses_text(sampling: Sampling, columns: Collection[str]) -> str:
    """Return a warning if the search relies on angles that the table does not have; else nothing.

    Parameters
    ----------
    sampling
        As it begins.
    columns
        Names of the columns of the particle table.
    """
    suffixes: tuple[str, ...] = ("",)
    if sampling.fixed_angles:
        sigma = (1.0, 1.0, 1.0)
    elif sampling.prior_sigma_deg is not None:
        sigma = sampling.prior_sigma_deg
        suffixes = suffixes if sampling.priors_follow_poses else ("", "Prior")
    else:
        return ""
    needed = [
        name
        for name, width in zip(ANGLES, sigma, strict=True)
        if width > 0.0 and (name == ANGLES[2] or not sampling.flat)
    ]
    absent = [n for n in needed if not any(n + suffix in columns for suffix in suffixes)]
    if not absent:
        return ""
    use = "angles stay as they are" if sampling.fixed_angles else "only nearby angles are searched"
    remedy = "Take the table that a refinement wrote, or search all angles first"
    if not sampling.fixed_angles and any(name + "Prior" in columns for name in absent):
        remedy = (
            "Its priors count only while one of --sigma_rot, --sigma_tilt and --sigma_psi is left "
            "out: leave one out, or rename the columns"
        )
    return f"{use}, but the particle table has no {', '.join(absent)}: all count as 0. {remedy}"
