"""Where the expectation looks: orientations, offsets, their priors."""

import re
from typing import Annotated

from pydantic import AfterValidator

from halfmap.config.declare import (
    FREE,
    IMPLEMENTED,
    NO_MEANING,
    UNLESS_AUTO,
    Expected,
    Option,
    OptionGroup,
    Range,
)

_POINT_GROUP = re.compile(
    r"C[1-9]\d*[HV]?|CI|CS|D[1-9]\d*[HV]?|S(?!0)\d*[02468]|T[DH]?|OH?|I[1-4]?H?", re.ASCII
)


def _point_group(name: str) -> str:
    """Return the name in capitals, or raise ValueError when no group is called so."""
    if not _POINT_GROUP.fullmatch(name.upper()):
        raise ValueError("not a point group")
    return name.upper()


_EXPECTED = Expected(
    "a point group: C1, C2, ..., D2, ..., T, O, I (also I1 to I4, CI, CS, CnH, ...)"
)
PointGroupName = Annotated[str, AfterValidator(_point_group), _EXPECTED]
NoneOrPointGroupName = Annotated[
    str, AfterValidator(lambda name: _point_group(name) if name else ""), _EXPECTED
]
Sigma = Annotated[float, Range(0.0, 180.0, above=True, off=-1.0)]


