"""Helical reconstruction: known by name, for a later version."""

from typing import Annotated

from halfmap.config.declare import FREE, IMPLEMENTED, LATER, File, Option, OptionGroup


class Helix(OptionGroup):
    """Helical reconstruction."""

    helix: Annotated[
        bool,
        Option(
            "helix",
            LATER,
            "The particles are segments of helices.",
            label="rlnDoHelicalRefine",
        ),
    ] = False
    ignore_helical_symmetry: Annotated[
        bool,
        Option(
            "ignore_helical_symmetry",
            LATER,
            "Use the tube mask and the priors of helices, but impose no helical symmetry.",
            label="rlnIgnoreHelicalSymmetry",
        ),
    ] = False
    n_helical_units: Annotated[
        int,
        Option(
            "helical_nr_asu",
            LATER,
            "New asymmetric units per segment; as many copies are added in the Fourier sums.",
        ),
    ] = 1
    helical_twist_deg: Annotated[
        float,
        Option(
            "helical_twist_initial",
            LATER,
            "Twist from one unit to the next; positive is right-handed.",
            label="rlnHelicalTwistInitial",
        ),
    ] = 0.0
    helical_twist_min_deg: Annotated[
        float, Option("helical_twist_min", LATER, "Smallest twist that is tried.")
    ] = 0.0
    helical_twist_max_deg: Annotated[
        float, Option("helical_twist_max", LATER, "Largest twist that is tried.")
    ] = 0.0
    helical_twist_step_deg: Annotated[
        float,
        Option("helical_twist_inistep", LATER, "First step of the twist search; 0 means 1°."),
    ] = 0.0
    helical_rise_A: Annotated[
        float,
        Option(
            "helical_rise_initial",
            LATER,
            "Rise from one unit to the next.",
            label="rlnHelicalRiseInitial",
        ),
    ] = 0.0
    helical_rise_min_A: Annotated[
        float, Option("helical_rise_min", LATER, "Smallest rise that is tried.")
    ] = 0.0
    helical_rise_max_A: Annotated[
        float, Option("helical_rise_max", LATER, "Largest rise that is tried.")
    ] = 0.0
    helical_rise_step_A: Annotated[
        float,
        Option(
            "helical_rise_inistep",
            LATER,
            "First step of the rise search; 0 means 1 % of the rise.",
        ),
    ] = 0.0
    n_helical_starts: Annotated[
        int,
        Option(
            "helical_nstart",
            LATER,
            "Number of strands of the helix, for priors on the rotation.",
            label="rlnNrHelicalNStart",
        ),
    ] = 1
    helical_central_fraction: Annotated[
        float,
        Option(
            "helical_z_percentage",
            LATER,
            "Part of the box along the axis, around the centre, from which the symmetry is taken; "
            "a fraction in spite of its name.",
            label="rlnHelicalCentralProportion",
        ),
    ] = 0.3
    helical_inner_diameter_A: Annotated[
        float,
        Option(
            "helical_inner_diameter",
            LATER,
            "Inner diameter of the tube mask; -1 for a massive tube.",
            label="rlnHelicalMaskTubeInnerDiameter",
            on_continue=FREE,
        ),
    ] = -1.0
    helical_outer_diameter_A: Annotated[
        float,
        Option(
            "helical_outer_diameter",
            LATER,
            "Outer diameter of the tube mask.",
            label="rlnHelicalMaskTubeOuterDiameter",
            on_continue=FREE,
        ),
    ] = -1.0
    helical_symmetry_search: Annotated[
        bool,
        Option(
            "helical_symmetry_search",
            LATER,
            "Refine twist and rise after each iteration.",
            label="rlnHelicalSymmetryLocalRefinement",
        ),
    ] = False
    helical_sigma_distance: Annotated[
        float,
        Option(
            "helical_sigma_distance",
            LATER,
            "Distance along the tube, in boxes, over which the poses of segments are averaged into "
            "priors; -1 treats segments one by one.",
            label="rlnHelicalSigmaDistance",
        ),
    ] = -1.0
    helical_keep_tilt_prior_fixed: Annotated[
        bool,
        Option(
            "helical_keep_tilt_prior_fixed",
            LATER,
            "The tilt prior stays where it is, mostly at 90°.",
            label="rlnHelicalKeepTiltPriorFixed",
        ),
    ] = False
    helical_excluded_resolutions_A: Annotated[
        str,
        Option(
            "helical_exclude_resols",
            LATER,
            "Bands of resolution along the axis that do not count, in pairs: 50,5.",
        ),
    ] = ""
    fourier_mask_file: Annotated[
        File,
        Option(
            "fourier_mask",
            IMPLEMENTED,
            "Factors on the frequencies of the map, when slices are cut: an MRC file of "
            "n/2+1 × n × n real numbers for a map of n px, frequency 0 first.",
            label="rlnFourierMask",
        ),
    ] = None
