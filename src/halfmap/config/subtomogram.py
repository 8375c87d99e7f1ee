"""Subtomogram averaging: known by name, for a later version."""

from typing import Annotated

from halfmap.config.declare import FREE, LATER, Option, OptionGroup


class Subtomogram(OptionGroup):
    """Subtomogram averaging."""

    subtomograms_normalised: Annotated[
        bool,
        Option(
            "normalised_subtomo",
            LATER,
            "The subtomograms were divided by the number of tilt images at each frequency.",
            on_continue=FREE,
        ),
    ] = False
    skip_multiplicity: Annotated[
        bool,
        Option(
            "skip_subtomo_multi",
            LATER,
            "Do not correct for the number of tilt images at each frequency.",
            on_continue=FREE,
        ),
    ] = False
    ctf_volumes_not_squared: Annotated[
        bool,
        Option(
            "ctf3d_not_squared",
            LATER,
            "The CTF volumes hold the square root of the summed CTF².",
            on_continue=FREE,
        ),
    ] = False
    multiplicity_threshold: Annotated[
        float,
        Option(
            "subtomo_multi_thr",
            LATER,
            "Frequencies that fewer tilt images than this reach do not count.",
            on_continue=FREE,
        ),
    ] = 0.01