class Orientations(OptionGroup):
    """Orientations."""

    oversampling: Annotated[
        int,
        Range(0, 3),
        Option(
            "oversampling",
            IMPLEMENTED,
            "How often the angular and offset steps are halved in the second pass around what the "
            "first pass found: 0 = one pass, 1 = half steps.",
            label="rlnAdaptiveOversampleOrder",
            on_continue=FREE,
        ),
    ] = 1
    healpix_order: Annotated[
        int,
        Range(0, 8),
        Option(
            "healpix_order",
            IMPLEMENTED,
            "Angular step of the first pass, 60° / 2^order: 2 = 15°, 3 = 7.5°, 4 = 3.75°.",
            on_continue=UNLESS_AUTO,
        ),
    ] = 2
    psi_step_deg: Annotated[
        float,
        Range(0.0, 360.0, above=True, off=-1.0),
        Option(
            "psi_step",
            IMPLEMENTED,
            "In-plane angular step of the first pass, rounded down to divide 360°; -1 means that "
            "of --healpix_order.",
            on_continue=UNLESS_AUTO,
        ),
    ] = -1.0
    limit_tilt_deg: Annotated[
        float,
        Range(-91.0, 91.0),
        Option(
            "limit_tilt",
            IMPLEMENTED,
            "Search only side views, tilt at least this (positive), or top views, tilt at most "
            "its magnitude (negative). Beyond ±90 searches all.",
        ),
    ] = -91.0
    symmetry: Annotated[
        PointGroupName,
        Option(
            "sym",
            IMPLEMENTED,
            "Point group of the particle.",
            differs="No symmetry files and no list of groups. I5 and I5H do not exist: RELION "
            "stops at them, too.",
        ),
    ] = "C1"
    relaxed_symmetry: Annotated[
        NoneOrPointGroupName,
        Option(
            "relax_sym",
            IMPLEMENTED,
            "Point group that the particle has only nearly. Priors on the orientation are the same "
            "at all its mates under this group, so each image finds the mate that fits. Without "
            "--sigma_ang or the like only the present poses and their mates are searched.",
            differs="Any point group, where RELION has cyclic ones only, and in-plane angles turn "
            "with the mates. An auto-refinement searches everywhere until its searches are local.",
            on_continue=FREE,
        ),
    ] = ""
    offset_range_px: Annotated[
        float,
        Range(0.0),
        Option(
            "offset_range",
            IMPLEMENTED,
            "Offsets are searched in a circle of this radius around the present one.",
            on_continue=UNLESS_AUTO,
        ),
    ] = 6.0
    offset_step_px: Annotated[
        float,
        Range(0.0, above=True),
        Option(
            "offset_step",
            IMPLEMENTED,
            "Step of the offsets in the first pass.",
            on_continue=UNLESS_AUTO,
        ),
    ] = 2.0
    helical_offset_step_A: Annotated[
        float,
        Range(0.0, above=True, off=-1.0),
        Option(
            "helical_offset_step",
            NO_MEANING,
            "Step of the offsets along a helical axis; -1 means that of the other offsets.",
            differs="Particles without a helical axis have one step, as in RELION.",
            on_continue=FREE,
        ),
    ] = -1.0
    perturbation: Annotated[
        float,
        Range(0.0, 1.0),
        Option(
            "perturb",
            IMPLEMENTED,
            "Each iteration turns and shifts the whole grid at random by up to this fraction of a "
            "step, so that no pose is privileged; 0 keeps it in place.",
            differs="The random numbers come from --random_seed and the iteration alone, so a "
            "continued run draws the same ones.",
            on_continue=FREE,
        ),
    ] = 0.5
    auto_refine: Annotated[
        bool,
        Option(
            "auto_refine",
            IMPLEMENTED,
            "3D auto-refinement: steps, ranges, resolution and the end are decided from the data.",
            differs="Needs --split_random_halves: RELION also runs without, but then the reported "
            "resolution is not a gold-standard one.",
            label="rlnDoAutoRefine",
        ),
    ] = False
    auto_sampling: Annotated[
        bool,
        Option(
            "auto_sampling",
            IMPLEMENTED,
            "Finer steps as the resolution stalls and poses settle, as in --auto_refine, for a "
            "fixed number of iterations and any number of classes.",
            label="rlnDoAutoSampling",
        ),
    ] = False
    local_search_healpix_order: Annotated[
        int,
        Range(0, 8),
        Option(
            "auto_local_healpix_order",
            IMPLEMENTED,
            "From this order on, auto-refinement searches only around each particle's present "
            "pose.",
            label="rlnAutoLocalSearchesHealpixOrder",
            on_continue=FREE,
        ),
    ] = 4
    sigma_ang_deg: Annotated[
        Sigma,
        Option(
            "sigma_ang",
            IMPLEMENTED,
            "Search only around the given poses, with Gaussian priors of this width on all three "
            "angles, cut off at three widths; -1 searches everywhere.",
            differs="With --auto_refine these hold until its searches are local.",
            on_continue=FREE,
        ),
    ] = -1.0
    sigma_rot_deg: Annotated[
        Sigma,
        Option(
            "sigma_rot",
            IMPLEMENTED,
            "The same for the angle rot alone; of --sigma_rot, --sigma_tilt and --sigma_psi those "
            "left out leave their angle free. Unless all three are given the priors sit where "
            "rlnAngleRotPrior, rlnAngleTiltPrior and rlnAnglePsiPrior say, if the table has them.",
            on_continue=FREE,
        ),
    ] = -1.0
    sigma_tilt_deg: Annotated[
        Sigma,
        Option(
            "sigma_tilt",
            IMPLEMENTED,
            "The same for the angle tilt alone; see --sigma_rot.",
            on_continue=FREE,
        ),
    ] = -1.0
    sigma_psi_deg: Annotated[
        Sigma,
        Option(
            "sigma_psi",
            IMPLEMENTED,
            "The same for the in-plane angle alone; see --sigma_rot.",
            on_continue=FREE,
        ),
    ] = -1.0
    skip_align: Annotated[
        bool,
        Option(
            "skip_align",
            IMPLEMENTED,
            "Keep all angles and offsets and only classify. Nothing is searched, so --oversampling "
            "and --perturb do not count.",
            label="rlnDoSkipAlign",
        ),
    ] = False
    skip_rotate: Annotated[
        bool,
        Option(
            "skip_rotate",
            IMPLEMENTED,
            "Keep all angles and only shift and classify, in one pass at the given steps: "
            "--oversampling and --perturb do not count.",
            label="rlnDoSkipRotate",
        ),
    ] = False
    bimodal_psi: Annotated[
        bool,
        Option(
            "bimodal_psi",
            IMPLEMENTED,
            "An in-plane angle opposite to its prior is as probable as the prior, and so is a "
            "direction opposite to its prior.",
            differs="Always; RELION's accelerated paths ignore it.",
        ),
    ] = False
